"""Which symbols the laptop trades: the options that ``up`` and ``demo`` share."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click


def _count(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> int | Literal["all"] | None:
    if value is None or value == "all":
        return value  # type: ignore[return-value]
    if not value.isdigit() or int(value) < 1:
        raise click.BadParameter("give a number of symbols, or all")
    return int(value)


synthetic_option = click.option(
    "--synthetic", type=click.IntRange(min=1), help="So many made-up symbols instead of real ones."
)
watchlist_option = click.option(
    "--watchlist", callback=_count, metavar="N|all", help="Watch the exchange's first N symbols, or all."
)


def refuse_two_universes(data: Path | None, synthetic: int | None) -> None:
    """Raises `click.UsageError` when both folders of prices and made-up ones are asked for."""
    if data and synthetic:
        raise click.UsageError("--synthetic replaces --data: give one of them")
