"""Finds Node and runs npm: for the dashboard's page, the compiler of AWS's bytecode and the audit.

Node comes from the machine or, when it has none that is new enough, from a wheel pinned in
``localstack/node.txt``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from laptop import processes
from laptop.errors import LaptopError
from laptop.layout import REPOSITORY

# As "engines" of package.json says: 20.19 and its successors, or 22.12 and anything newer.
_NODE_20: Final = ((20, 19), (21, 0))
_LEAST_NODE: Final = (22, 12)


def environment(log: Path) -> dict[str, str]:
    """The variables to run node and npm with. Raises `LaptopError` when there is no Node."""
    made = processes.base_environment() | _npm_settings()
    made["PATH"] = f"{_folder(log)}{os.pathsep}{made.get('PATH', '')}"
    return made


def npm(arguments: list[str], folder: Path, environment: dict[str, str], log: Path) -> None:
    """Run npm in a folder. Raises `LaptopError`, which names the log, when it fails."""
    with log.open("ab") as output:
        done = subprocess.run(
            ["npm", *arguments],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        raise LaptopError(
            f"npm {' '.join(arguments)} failed: see {log}; check the network or npm's registry, "
            "then start again (the bot runs without the page: alpaquero up --no-dashboard)"
        )


def _npm_settings() -> dict[str, str]:
    """npm's own settings of the shell, such as a registry of the user's."""
    return {name: value for name, value in os.environ.items() if name.lower().startswith("npm_config_")}


def _folder(log: Path) -> Path:
    """The folder of a Node that is new enough: the machine's, else the pinned wheel's.

    Raises
    ------
    LaptopError
        When the wheel cannot be fetched.
    """
    ours = Path(sys.executable).parent
    for folder in (_machine_node(), ours if (ours / "node").exists() else None):
        if folder is not None:
            return folder
    lock = REPOSITORY / "localstack" / "node.txt"
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--require-hashes",
        "--no-deps",
        "-r",
        str(lock),
    ]
    with log.open("ab") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise LaptopError(
            f"the dashboard needs Node {_LEAST_NODE[0]}.{_LEAST_NODE[1]} or newer and its wheel could not be "
            f"fetched (see {log}): install Node, or check the network"
        )
    return ours


def _machine_node() -> Path | None:
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return None
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    version = re.match(r"v(\d+)\.(\d+)", told.stdout)
    if version is None or not _is_new_enough(int(version[1]), int(version[2])):
        return None
    return Path(node).parent


def _is_new_enough(major: int, minor: int) -> bool:
    return _NODE_20[0] <= (major, minor) < _NODE_20[1] or (major, minor) >= _LEAST_NODE
