"""``make sizes``: what the AWS build weighs, part by part, against Lambda's limits."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from laptop.build import build
from laptop.cli.common import print_table, progress

_MB: Final = 1024 * 1024
# A function's layers and code together, unpacked.
UNPACKED_LIMIT_MB: Final = 250


def unpacked(folder: Path) -> int:
    """The bytes of every file below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> int:
    """Print the table; 1 when code and all layers together would not fit Lambda."""
    built = build("aws", say=progress())
    rows = []
    total = 0
    for path, zipped in sorted(built.artifacts.items()):
        size = unpacked((built.folder / path).resolve())
        total += size if path.startswith("layers/") else 0
        rows.append((path, f"{size / _MB:.1f}", f"{zipped.stat().st_size / _MB:.2f}"))
    rows.append(("all layers together", f"{total / _MB:.1f} of {UNPACKED_LIMIT_MB}", ""))
    print_table("AWS build", ("part", "unpacked MB", "zip MB"), rows)
    return 0 if total < UNPACKED_LIMIT_MB * _MB else 1


if __name__ == "__main__":
    sys.exit(main())
