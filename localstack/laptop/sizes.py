"""What the AWS build weighs against its limits; ``make sizes`` prints it and every build is held to it.

The zips' limits are ours: a layer that outgrows one makes each cold start slower. What a function
unpacks, its code and all its layers, is Lambda's own limit.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from laptop.errors import LaptopError

if TYPE_CHECKING:
    from laptop.build import Built

_MB: Final = 1024 * 1024
# Lambda's own: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
UNPACKED_LIMIT_MB: Final = 250
LAYERS_LIMIT: Final = 5
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
        size, limit = zipped.stat().st_size / _MB, zip_limit_mb(path)
        if size > limit:
            heaviest = ", ".join(f"{name} {weight / _MB:.1f} MB" for name, weight in _heaviest(zipped))
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


def function_sizes(artifacts: Mapping[str, Path]) -> dict[str, tuple[list[str], int]]:
    """For each function of the template: the parts it is given, and the bytes they unpack to."""
    from laptop.template import functions, template

    contents = {
        name: str(resource["Properties"]["ContentUri"]).removeprefix("build/aws/").rstrip("/")
        for name, resource in template()["Resources"].items()
        if resource["Type"] == "AWS::Serverless::LayerVersion"
    }
    shared = template()["Globals"]["Function"].get("Layers", [])
    weights = {path: unpacked_bytes(zipped) for path, zipped in artifacts.items()}
    sizes = {}
    for name, given in functions().items():
        parts = [contents[layer["Ref"]] for layer in (*shared, *given.get("Layers", []))]
        parts.append(str(given["CodeUri"]).removeprefix("build/aws/").rstrip("/"))
        sizes[name] = parts, sum(weights[part] for part in parts)
    return sizes


def main(arguments: list[str]) -> int:
    """Print the tables; 1 when a function does not fit Lambda or, with ``--twice``, two builds differ."""
    from laptop.build import build
    from laptop.cli.common import progress

    built = build("aws", say=progress())
    fits = _print(built)
    if "--twice" not in arguments:
        return 0 if fits else 1
    with tempfile.TemporaryDirectory(prefix="alpaquero-build-") as elsewhere:
        again = build("aws", base=Path(elsewhere), say=progress())
        if {path.name for path in built.artifacts.values()} != {p.name for p in again.artifacts.values()}:
            raise LaptopError("a source changed between the two builds: run it again")
        differing = [path for path in built.artifacts if _hash(built, path) != _hash(again, path)]
    if differing:
        raise LaptopError(f"two builds differ in {', '.join(differing)}: unpack both zips and compare")
    sys.stdout.write(f"built twice: the {len(built.artifacts)} zips have equal hashes\n")
    return 0 if fits else 1


def _hash(built: Built, path: str) -> str:
    return hashlib.sha256(built.artifacts[path].read_bytes()).hexdigest()


def _print(built: Built) -> bool:
    """Both tables; False when a function is over a limit of Lambda's."""
    from laptop.cli.common import print_table

    rows = [
        (
            path,
            f"{zipped.stat().st_size / _MB:.2f} of {zip_limit_mb(path)}",
            f"{unpacked_bytes(zipped) / _MB:.1f}",
            _hash(built, path)[:16],
        )
        for path, zipped in sorted(built.artifacts.items())
    ]
    compiled = built.compiler or "NOT COMPILED: no Python 3.13 and no npm"
    print_table(
        f"AWS build, {built.architecture}, {compiled}", ("part", "zip MB", "unpacked MB", "sha256"), rows
    )
    sizes = function_sizes(built.artifacts)
    print_table(
        "Functions with their layers",
        ("function", "unpacked MB", "layers"),
        [
            (name, f"{size / _MB:.1f} of {UNPACKED_LIMIT_MB}", f"{len(parts) - 1} of {LAYERS_LIMIT}")
            for name, (parts, size) in sorted(sizes.items())
        ],
    )
    return all(
        size <= UNPACKED_LIMIT_MB * _MB and len(parts) - 1 <= LAYERS_LIMIT for parts, size in sizes.values()
    )


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LaptopError as error:
        sys.exit(f"error: {error}")
