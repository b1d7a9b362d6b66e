"""``alpaquero demo``: parses the options; ``laptop.demo.run`` does the work."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import msgspec

from laptop.cli.common import Day, json_option, print_json, print_table, progress
from laptop.cli.universe import refuse_two_universes, synthetic_option, watchlist_option
from laptop.layout import DEFAULT_STATE


def _symbols(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    symbols = tuple(part.strip().upper() for part in value.split(",") if part.strip())
    if not symbols:
        raise click.BadParameter("give symbols parted by commas: AAPL,IBM")
    return symbols


@click.command()
@click.option(
    "--sessions", type=click.IntRange(min=1), default=250, show_default=True, help="How many to trade."
)
@click.option("--from", "start", type=Day(), help="The first session; else the data's last ones.")
@click.option("--symbols", callback=_symbols, help="A,B: the watchlist; else every symbol of the data.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="A folder of SYMBOL.csv files.",
)
@synthetic_option
@watchlist_option
@click.option("--seed", type=int, default=1, show_default=True, help="Fixes account ids and random draws.")
@click.option(
    "--partial-fills",
    type=click.FloatRange(0, 1),
    default=0,
    show_default=True,
    help="Share of orders filled in two.",
)
@click.option(
    "--faults", type=click.Choice(["none", "light", "heavy"]), default="none", show_default=True,
    help="What the exchange does wrong meanwhile: lost answers, refusals, cut streams.",
)  # fmt: skip
@click.option(
    "--kill-at", type=click.IntRange(min=1), help="End every process by SIGKILL after this session."
)
@click.option("--resume", is_flag=True, help="Go on where a killed demo stood.")
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_STATE / "demo",
    help="The private stack's folder; .alpaquero/demo by default.",
)
@json_option
def demo(as_json: bool, **options: Any) -> int:
    """Trade sessions of real prices through every real part, then compare the books."""
    from laptop import demo as replay
    from laptop.demo_options import DemoOptions

    refuse_two_universes(options["data"], options["synthetic"])
    if options["symbols"] and options["watchlist"]:
        raise click.UsageError("--symbols names the watchlist, --watchlist counts it: give one of them")
    start = options.pop("start")
    share = Decimal(str(options.pop("partial_fills")))
    wanted = DemoOptions(start=start.date() if start else None, partial_fills=share, **options)
    say = progress()

    def show(step: replay.Step) -> None:
        say(f"session {step.done} of {step.total} ({step.date})")

    result = replay.run(wanted, say=say, show=show)
    told = msgspec.to_builtins(result)
    if as_json:
        print_json(told)
    else:
        print_table("Demo", ("what", "value"), list(told.items()))
    wrong = result.disagreements()
    if wrong:
        print(f"error: {'; '.join(wrong)}: see {wanted.state}/logs", file=sys.stderr)
    elif not as_json:
        print("cash, equity, positions, orders and fills are the exchange's own; each order had its verdict")
    return 1 if wrong else 0
