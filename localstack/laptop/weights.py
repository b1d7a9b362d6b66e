"""What a zip may weigh; every AWS build is held to it.

The limits are ours: a layer that outgrows one makes each cold start slower.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from laptop.errors import LaptopError

MB: Final = 1024 * 1024
ZIP_LIMITS_MB: Final[Mapping[str, int]] = {"layers/api": 10, "layers/auth": 6}
LAYER_LIMIT_MB: Final = 40
# A function's zip holds its service's files alone; Lambda's console shows code up to 3 MB.
FUNCTION_LIMIT_MB: Final = 1


def zip_limit_mb(path: str) -> int:
    """The most that the zip of a part, ``layers/api`` or ``functions/trading``, may weigh."""
    return ZIP_LIMITS_MB.get(path, LAYER_LIMIT_MB if path.startswith("layers/") else FUNCTION_LIMIT_MB)


def unpacked_bytes(zipped: Path) -> int:
    """The bytes of every file in a zip."""
    with zipfile.ZipFile(zipped) as archive:
        return sum(entry.file_size for entry in archive.infolist())


def refuse_heavy(artifacts: Mapping[str, Path]) -> None:
    """Hold every zip to its limit.

    Raises
    ------
    LaptopError
        Which names the parts that are over it, what weighs most in each, and the fix.
    """
    over = []
    for path, zipped in artifacts.items():
        size, limit = zipped.stat().st_size / MB, zip_limit_mb(path)
        if size > limit:
            heaviest = ", ".join(f"{name} {weight / MB:.1f} MB" for name, weight in _heaviest(zipped))
            over.append(f"{path} weighs {size:.1f} MB zipped, {limit} are allowed (most of it: {heaviest})")
    if over:
        raise LaptopError(
            "; ".join(over) + ": take a package out of its layers/*.in, or prune it in laptop/build.py"
        )


def _heaviest(zipped: Path) -> list[tuple[str, int]]:
    """The three packages of a zip that weigh most in it."""
    weights: Counter[str] = Counter()
    with zipfile.ZipFile(zipped) as archive:
        for entry in archive.infolist():
            weights[entry.filename.removeprefix("python/").split("/")[0]] += entry.compress_size
    return weights.most_common(3)
