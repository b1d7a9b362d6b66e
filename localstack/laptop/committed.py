"""Refuses what no commit may carry: where packages came from, a machine's paths, secrets.

``python -m laptop.committed [FILE...]`` looks at the files named, or at all that git has; `make check`
and the hook before a commit call it. A line is judged by shape alone, so made-up keys in tests must not
look like real ones.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from laptop.layout import REPOSITORY

# Where containers and Lambda keep things: a checkout there says nothing of a person's machine.
_COMMON_PLACES: Final = ("/opt/", "/usr/", "/var/")
_PRIVATE_NAMES: Final = (".env", ".pypirc", "credentials.json", "*.pem", "*.p12", "id_*sa")


@dataclass(frozen=True)
class Finding:
    """A line that must not be committed."""

    path: str
    line: int
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}: {self.fix}"


@dataclass(frozen=True)
class Shape:
    """What a line of some kind looks like."""

    what: str
    fix: str
    pattern: re.Pattern[str]


def _shape(what: str, fix: str, *alternatives: str) -> Shape:
    return Shape(what, fix, re.compile("|".join(alternatives), re.MULTILINE))


_REVOKE: Final = "take it out, and revoke it if it ever worked"
SHAPES: Final = (
    _shape(
        "an address to download packages from",
        "locks name packages and hashes, the machine's own settings name the registry",
        r"https?://[^\s\"']+(?:/simple/|/packages/|/pool/|\.whl\b|\.tgz\b)",
        r"\"resolved\": *\"http",
        r"^(?:--)?(?:extra-)?index-url\b",
        r"^--find-links\b",
        r"^registry *=",
    ),
    _shape(
        "a path of somebody's machine",
        "name it from the repository's root, or ask laptop.layout",
        r"(?:^|[^A-Za-z0-9_.$~-])/(?:root|home|Users)/[A-Za-z.]",
    ),
    _shape("a private key", _REVOKE, r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    _shape(
        "a key of AWS",
        _REVOKE,
        r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
        r"(?i:aws_secret_access_key)[\"']? *[:=] *[\"']?[A-Za-z0-9/+]{40}\b",
    ),
    _shape("a key of Alpaca", _REVOKE, r"\b(?:PK|AK(?!IA))[0-9A-Z]{18,24}\b"),
    _shape("a program's key", _REVOKE, r"\baqk\.[\w-]+\.[\w-]{40,}"),
    _shape(
        "a token",
        _REVOKE,
        r"\bgh[pousr]_[A-Za-z0-9]{36}",
        r"\bgithub_pat_\w{50,}",
        r"\b(?:npm|pypi)[_-][A-Za-z0-9_-]{36,}",
        r"\b_(?:authToken|auth|password) *= *\w",
        r"\bxox[abprs]-[A-Za-z0-9-]{20,}",
        r"\beyJ[\w-]{20,}\.eyJ[\w-]{20,}\.[\w-]{20,}",
    ),
    _shape("an address with its password", _REVOKE, r"://[^/\s:@\"']+:[^/\s@\"']{8,}@"),
)


def checkout(root: Path) -> Iterator[Shape]:
    """The folder that this checkout lies in, which a file may not name."""
    place = str(root)
    if len(root.parts) > 2 and not place.startswith(_COMMON_PLACES):
        words = "a path of this machine", "name it from the repository's root, or ask laptop.layout"
        yield _shape(*words, re.escape(place) + r"(?![\w.-])")


def findings_in(path: str, text: str, shapes: Iterable[Shape] = SHAPES) -> Iterator[Finding]:
    """What of one file must not be committed; a file that keeps secrets by its name is one finding."""
    name = PurePosixPath(path)
    if any(name.match(pattern) for pattern in _PRIVATE_NAMES):
        yield Finding(path, 1, "a file that keeps secrets", "take it out, and name it in .gitignore")
    for shape in shapes:
        for match in shape.pattern.finditer(text):
            yield Finding(path, text.count("\n", 0, match.end()) + 1, shape.what, shape.fix)


def tracked(root: Path) -> list[str]:
    """The files that git has of this checkout; none where it is no checkout."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=False)
    return [name for name in done.stdout.split("\0") if name] if done.returncode == 0 else []


def findings(root: Path, names: Iterable[str]) -> Iterator[Finding]:
    """What is wrong with these files, links and binary files left out."""
    shapes = (*SHAPES, *checkout(root))
    for name in names:
        path = root / name
        if path.is_symlink() or not path.is_file():
            continue
        content = path.read_bytes()
        if b"\0" not in content[:8192]:
            yield from findings_in(name, content.decode(errors="replace"), shapes)


def main(arguments: list[str]) -> int:
    """0 when nothing was found; each finding is a line with its fix, and never the secret itself."""
    found = list(findings(REPOSITORY, arguments or tracked(REPOSITORY)))
    for one in found:
        sys.stderr.write(f"error: {one}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
