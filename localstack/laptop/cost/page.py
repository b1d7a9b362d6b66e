"""The generated part of infra/cost.md, and what `alpaquero cost` prints; made of the model, never by hand."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from alpaquero.monitoring.prices import PRICES
from laptop.cost.model import DAY, SESSIONS, Bill, Load, containers, month
from laptop.cost.plant import Plant
from laptop.cost.work import Measurements
from laptop.layout import REPOSITORY
from laptop.marked import begin, page_with, table

PAGE: Final = REPOSITORY / "infra" / "cost.md"
BEGIN: Final = begin("alpaquero cost --write")
SYMBOLS: Final = (10, 100, 1_000, 5_000)
BARS: Final = (1, 5, 15, DAY)
_CENT: Final = Decimal("0.01")


def usd(value: Decimal) -> str:
    """Dollars as the page shows them."""
    return f"{value.quantize(_CENT):,}"


def bar_name(minutes: int) -> str:
    """The name of a bar of so many minutes."""
    return "1 day" if minutes == DAY else f"{minutes} min"


def bills(measured: Measurements, plant: Plant) -> dict[tuple[int, int], Bill]:
    """By symbols and minutes of a bar."""
    return {
        (symbols, minutes): month(Load(symbols=symbols, bar_minutes=minutes), measured, plant)
        for symbols in SYMBOLS
        for minutes in BARS
    }


def generated(measured: Measurements, plant: Plant) -> str:
    """The tables."""
    all_bills = bills(measured, plant)
    load = Load(symbols=1)
    sections = [
        (
            f"Measured on {measured.taken_on.isoformat()}: {measured.where}. {load.orders_a_day} orders a "
            f"session, a dashboard open {load.dashboard_hours_a_day:g} hours a session, {SESSIONS} sessions "
            "a month."
        ),
        (
            "### Dollars a month\n\nAt list prices, and with what AWS leaves free each month for good "
            "(behind the slash), where nothing else in the account uses it."
        ),
        _of_all(all_bills),
        f"### Where it goes\n\nAt list prices, bars of {bar_name(5)}.",
        _of_parts([all_bills[symbols, 5] for symbols in SYMBOLS], SYMBOLS),
        "### By what AWS charges for\n\nAt list prices, bars of 5 min.",
        _of_uses([all_bills[symbols, 5] for symbols in SYMBOLS], SYMBOLS),
        "### The former twelve containers, always on",
        _of_containers(),
        "### The prices",
        _of_prices(),
    ]
    return "\n\n".join(sections)


def page_as_it_should_be(measured: Measurements, plant: Plant) -> str:
    """infra/cost.md with its tables made anew."""
    return page_with(PAGE.read_text(), BEGIN, generated(measured, plant))


def _of_all(all_bills: dict[tuple[int, int], Bill]) -> str:
    rows = [
        [
            f"{symbols:,}",
            *(
                f"{usd(bill.usd)} / {usd(bill.usd_after_free)}"
                for bill in (all_bills[symbols, bar] for bar in BARS)
            ),
        ]
        for symbols in SYMBOLS
    ]
    return table(["symbols", *map(bar_name, BARS)], rows)


def _of_parts(of_sizes: Sequence[Bill], sizes: Sequence[int]) -> str:
    rows = [
        [name.name, name.grows_with, *(usd(bill.parts[place].usd) for bill in of_sizes)]
        for place, name in enumerate(of_sizes[0].parts)
    ]
    total = ["all", "", *(usd(bill.usd) for bill in of_sizes)]
    return table(["part", "grows with", *(f"{size:,} symbols" for size in sizes)], [*rows, total])


def _of_uses(of_sizes: Sequence[Bill], sizes: Sequence[int]) -> str:
    rows = [
        [price.what, price.unit, *(usd(bill.usd_of(price.what)) for bill in of_sizes)]
        for price in PRICES
        if any(bill.uses.get(price.what) for bill in of_sizes)
    ]
    return table(["what", "unit", *(f"{size:,} symbols" for size in sizes)], rows)


def _of_containers() -> str:
    each = containers()
    rows = [[name, usd(value)] for name, value in each.items()]
    return table(["what", "dollars a month"], [*rows, ["all", usd(sum(each.values(), Decimal(0)))]])


def _of_prices() -> str:
    rows = [
        [
            price.what,
            f"{price.usd} for {price.per:,} {price.unit}",
            f"{price.free:,}" if price.free else "",
            f"[{price.source.removeprefix('https://')}]({price.source})",
            f"{price.seen}, {price.priced_on.isoformat()}" if price.priced_on else price.seen,
        ]
        for price in PRICES
    ]
    return table(["what", "dollars", "free each month", "AWS's page", "seen on"], rows)
