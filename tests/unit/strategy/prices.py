"""Series of closes for the indicators' tests: shipped ones, raw and adjusted, and made-up ones."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from datetime import date
from itertools import accumulate

from alpaquero.prices.sessions import NEW_YORK
from laptop.layout import REPOSITORY
from tests.unit.strategy.real_prices import SYMBOLS, real_bars

_SPLITS = REPOSITORY / "localstack" / "laptop" / "exchange" / "splits.csv"


def real() -> dict[str, list[float]]:
    """The closes of each shipped symbol, raw as the exchange has them."""
    return {symbol: [bar.close for bar in real_bars()[symbol]] for symbol in SYMBOLS}


def adjusted() -> dict[str, list[float]]:
    """The closes of the shipped symbols that split, adjusted as the exchange's data API answers them."""
    found: dict[str, list[float]] = {}
    for row in csv.DictReader(_SPLITS.read_text().splitlines()):
        symbol, day = row["symbol"], date.fromisoformat(row["ex_date"])
        ratio = int(row["new_shares"]) / int(row["old_shares"])
        closes = found.get(symbol, real()[symbol])
        found[symbol] = [
            close if bar.start.astimezone(NEW_YORK).date() >= day else round(close / ratio, 4)
            for bar, close in zip(real_bars()[symbol], closes, strict=True)
        ]
    return {f"{symbol}-adjusted": closes for symbol, closes in found.items()}


def walk(seed: int, count: int = 400, step: float = 1.0) -> list[float]:
    """A random walk of prices that stays above 1 dollar, to the cent."""
    draw = random.Random(seed)
    steps = (draw.gauss(0, step) for _ in range(count))
    return [round(price, 2) for price in accumulate(steps, lambda a, b: max(a + b, 1.0), initial=100.0)]


def edges() -> Iterator[tuple[str, list[float]]]:
    """Series at which a formula may trip, by name."""
    rise = [100.0 + step for step in range(60)]
    yield "flat", [100.0] * 60
    yield "rise", rise
    yield "fall", rise[::-1]
    yield "rise, then fall", rise + rise[::-1]
    yield "halted", walk(3, 100) + [123.45] * 300
    yield "halted at first", [50.0] * 40 + walk(4, 60)
    yield "one move in a long halt", [50.0] * 100 + [50.01] * 300
    yield "a crash before a halt", [1000.0] * 20 + [1.0] * 100 + walk(6, 80)
    yield "two prices", [10.0, 10.01] * 100
    yield "gaps", [price * (3.0 if number % 40 > 20 else 1.0) for number, price in enumerate(walk(7, 200))]
    yield "bars that come twice", [price for price in walk(8, 100) for _ in range(2)]
    yield "cents", walk(9, 200, 0.01)
    yield "very dear", [price * 5000 for price in walk(10, 200)]
    for count in (1, 2, 14, 15, 27, 28, 29, 30, 31, 32, 33):
        yield f"{count} bars", walk(11, count - 1)


def named() -> dict[str, list[float]]:
    """All of them by name."""
    walks = {f"walk {seed}": walk(seed) for seed in range(8)}
    return {**real(), **adjusted(), **walks, **dict(edges())}
