"""Compiles what Lambda runs, so that no cold start does; ``laptop.build`` asks for the compiler.

Bytecode must come from the minor version that runs it. For Lambda that is a Python 3.13 of this
machine or, where none runs, CPython 3.13 on WebAssembly: Pyodide, pinned with its hash in
``localstack/compiler`` and run by the Node that builds the dashboard. Files come with unchecked
hashes: Lambda's archives have no time of change to compare.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from laptop import node
from laptop.errors import LaptopError
from laptop.layout import BUILD, REPOSITORY

AWS_PYTHON: Final = "3.13"
_PINNED: Final = REPOSITORY / "localstack" / "compiler"
_PINNED_FILES: Final = ("package.json", "package-lock.json", ".npmrc", "compile.mjs")
# Whatever order a set of names has goes into the bytes, up to 3.13.0 at least.
_FIXED: Final = {"PYTHONHASHSEED": "0"}
_TELL: Final = "import platform, sys; print(sys.implementation.cache_tag, platform.python_version())"


@dataclass(frozen=True)
class Compiler:
    """A command that compiles a folder in place.

    ``label`` is what its bytes depend on: the implementation and its full version.
    """

    label: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    is_pinned: bool = False

    def compile(self, folder: Path, shown_as: str) -> None:
        """Write a .pyc for each .py below ``folder``, whose tracebacks say ``shown_as`` for it.

        Raises
        ------
        LaptopError
            With the compiler's words when a file does not compile.
        """
        command = [*self.command]
        if self.is_pinned:
            command += [str(folder), shown_as]
        else:
            # The repository's names: the bytes are the same on every machine.
            command += ["-s", str(folder), "-p", shown_as, str(folder)]
        environment = {**os.environ, **self.environment, **_FIXED}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise LaptopError(f"{shown_as} does not compile:\n{(done.stdout + done.stderr).strip()}")


def of_interpreter(python: Path) -> Compiler | None:
    """The compiler of a Python, or None when it does not run."""
    try:
        done = subprocess.run([python, "-I", "-S", "-c", _TELL], capture_output=True, text=True, check=False)
    except OSError:
        return None
    if done.returncode:
        return None
    command = (str(python), "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash")
    return Compiler(done.stdout.strip(), command)


@cache
def aws_compiler() -> Compiler | None:
    """What compiles for Lambda: a Python 3.13 of this machine, else the pinned one, else None."""
    tag = f"cpython-{AWS_PYTHON.replace('.', '')} "
    for python in _candidates():
        found = of_interpreter(python)
        if found is not None and found.label.startswith(tag):
            return found
    return pinned_compiler()


def _candidates() -> Iterator[Path]:
    """Where a Python 3.13 may be: this one, the path, and what pyenv and uv have installed."""
    if sys.version_info[:2] == (3, 13):
        yield Path(sys.executable)
    name = f"python{AWS_PYTHON}"
    on_path = shutil.which(name)
    if on_path:
        yield Path(on_path)
    homes = {
        "PYENV_ROOT": (Path.home() / ".pyenv", f"versions/{AWS_PYTHON}.*/bin/{name}"),
        "UV_PYTHON_INSTALL_DIR": (
            Path.home() / ".local/share/uv/python",
            f"cpython-{AWS_PYTHON}.*/bin/{name}",
        ),
    }
    for variable, (usual, pattern) in homes.items():
        yield from sorted(Path(os.environ.get(variable) or usual).glob(pattern), reverse=True)


def pinned_compiler() -> Compiler | None:
    """CPython on WebAssembly from npm, fetched once by the lock's hash; None when npm gives none."""
    BUILD.mkdir(exist_ok=True)
    log = BUILD / "compiler.log"
    key = hashlib.sha256(b"".join((_PINNED / name).read_bytes() for name in _PINNED_FILES)).hexdigest()
    home = BUILD / f"compiler-{key[:16]}"
    try:
        environment = node.environment(log)
        with (BUILD / ".compiler.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not home.exists():
                half = home.with_name(f".{home.name}")
                shutil.rmtree(half, ignore_errors=True)
                half.mkdir()
                for name in _PINNED_FILES:
                    shutil.copyfile(_PINNED / name, half / name)
                node.npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund"], half, environment, log)
                half.replace(home)
    except LaptopError:
        return None
    command = ("node", str(home / "compile.mjs"))
    told = subprocess.run(
        [*command, "--version"],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    version = told.stdout.strip()
    if told.returncode or not version.startswith(f"{AWS_PYTHON}."):
        return None
    return Compiler(f"pyodide {version}", command, environment, is_pinned=True)
