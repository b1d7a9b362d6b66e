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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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


def is_complete(environment: Path, name: str, lock: Path) -> bool:
    """Whether the environment was made whole from this lock."""
    noted = environment / f"{STAMP}-{name}"
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


def stamp(environment: Path, name: str, lock: Path) -> None:
    """Note that the environment is whole."""
    (environment / f"{STAMP}-{name}").write_text(key(lock))


def engine() -> None:
    """The engine's own environment, since it pins botocore."""
    environment, lock = REPOSITORY / ".venv-engine", REPOSITORY / "localstack" / "engine.txt"
    if is_complete(environment, "engine", lock):
        return
    say("making .venv-engine: the LocalStack-compatible engine")
    make_environment(environment)
    install(environment, lock)
    stamp(environment, "engine", lock)


def laptop() -> None:
    """The command line's environment, with the project itself."""
    environment, lock = REPOSITORY / ".venv", REPOSITORY / "localstack" / "laptop.txt"
    if is_complete(environment, "laptop", lock):
        return
    say("making .venv: the command line and the paper exchange")
    make_environment(environment)
    install(environment, lock)
    run(
        [*pip(environment), "install", "--no-deps", "--no-build-isolation", "--editable", str(REPOSITORY)],
        "the project itself could not be installed",
    )
    stamp(environment, "laptop", lock)


def development() -> None:
    """What tests and checks need, on top of the command line's environment."""
    environment, lock = REPOSITORY / ".venv", REPOSITORY / "tests" / "development.txt"
    if not is_complete(environment, "development", lock):
        say("adding what the tests need to .venv")
        install(environment, lock)
        stamp(environment, "development", lock)


def peers() -> None:
    """What `make bench` measures beside ours, in an environment of its own: nothing of it is ever shipped."""
    environment, lock = REPOSITORY / ".venv-peers", REPOSITORY / "tests" / "benchmarks" / "peers.txt"
    if is_complete(environment, "peers", lock):
        return
    say("making .venv-peers: TA-Lib, pandas, numba, alpaca-py, backtesting.py, vectorbt (1 GB, once)")
    make_environment(environment)
    install_showing(environment, lock)
    run([str(environment / "bin" / "python"), "-c", "import vectorbt"], "vectorbt cannot be imported")
    stamp(environment, "peers", lock)


def audit() -> None:
    """What `make audit` and `make sbom` run, apart from everything that is shipped or tested."""
    environment, lock = REPOSITORY / ".venv-audit", REPOSITORY / "localstack" / "audit.txt"
    if is_complete(environment, "audit", lock):
        return
    say("making .venv-audit: pip-audit and cyclonedx-py")
    make_environment(environment)
    install(environment, lock)
    stamp(environment, "audit", lock)


def localstack() -> None:
    """LocalStack itself, the other engine, which nobody needs who does not ask for it."""
    environment, lock = REPOSITORY / ".venv-localstack", REPOSITORY / "localstack" / "localstack.txt"
    if is_complete(environment, "localstack", lock):
        return
    say("making .venv-localstack: LocalStack, 340 MB")
    make_environment(environment)
    install_showing(environment, lock)
    stamp(environment, "localstack", lock)


def sam() -> None:
    """What `make sam` runs: the SAM command line and AWS's runtime client, apart from everything else."""
    environment, lock = REPOSITORY / ".venv-sam", REPOSITORY / "localstack" / "sam.txt"
    if is_complete(environment, "sam", lock):
        return
    say("making .venv-sam: the SAM command line (340 MB, once)")
    make_environment(environment)
    install(environment, lock)
    stamp(environment, "sam", lock)


def checkov() -> None:
    """What `make checkov` runs, apart from everything else."""
    environment, lock = REPOSITORY / ".venv-checkov", REPOSITORY / "localstack" / "checkov.txt"
    if is_complete(environment, "checkov", lock):
        return
    say("making .venv-checkov: a scanner of templates (300 MB, once)")
    make_environment(environment)
    install(environment, lock)
    stamp(environment, "checkov", lock)


# Environments that one target alone needs; it makes its own.
TOOLS = {"--peers": peers, "--audit": audit, "--localstack": localstack, "--sam": sam, "--checkov": checkov}


def main(arguments: list[str]) -> int:
    """Make what is missing. 0 when everything is there, 1 with one line that says the fix."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        sys.stderr.write(
            f"error: Python {sys.version.split()[0]} will not do: set PYTHON= to a 3.11, 3.12 or 3.13\n"
        )
        return 1
    try:
        for option, make in TOOLS.items():
            if option in arguments:
                make()
                return 0
        with ThreadPoolExecutor(max_workers=2) as pool:
            for made in [pool.submit(engine), pool.submit(laptop)]:
                made.result()
        if "--development" in arguments:
            development()
    except SetUpError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
