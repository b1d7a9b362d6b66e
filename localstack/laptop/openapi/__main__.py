"""`python -m laptop.openapi [write|check|release]`: writes the descriptions, or holds what is there to them.

With the public one go the request models of template.yaml (`laptop.openapi.edge`).

`check` is what `make check` runs; `release` keeps the descriptions as those of a release, against which
later ones are held.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from laptop.layout import REPOSITORY, TEMPLATE
from laptop.openapi.breaking import breaks
from laptop.openapi.description import PUBLIC, SERVICES, Door, described
from laptop.openapi.edge import written

INFRA: Final = REPOSITORY / "infra"

Document = dict[str, Any]


def kept(door: Door) -> Path:
    """Where the description of an API is."""
    return INFRA / f"{door.file}.json"


def released(door: Door) -> Path:
    """Where that of the last release is."""
    return INFRA / f"{door.file}.released.json"


def text_of(document: Document) -> str:
    """The document as it is written."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def problems(door: Door, document: Document) -> list[str]:
    """What is wrong with the files of one API, in sentences."""
    found = []
    if not kept(door).exists() or kept(door).read_text() != text_of(document):
        found.append(
            f"infra/{kept(door).name} is not what the routes declare: "
            "run `python -m laptop.openapi` and commit it"
        )
    if door is PUBLIC and TEMPLATE.read_text() != written(TEMPLATE.read_text(), document):
        found.append(
            "the request models of template.yaml are not those of the routes: "
            "run `python -m laptop.openapi` and commit it"
        )
    if released(door).exists():
        broken = breaks(json.loads(released(door).read_text()), document)
        found += [f"breaks callers of the last release: {one}" for one in broken]
        if broken:
            found.append(f"keep the old form beside the new one, or raise the StageName of {door.resource}")
    return found


def main(arguments: list[str]) -> int:
    """0 when all is well."""
    command = arguments[0] if arguments else "write"
    if command not in {"write", "check", "release"}:
        sys.stderr.write(f"error: {command} is none of write, check, release\n")
        return 2
    documents = [(door, described(door)) for door in (PUBLIC, SERVICES)]
    if command == "check":
        found = [one for door, document in documents for one in problems(door, document)]
        for one in found:
            sys.stderr.write(f"error: {one}\n")
        return 1 if found else 0
    place = kept if command == "write" else released
    for door, document in documents:
        place(door).write_text(text_of(document))
        if door is PUBLIC and command == "write":
            TEMPLATE.write_text(written(TEMPLATE.read_text(), document))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
