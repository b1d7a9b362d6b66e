"""Flags against the same formulas in decimals of 60 digits: none may be wrong, for a flag is an order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Context, Decimal, localcontext
from types import FunctionType

import numpy as np
import pytest

from alpaquero.strategy import indicators, streaming, vectors
from tests.unit.strategy.prices import adjusted, real, walk

BARS = 43_400
TIE = Decimal("1e-9")
Flags = list[str]


def exact_k_and_d(closes: list[float], period: int = 14) -> Iterator[tuple[Decimal | None, Decimal | None]]:
    """K and D of StochRSI(14, 14, 3, 3) at every close, by their definition."""
    prices = [Decimal(str(close)) for close in closes]
    gain = loss = Decimal(0)
    strength: list[Decimal | None] = []
    raw: list[Decimal | None] = []
    k: list[Decimal | None] = []
    for index, price in enumerate(prices):
        change = price - prices[index - 1] if index else Decimal(0)
        if index > period:
            gain, loss = gain * (period - 1) / period, loss * (period - 1) / period
        gain, loss = gain + max(change, Decimal(0)), loss + max(-change, Decimal(0))
        strength.append(100 * gain / (gain + loss) if index >= period and gain + loss else None)
        window = [one for one in strength[-14:] if one is not None]
        span = max(window) - min(window) if len(window) == 14 else Decimal(0)
        raw.append(100 * (window[-1] - min(window)) / span if span > TIE else None)
        k.append(_mean(raw[-3:]))
        yield k[-1], _mean(k[-3:])


def _mean(values: list[Decimal | None]) -> Decimal | None:
    known = [value for value in values if value is not None]
    return sum(known, Decimal(0)) / 3 if len(known) == 3 else None


def flag(k: float | Decimal | None, d: float | Decimal | None, tie: float | Decimal) -> str:
    """Undefined, or K against D and where both lie."""
    if k is None or d is None or k != k or d != d:  # noqa: PLR0124 - NaN is not itself
        return "undefined"
    lead = "above" if k - d > tie else "below" if d - k > tie else "equal"  # type: ignore[operator]
    low, high = max(k, d) < 20, min(k, d) > 80
    return f"{lead}{' oversold' if low else ''}{' overbought' if high else ''}"


@pytest.fixture(scope="module")
def series() -> list[list[float]]:
    """43,400 bars: all shipped prices, raw and adjusted, and random walks of coarse and fine steps."""
    found = [*real().values(), *adjusted().values()]
    seed = 0
    while (left := BARS - sum(map(len, found))) > 0:
        seed += 1
        found.append(walk(seed, 2000, (0.01, 0.1, 1.0)[seed % 3])[:left])
    return found


@pytest.fixture(scope="module")
def exact(series: list[list[float]]) -> list[Flags]:
    """The flags of every bar, from exact values: what is equal there is equal to some 50 digits."""
    with localcontext(Context(prec=60)):
        return [[flag(k, d, Decimal("1e-40")) for k, d in exact_k_and_d(closes)] for closes in series]


def plain(closes: list[float]) -> Flags:
    """The flags of the whole series in plain Python."""
    return [flag(k, d, 1e-9) for k, d in zip(*indicators.stochastic_rsi(closes), strict=True)]


def streamed(closes: list[float]) -> Flags:
    """The flags of kept state."""
    state = streaming.StochasticRsi()
    return [flag(*state.update(close), 1e-9) for close in closes]


def with_numpy(closes: list[float]) -> Flags:
    """The flags of the numpy form."""
    k, d = vectors.stochastic_rsi(np.array([closes]))
    return [flag(*pair, 1e-9) for pair in zip(k[0].tolist(), d[0].tolist(), strict=True)]


@pytest.mark.parametrize("form", [plain, streamed, with_numpy])
def test_no_flag_is_wrong(
    form: FunctionType, series: list[list[float]], exact: list[Flags], capsys: pytest.CaptureFixture[str]
) -> None:
    """K above, equal to or below D, both oversold, both overbought, undefined: as the exact values say."""
    wrong = [
        (number, index, expected, found)
        for number, (closes, flags) in enumerate(zip(series, exact, strict=True))
        for index, (expected, found) in enumerate(zip(flags, form(closes), strict=True))
        if expected != found
    ]
    counted = Counter(one for flags in exact for one in flags)
    with capsys.disabled():
        print(f"\n{form.__name__}: {len(wrong)} of {counted.total()} flags wrong")  # noqa: T201 - the figure that is asked for
    assert [] == wrong
    assert BARS == counted.total()
    assert counted["equal oversold"] > 100  # K and D pinned at 0, where a running sum goes wrong
    assert counted["equal overbought"] > 100
