"""`python -m laptop.openapi [write|check|release]`: writes the descriptions, or holds what is there to them.

With the public one go the request models of template.yaml (`laptop.openapi.edge`).

`check` is what `make check` runs; `release` keeps the public description as that of a release, against which
later ones are held.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from laptop.layout import REPOSITORY, TEMPLATE
from laptop.openapi.breaking import breaks
from laptop.openapi.description import SERVICES, described
from laptop.openapi.edge import written

DESCRIPTION: Final = REPOSITORY / "infra" / "openapi.json"
OF_SERVICES: Final = REPOSITORY / "infra" / "openapi-services.json"
RELEASED: Final = REPOSITORY / "infra" / "openapi.released.json"


def text_of(document: dict[str, Any]) -> str:
    """The document as it is written."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def problems(document: dict[str, Any], of_services: dict[str, Any]) -> list[str]:
    """What is wrong with the files, in sentences."""
    found = [
        f"{file.relative_to(REPOSITORY)} is not what the routes declare: "
        "run `python -m laptop.openapi` and commit it"
        for file, declared in ((DESCRIPTION, document), (OF_SERVICES, of_services))
        if not file.exists() or file.read_text() != text_of(declared)
    ]
    if TEMPLATE.read_text() != written(TEMPLATE.read_text(), document):
        found.append(
            "the request models of template.yaml are not those of the routes: "
            "run `python -m laptop.openapi` and commit it"
        )
    if RELEASED.exists():
        broken = breaks(json.loads(RELEASED.read_text()), document)
        found += [f"breaks callers of the last release: {one}" for one in broken]
        if broken:
            found.append("keep the old form beside the new one, or raise the StageName of PublicApi")
    return found


def main(arguments: list[str]) -> int:
    """0 when all is well."""
    command = arguments[0] if arguments else "write"
    document, of_services = described(), described(SERVICES)
    if command == "check":
        found = problems(document, of_services)
        for one in found:
            sys.stderr.write(f"error: {one}\n")
        return 1 if found else 0
    targets = {"write": DESCRIPTION, "release": RELEASED}
    if command not in targets:
        sys.stderr.write(f"error: {command} is none of write, check, release\n")
        return 2
    targets[command].write_text(text_of(document))
    if command == "write":
        OF_SERVICES.write_text(text_of(of_services))
        TEMPLATE.write_text(written(TEMPLATE.read_text(), document))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
