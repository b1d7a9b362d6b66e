"""``alpaquero cost``: dollars a month on AWS, estimated or metered; ``laptop.cost`` does the work."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from laptop.cli.common import json_option, print_json, print_table, progress, set_option, state_option

if TYPE_CHECKING:
    from laptop.cost.model import Bill, Load
    from laptop.cost.work import Measurements, Stretch


@click.command()
@click.option(
    "--symbols", type=click.IntRange(1, 20_000), default=100, show_default=True, help="How many are watched."
)
@click.option(
    "--minutes",
    type=click.IntRange(1, 390),
    default=390,
    show_default=True,
    help="Of a bar; 390 are a day's.",
)
@click.option("--orders", type=click.IntRange(0), default=20, show_default=True, help="A session.")
@click.option(
    "--dashboard-hours", type=click.FloatRange(0, 24), default=2, show_default=True, help="A session."
)
@click.option(
    "--metered", is_flag=True, help="What the stack (or the last demo) of --state used, at list prices."
)
@click.option(
    "--meter", is_flag=True, help="Measure anew on a private cloud; writes infra/measurements.json."
)
@click.option("--write", is_flag=True, help="Write the tables of infra/cost.md.")
@set_option
@state_option
@json_option
def cost(  # noqa: PLR0917 - one parameter an option
    symbols: int,
    minutes: int,
    orders: int,
    dashboard_hours: float,
    metered: bool,
    meter: bool,
    write: bool,
    given: dict[str, str],
    state: Path | None,
    as_json: bool,
) -> int:
    """Show what a month costs on AWS, by what it grows with.

    It rests on infra/measurements.json, taken on the laptop's engine: Lambda's own times differ.
    """
    if metered:
        return _metered(state, given, as_json)
    from laptop.cost.model import Load, containers, month
    from laptop.cost.plant import plant

    measured = _measured(meter)
    if write:
        _write(measured)
    load = Load(
        symbols=symbols, bar_minutes=minutes, orders_a_day=orders, dashboard_hours_a_day=dashboard_hours
    )
    bill = month(load, measured, plant(given))
    before = sum(containers().values(), Decimal(0))
    if as_json:
        print_json(_as_json(load, bill, before, measured))
    else:
        _show(load, bill, before, measured)
    return 0


def _measured(meter: bool) -> Measurements:
    from laptop.cost.work import Measurements

    if meter:
        from laptop.cost.metering import measure

        measure(progress()).keep()
    return Measurements.load()


def _write(measured: Measurements) -> None:
    from laptop.cost.page import PAGE, page_as_it_should_be
    from laptop.cost.plant import plant

    PAGE.write_text(page_as_it_should_be(measured, plant()))


def _as_json(load: Load, bill: Bill, before: Decimal, measured: Measurements) -> dict[str, Any]:
    return {
        "symbols": load.symbols,
        "bar_minutes": load.bar_minutes,
        "orders_a_session": load.orders_a_day,
        "dashboard_hours_a_session": load.dashboard_hours_a_day,
        "measured_on": measured.taken_on,
        "usd_a_month": bill.usd,
        "usd_a_month_after_free": bill.usd_after_free,
        "twelve_containers_usd_a_month": before,
        "parts": [
            {"part": part.name, "grows_with": part.grows_with, "usd": part.usd, "uses": part.uses}
            for part in bill.parts
        ],
    }


def _show(load: Load, bill: Bill, before: Decimal, measured: Measurements) -> None:
    from laptop.cost.page import bar_name, usd

    rows = [(part.name, usd(part.usd), part.grows_with) for part in bill.parts]
    title = f"A month on AWS: {load.symbols:,} symbols, bars of {bar_name(load.bar_minutes)}"
    print_table(title, ("part", "dollars", "grows with"), [*rows, ("all", usd(bill.usd), "")])
    print(
        f"{usd(bill.usd_after_free)} with what AWS leaves free each month; twelve always-on containers with "
        f"their databases: {usd(before)}.\nList prices of us-east-1 (infra/cost.md); times measured on "
        f"{measured.taken_on} on the laptop's engine, Lambda's own differ."
    )


def _metered(state: Path | None, given: dict[str, str], as_json: bool) -> int:
    """What a stack has done since its engine started, up to now or its end, and what AWS would charge."""
    from alpaquero.monitoring.costs import cost_line
    from laptop.cost import metering
    from laptop.cost.model import uses_of
    from laptop.cost.plant import plant
    from laptop.layout import StateFolder

    done = metering.metered(StateFolder.at(state))
    lines = [cost_line(what, quantity) for what, quantity in sorted(uses_of(done, plant(given)).items())]
    total = sum((line.usd for line in lines if line.usd is not None), Decimal(0))
    if as_json:
        print_json(
            {
                "usd": total,
                "cost": [
                    {"what": line.price.what, "quantity": line.quantity, "usd": line.usd} for line in lines
                ],
                "functions": _functions(done),
            }
        )
        return 0
    rows = [(line.price.what, f"{line.quantity:,.1f}", line.usd, line.price.unit) for line in lines]
    print_table(
        "Used since the engine started, at AWS's list prices", ("what", "quantity", "dollars", "unit"), rows
    )
    print(f"{total} dollars; polls of idle queues and what stands by itself are in `alpaquero cost` alone.")
    return 0


def _functions(done: Stretch) -> dict[str, Any]:
    return {
        name: {
            "invocations": work.invocations,
            "average_ms": round(work.milliseconds / work.invocations, 1) if work.invocations else None,
            "memory_mb": work.memory_mb,
            "read_units": work.reads,
            "write_units": work.writes,
        }
        for name, work in sorted(done.done.items())
    }
