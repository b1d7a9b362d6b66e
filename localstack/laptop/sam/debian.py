"""Programs from Debian's packages, unpacked into a folder and never installed.

``laptop.sam.docker`` takes its container engine from here, ``laptop.sam.image`` the Python of its stand-in.
No service is started by an install script, nothing of the machine's own packages changes, and apt's lists
and archives are kept in the folder. Needs apt and dpkg-deb; no root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from laptop.errors import LaptopError

Say = Callable[[str], None]

MIRROR: Final = "http://deb.debian.org/debian"
_STAMP: Final = ".complete"


@dataclass(frozen=True)
class Packages:
    """Packages to unpack with what they depend on.

    ``suite`` None asks the machine's own sources, and leaves out what the machine has; a suite's name (as
    ``trixie``) asks Debian's mirror for everything, down to the C library.
    """

    names: tuple[str, ...]
    suite: str | None = None


def can_unpack() -> bool:
    """Whether this machine has Debian's tools."""
    return shutil.which("apt-get") is not None and shutil.which("dpkg-deb") is not None


def unpacked(packages: Packages, folder: Path, say: Say = lambda _: None) -> Path:
    """The packages below ``folder/root``, fetched unless they lie there whole; gives that root.

    Raises
    ------
    LaptopError
        When apt cannot fetch them.
    """
    root, stamp = folder / "root", folder / _STAMP
    wanted = " ".join((packages.suite or "own", *packages.names))
    if stamp.exists() and stamp.read_text() == wanted:
        return root
    say(f"fetching {packages.names[0]} from Debian's packages; it is unpacked, not installed")
    shutil.rmtree(folder, ignore_errors=True)
    configuration = _configured(packages, folder)
    _apt(configuration, "update")
    _apt(configuration, "install", "--yes", "--download-only", "--no-install-recommends", *packages.names)
    root.mkdir()
    for package in sorted((folder / "archives").glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(package), str(root)])
    shutil.rmtree(folder / "archives")
    shutil.rmtree(folder / "lists")
    stamp.write_text(wanted)
    return root


def _configured(packages: Packages, folder: Path) -> Path:
    """An apt.conf whose lists, archives and locks are all in ``folder``."""
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True)
    settings = {
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder,
        "Dir::Cache::archives": folder / "archives",
        "APT::Sandbox::User": "root",  # apt's own user may not enter our folder
        "Debug::NoLocking": "true",
    }
    if packages.suite is not None:
        (folder / "sources.list").write_text(f"deb {MIRROR} {packages.suite} main\n")
        (folder / "status").touch()
        settings |= {
            "Dir::Etc::sourcelist": folder / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::State::status": folder / "status",
        }
    path = folder / "apt.conf"
    path.write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    return path


def _apt(configuration: Path, *arguments: str) -> None:
    _run(
        ["apt-get", "-q", *arguments], {"APT_CONFIG": str(configuration), "DEBIAN_FRONTEND": "noninteractive"}
    )


def _run(command: Sequence[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **(environment or {})}, check=False
    )
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
        raise LaptopError(
            f"{' '.join(command[:3])} failed ({lines[-1]}): check the network and apt's sources"
        )
