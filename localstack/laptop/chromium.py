"""Finds a headless Chromium for the browser tests, or installs one; ``make test`` calls it first."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from laptop.errors import LaptopError

VARIABLE: Final = "ALPAQUERO_CHROMIUM"
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> Path | None:
    """``ALPAQUERO_CHROMIUM``, the system's browser or Playwright's own; None when there is none."""
    named = os.environ.get(VARIABLE)
    for candidate in (named, *(shutil.which(name) for name in _NAMES), _of_playwright()):
        if candidate and Path(candidate).exists():
            return Path(candidate)
    return None


def _of_playwright() -> str:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


def find_or_install() -> Path:
    """The browser, installed if need be: Playwright's own, else the system's package when run as root.

    Raises
    ------
    LaptopError
        When neither can be had.
    """
    for install in (None, _install_playwrights, _install_systems):
        if install is not None:
            install()
        found = find()
        if found is not None:
            return found
    raise LaptopError(
        "the browser tests need Chromium: install it (Debian: apt install chromium) "
        f"or set {VARIABLE}=<its path>"
    )


def _install_playwrights() -> None:
    sys.stderr.write("installing Chromium for the browser tests\n")
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    # Without its download site it would try for minutes.
    subprocess.run(command, capture_output=True, check=False, timeout=300)


def _install_systems() -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update"],
        ["apt-get", "install", "-y", "--no-install-recommends", "chromium"],
    ):
        subprocess.run(command, capture_output=True, check=False, env=quiet)


def main() -> int:
    """Find or install it; one line and code 1 when that fails."""
    try:
        find_or_install()
    except (LaptopError, subprocess.TimeoutExpired) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
