"""Makes a release of the checkout: ``python -m laptop.release X.Y.Z``, or ``make release VERSION=X.Y.Z``.

It moves the changelog's *Unreleased* under the version, writes the version where it stands, keeps the
APIs' descriptions as those that later changes are held against, runs the check, the build for Lambda,
its sizes and the bill of materials, then commits and tags. It never pushes. What fails before the commit
leaves the files as they were.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from laptop.errors import LaptopError
from laptop.layout import REPOSITORY

CHANGELOG: Final = "CHANGELOG.md"
# The descriptions as they are, by what a release keeps of them.
RELEASED: Final = {
    "infra/openapi.released.json": "infra/openapi.json",
    "infra/openapi-services.released.json": "infra/openapi-services.json",
}
COMMANDS: Final = (
    ("make", "check"),
    ("make", "build", "RUNTIME=aws"),
    ("make", "sizes", "ARGS=--twice"),
    ("make", "sbom"),
)
_UNRELEASED: Final = re.compile(r"^## Unreleased\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_NPM: Final = r'("name": "alpaquero-dashboard",\s+"version": ")([^"]+)'
# Where the version stands, and how often.
VERSIONED: Final[Mapping[str, tuple[str, int]]] = {
    "pyproject.toml": (r'^(version = ")([^"]+)', 1),
    "layers/alpaquero/python/alpaquero/__init__.py": (r'^(__version__ = ")([^"]+)', 1),
    "frontend/package.json": (_NPM, 1),
    "frontend/package-lock.json": (_NPM, 2),
}

Version = tuple[int, int, int]


@dataclass(frozen=True)
class Release:
    """What a release writes: its words, and each file's new text."""

    version: str
    notes: str
    files: Mapping[str, str]

    @property
    def tag(self) -> str:
        return f"v{self.version}"

    @property
    def title(self) -> str:
        return f"Release {self.version}"


def parsed(text: str) -> Version:
    """The three numbers of a version.

    Raises
    ------
    LaptopError
        When it is anything but three numbers.
    """
    if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", text):
        raise LaptopError(f"{text!r} is no version: give three numbers, such as 1.4.0")
    major, minor, patch = map(int, text.split("."))
    return major, minor, patch


def versions(root: Path) -> dict[str, set[str]]:
    """The version that each file says it is of.

    Raises
    ------
    LaptopError
        When a file does not say it where it should.
    """
    found = {}
    for name, (pattern, times) in VERSIONED.items():
        told = [match[2] for match in re.finditer(pattern, (root / name).read_text(), re.MULTILINE)]
        if len(told) != times:
            raise LaptopError(
                f"{name} says its version {len(told)} times, not {times}: see laptop/release.py"
            )
        found[name] = set(told)
    return found


def problems(root: Path, version: str) -> list[str]:
    """Why this version cannot be released from this checkout, in sentences; none when it can."""
    found = []
    branch = _git(root, "branch", "--show-current").strip()
    if branch != "main":
        found.append(f"a release is made from main, and this is {branch or 'no branch'}: git switch main")
    if changed := _git(root, "status", "--porcelain").splitlines():
        found.append(f"{len(changed)} files are not committed ({changed[0][3:]}): commit or stash them")
    wanted = parsed(version)
    tags = _git(root, "tag", "--list", "v*").split()
    made = [parsed(tag[1:]) for tag in tags if re.fullmatch(r"v\d+\.\d+\.\d+", tag)]
    if made and wanted <= max(made):
        found.append(f"{'.'.join(map(str, max(made)))} is released already: choose a later version")
    told = {one for names in versions(root).values() for one in names}
    if len(told) > 1:
        found.append(f"the files say {' and '.join(sorted(told))}: they must agree before a release")
    elif wanted < parsed(*told):
        found.append(f"the files say {told.pop()} already: choose that or a later version")
    unreleased = _UNRELEASED.search((root / CHANGELOG).read_text())
    if unreleased is None:
        found.append(f"{CHANGELOG} has no part `## Unreleased`: write what changed for those who use it")
    elif not unreleased[1].strip():
        found.append(f"{CHANGELOG} has nothing under `## Unreleased`: there is nothing to release")
    return found


def release(root: Path, version: str, day: date) -> Release:
    """What the release writes, from files that have no problems."""
    changelog = (root / CHANGELOG).read_text()
    match = _UNRELEASED.search(changelog)
    if match is None:
        raise LaptopError(f"{CHANGELOG} has no part `## Unreleased`")
    heading = f"## Unreleased\n\n## {version} ({day.isoformat()})\n"
    files = {
        CHANGELOG: changelog[: match.start()] + heading + match[1] + changelog[match.end() :],
        **{kept: (root / description).read_text() for kept, description in RELEASED.items()},
    }
    for name, (pattern, _) in VERSIONED.items():
        files[name] = re.sub(pattern, rf"\g<1>{version}", (root / name).read_text(), flags=re.MULTILINE)
    return Release(version, match[1].strip(), files)


def changed(root: Path, made: Release) -> list[str]:
    """The files that the release writes otherwise than they are."""
    return [
        name
        for name, text in made.files.items()
        if not (root / name).exists() or (root / name).read_text() != text
    ]


def carry_out(root: Path, made: Release, commands: Sequence[Sequence[str]] = COMMANDS) -> None:
    """Write the files, run the commands, commit and tag.

    Raises
    ------
    LaptopError
        When a command or git refuses; without a commit the files are as before.
    """
    names = changed(root, made)
    before = {name: (root / name).read_bytes() if (root / name).exists() else None for name in names}
    try:
        for name in names:
            (root / name).write_text(made.files[name])
        for command in commands:
            _run(root, command)
        _git(root, "add", "--", *names)
        _git(root, "commit", "--quiet", "--message", made.title, "--", *names)
    except BaseException:
        for name, content in before.items():
            if content is None:
                (root / name).unlink(missing_ok=True)
            else:
                (root / name).write_bytes(content)
        _git(root, "reset", "--quiet", "--", *names)
        raise
    message = f"{made.title}\n\n{made.notes}\n"
    _git(root, "tag", "--annotate", "--cleanup=whitespace", "--file=-", made.tag, given=message)


def _git(root: Path, *arguments: str, given: str | None = None) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=root, input=given, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr + done.stdout).strip() or f"exit code {done.returncode}"
        raise LaptopError(f"git {arguments[0]} failed: {said}")
    return done.stdout


def _run(root: Path, command: Sequence[str]) -> None:
    # A make that this one runs in would hand its own arguments down.
    environment = {key: value for key, value in os.environ.items() if key not in {"MAKEFLAGS", "MAKELEVEL"}}
    sys.stderr.write(f"{' '.join(command)}\n")
    if subprocess.run(command, cwd=root, env=environment, check=False).returncode:
        raise LaptopError(
            f"`{' '.join(command)}` failed, nothing is released: mend it and commit, then again"
        )


def _say(root: Path, made: Release) -> str:
    """What a dry run tells."""
    lines = [f"would write {name}" for name in changed(root, made)]
    lines += [f"would run {' '.join(command)}" for command in COMMANDS]
    lines += [f"would commit `{made.title}` and tag {made.tag}:", "", made.notes]
    return "\n".join(lines) + "\n"


def main(arguments: list[str], root: Path = REPOSITORY) -> int:
    """0 when it is released, or could be; 1 with a line for each reason why not."""
    parser = argparse.ArgumentParser(prog="python -m laptop.release", description="Make a release.")
    parser.add_argument("version", help="such as 1.4.0")
    parser.add_argument("--date", type=date.fromisoformat, default=datetime.now(UTC).date())
    parser.add_argument("--dry-run", action="store_true", help="say what it would do, and change nothing")
    given = parser.parse_args(arguments)
    found = problems(root, given.version)
    for one in found:
        sys.stderr.write(f"error: {one}\n")
    if found:
        return 1
    made = release(root, given.version, given.date)
    if given.dry_run:
        sys.stdout.write(_say(root, made))
        return 0
    carry_out(root, made)
    sys.stdout.write(
        f"{made.title} is committed and tagged. To publish it: git push origin main {made.tag}\n"
    )
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LaptopError as error:
        sys.exit(f"error: {error}")
