"""``alpaquero export``, ``import`` and ``migrate``: a stack's state as one file, and its tables' versions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from laptop.cli.common import json_option, print_json, progress, state_option

_Command = TypeVar("_Command", bound=Callable[..., Any])
_PARTS: Final = ("settings", "books", "bars", "backtests")


def _place_options(command: _Command) -> _Command:
    """``--state``, or ``--stack``, ``--region`` and ``--profile``."""
    for option in (
        click.option("--profile", help="The AWS profile to use with --stack."),
        click.option("--region", help="The AWS region of --stack."),
        click.option("--stack", help="A stack in AWS, such as alpaquero-paper; the laptop's by default."),
        state_option,
    ):
        command = option(command)
    return command


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_place_options
@click.option("--bars", is_flag=True, help="Take stored bars and their archive along.")
@click.option("--backtests", is_flag=True, help="Take backtests and their files along.")
@json_option
def export(
    *,
    file: Path,
    state: Path | None,
    stack: str | None,
    region: str | None,
    profile: str | None,
    bars: bool,
    backtests: bool,
    as_json: bool,
) -> int:
    """Write settings, orders, fills and history to FILE; trading goes on meanwhile."""
    from alpaquero.risk.book import TradingState
    from laptop.moving.exporting import export as write
    from laptop.moving.kinds import Part
    from laptop.moving.places import find

    parts = {Part.SETTINGS, Part.BOOKS} | ({Part.BARS} if bars else set())
    parts |= {Part.BACKTESTS} if backtests else set()
    place, say = find(state, stack, region, profile), progress()
    made = write(place, file, frozenset(parts), now=datetime.now(UTC), say=say)
    if as_json:
        print_json({"file": str(file), **_shown(made)})
        return 0
    counts = ", ".join(f"{count} of {part}" for part, count in sorted(made.counts().items()))
    print(f"{file}: {counts or 'nothing'}; {made.environment}/{made.account}")
    if made.trading_state == TradingState.ACTIVE:
        print("trading is active here: halt it before the copy goes to work, or both trade the account")
    if made.on_their_way:
        print(f"{made.on_their_way} events were on their way; what derives from them is derived on import")
    return 0


def _shown(manifest: Any) -> dict[str, Any]:
    import msgspec

    shown: dict[str, Any] = msgspec.to_builtins(manifest)
    return {key: value for key, value in shown.items() if key != "entries"} | {"counts": manifest.counts()}


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@_place_options
@click.option("--only", multiple=True, type=click.Choice(_PARTS), help="Take this part alone; may repeat.")
@click.option("--into-account", help="The stack's account, when the file is of another one.")
@click.option("--force", metavar="ACCOUNT", help="The stack's account, when what it holds shall be replaced.")
@click.option("--dry-run", is_flag=True, help="Check everything, write nothing.")
@json_option
def import_(
    *,
    file: Path,
    state: Path | None,
    stack: str | None,
    region: str | None,
    profile: str | None,
    only: tuple[str, ...],
    into_account: str | None,
    force: str | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Put the state in FILE into a stack, and derive what follows from it again.

    Settings move to another account with --only settings; orders, fills and positions never do.
    """
    from dataclasses import asdict

    from laptop.errors import LaptopError
    from laptop.moving.importing import Wanted, import_package
    from laptop.moving.kinds import Part
    from laptop.moving.package import PackageReader
    from laptop.moving.places import find

    with PackageReader(file) as package:
        held = {entry.part for entry in package.manifest.entries}
        parts = frozenset(Part(name) for name in only) or frozenset(held)
        if parts - held:
            raise LaptopError(
                f"{file} holds no {', '.join(sorted(parts - held))}: it has {', '.join(sorted(held))}"
            )
        place = find(state, stack, region, profile)
        wanted = Wanted(parts, into_account, force)
        done = import_package(place, package, wanted, now=datetime.now(UTC), dry_run=dry_run, say=progress())
    if as_json:
        print_json({"dry_run": dry_run, **asdict(done)})
        return 0
    counts = ", ".join(f"{count} of {part}" for part, count in sorted(done.written.items()))
    verb = "would write" if dry_run else "wrote"
    print(f"{verb} {counts} to {place.environment}/{place.account}; {done.expired} items had expired")
    if done.rebuilt:
        changed = {part: len(texts) for part, texts in done.rebuilt.items()}
        print("derived again: " + ", ".join(f"{count} of {part}" for part, count in changed.items()))
    return 0


@click.command()
@_place_options
@click.option(
    "--check", is_flag=True, help="Say of which versions the tables are; fail when newer code wrote them."
)
@json_option
def migrate(
    *,
    state: Path | None,
    stack: str | None,
    region: str | None,
    profile: str | None,
    check: bool,
    as_json: bool,
) -> int:
    """Bring the stack's tables to the version of this release; run it after each deploy."""
    from alpaquero.store import schema as registry
    from laptop.moving import schema
    from laptop.moving.places import find

    place = find(state, stack, region, profile)
    found = schema.check(place.dynamodb, place.table("Settings"))
    changed = {} if check else schema.migrate(place.dynamodb, place.tables, say=progress())
    wanted = registry.versions()
    if as_json:
        print_json({"found": found, "known": wanted, "changed": changed})
        return 0
    behind = [
        f"{table} {found[table]} to {wanted[table]}" for table in wanted if found[table] != wanted[table]
    ]
    if not behind:
        print("every table is of this release's version")
    elif check:
        print(f"to migrate: {', '.join(behind)}")
    else:
        print(f"migrated {', '.join(behind)}: {sum(changed.values())} items changed")
    return 0
