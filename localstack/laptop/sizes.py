"""What the AWS build weighs against its limits; ``make sizes`` prints it.

What a function unpacks, its code and all its layers, is Lambda's own limit; a zip's is in `laptop.weights`.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from laptop.build import Built, build
from laptop.cli.common import print_table, progress
from laptop.errors import LaptopError
from laptop.template import functions, template
from laptop.weights import MB, unpacked_bytes, zip_limit_mb

# Lambda's own: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
UNPACKED_LIMIT_MB: Final = 250
LAYERS_LIMIT: Final = 5


def function_sizes(artifacts: Mapping[str, Path]) -> dict[str, tuple[list[str], int]]:
    """For each function of the template: the parts it is given, and the bytes they unpack to."""
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
    rows = [
        (
            path,
            f"{zipped.stat().st_size / MB:.2f} of {zip_limit_mb(path)}",
            f"{unpacked_bytes(zipped) / MB:.1f}",
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
            (name, f"{size / MB:.1f} of {UNPACKED_LIMIT_MB}", f"{len(parts) - 1} of {LAYERS_LIMIT}")
            for name, (parts, size) in sorted(sizes.items())
        ],
    )
    return all(
        size <= UNPACKED_LIMIT_MB * MB and len(parts) - 1 <= LAYERS_LIMIT for parts, size in sizes.values()
    )


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LaptopError as error:
        sys.exit(f"error: {error}")
