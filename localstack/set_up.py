"""Makes the project's environments from their lock files; ``make setup``, ``test`` and ``bench`` call it.

It runs on any Python 3.11 to 3.13 with nothing installed. An environment is made anew when its lock
changed, when another Python asks, or when the last attempt did not finish: its stamp is written last.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[1]
STAMP = ".complete"
BEGAN = time.monotonic()


class SetUpError(Exception):
    """Something the user can mend; the message says how."""


def say(step: str) -> None:
    """A step, with the seconds since the start."""
    sys.stderr.write(f"[{time.monotonic() - BEGAN:6.1f} s] {step}\n")


def key(lock: Path) -> str:
    """What an environment depends on: this Python's version and the lock's words."""
    return hashlib.sha256(f"{sys.version_info[:3]}".encode() + lock.read_bytes()).hexdigest()


def is_complete(environment: Path, lock: Path) -> bool:
    """Whether the environment was made whole from this lock."""
    noted = environment / f"{STAMP}-{lock.stem}"
    return noted.exists() and noted.read_text() == key(lock)


def run(command: list[str], failure: str) -> None:
    """Run a command, its output kept for the one line that tells of a failure."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).strip().splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR")] or lines or ["no output"]
        raise SetUpError(f"{failure}: {errors[-1]}")


def make_environment(environment: Path) -> None:
    """An empty virtual environment of this Python."""
    shutil.rmtree(environment, ignore_errors=True)
    run(
        [sys.executable, "-m", "venv", str(environment)],
        f"this Python makes no environments (install its venv package, or set PYTHON=), {environment.name}",
    )


def pip(environment: Path) -> list[str]:
    """The environment's own pip, quiet."""
    return [
        str(environment / "bin" / "python"),
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--no-input",
        "--quiet",
    ]


def install(environment: Path, lock: Path) -> None:
    """The packages of a lock file, by their hashes."""
    run(
        [*pip(environment), "install", "--no-deps", "--require-hashes", "-r", str(lock)],
        f"pip could not install {lock.relative_to(REPOSITORY)} (check the network or pip's index setting, "
        "then run make setup again)",
    )


def install_showing(environment: Path, lock: Path) -> None:
    """The same for a lock so large that one wants to see how far it is."""
    total = len(re.findall(r"^[a-z0-9.-]+==", lock.read_text(), re.MULTILINE))
    command = [part for part in pip(environment) if part != "--quiet"]
    command += ["install", "--no-deps", "--require-hashes", "--progress-bar", "off", "-r", str(lock)]
    fetched, lines = 0, []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=REPOSITORY
    ) as process:
        for line in process.stdout or ():
            lines.append(line.strip())
            if line.startswith(("Collecting ", "Processing ")):
                fetched += 1
                if fetched % 20 == 0:
                    say(f"{environment.name}: {fetched} of at most {total} packages fetched")
            elif line.startswith("Installing"):
                say(f"{environment.name}: unpacking {fetched} packages")
    if process.returncode:
        errors = [line for line in lines if line.startswith("ERROR")] or lines or ["no output"]
        raise SetUpError(
            f"pip could not install {lock.relative_to(REPOSITORY)} (check the network or pip's index "
            f"setting, then run make bench again; parts without a peer need none of it): {errors[-1]}"
        )


def stamp(environment: Path, lock: Path) -> None:
    """Note that the environment is whole."""
    (environment / f"{STAMP}-{lock.stem}").write_text(key(lock))


def install_project(environment: Path) -> None:
    """The project itself, from its work tree."""
    run(
        [*pip(environment), "install", "--no-deps", "--no-build-isolation", "--editable", str(REPOSITORY)],
        "the project itself could not be installed",
    )


def try_vectorbt(environment: Path) -> None:
    """Imports it once, so that what it lacks shows here and not in the middle of a measurement."""
    run([str(environment / "bin" / "python"), "-c", "import vectorbt"], "vectorbt cannot be imported")


class Environment(NamedTuple):
    """An environment of its own, the lock that it is made of, and what it is said to be."""

    folder: str
    lock: str
    holds: str
    install: Callable[[Path, Path], None] = install
    then: Callable[[Path], None] | None = None


# Its own, since it pins botocore.
ENGINE = Environment(".venv-engine", "localstack/engine.txt", "the LocalStack-compatible engine")
LAPTOP = Environment(
    ".venv",
    "localstack/laptop.txt",
    "the command line and the paper exchange",
    then=install_project,
)
# What one target alone needs, apart from everything that is shipped or tested; the target makes it.
TOOLS = {
    "--peers": Environment(
        ".venv-peers",
        "tests/benchmarks/peers.txt",
        "TA-Lib, pandas, numba, alpaca-py, backtesting.py, vectorbt (1 GB, once)",
        install=install_showing,
        then=try_vectorbt,
    ),
    "--audit": Environment(".venv-audit", "localstack/audit.txt", "pip-audit and cyclonedx-py"),
    "--localstack": Environment(
        ".venv-localstack", "localstack/localstack.txt", "LocalStack, 340 MB", install=install_showing
    ),
    "--sam": Environment(".venv-sam", "localstack/sam.txt", "the SAM command line (340 MB, once)"),
    "--checkov": Environment(
        ".venv-checkov", "localstack/checkov.txt", "a scanner of templates (300 MB, once)"
    ),
}


def make(wanted: Environment) -> None:
    """The environment, anew, unless it was made whole from its lock."""
    environment, lock = REPOSITORY / wanted.folder, REPOSITORY / wanted.lock
    if is_complete(environment, lock):
        return
    say(f"making {wanted.folder}: {wanted.holds}")
    make_environment(environment)
    wanted.install(environment, lock)
    if wanted.then is not None:
        wanted.then(environment)
    stamp(environment, lock)


def add_development() -> None:
    """What tests and checks need, on top of the command line's environment."""
    environment, lock = REPOSITORY / LAPTOP.folder, REPOSITORY / "tests" / "development.txt"
    if not is_complete(environment, lock):
        say(f"adding what the tests need to {LAPTOP.folder}")
        install(environment, lock)
        stamp(environment, lock)


def main(arguments: list[str]) -> int:
    """Make what is missing. 0 when everything is there, 1 with one line that says the fix."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        sys.stderr.write(
            f"error: Python {sys.version.split()[0]} will not do: set PYTHON= to a 3.11, 3.12 or 3.13\n"
        )
        return 1
    try:
        for option, wanted in TOOLS.items():
            if option in arguments:
                make(wanted)
                return 0
        with ThreadPoolExecutor(max_workers=2) as pool:
            list(pool.map(make, (ENGINE, LAPTOP)))
        if "--development" in arguments:
            add_development()
    except SetUpError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
