"""The made-up universe: repeatable, well-formed, and like the days it was drawn from."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from math import log
from statistics import stdev

import pytest

from laptop.exchange.errors import ExchangeError
from laptop.exchange.history import History, shipped_history
from laptop.exchange.market import Market
from laptop.exchange.synthetic import synthetic_history

from .served_bars import split_adjusted_days


@pytest.fixture(scope="module")
def real() -> History:
    """The shipped prices."""
    return shipped_history()


def closes(history: History, symbol: str) -> list[float]:
    """All closes of a symbol."""
    return [bar.close for bar in history.symbols[symbol].bars]


def test_a_symbol_has_the_same_prices_in_every_universe_of_its_seed(real: History) -> None:
    """Neither the size of the universe nor what is asked first changes them; the seed does."""
    small, large, other = (synthetic_history(real, *terms) for terms in ((3, 1), (5000, 1), (3, 2)))
    assert closes(large, "SYN0003")[:5] == closes(small, "SYN0003")[:5]
    assert closes(large, "SYN0001") == closes(small, "SYN0001")
    assert closes(small, "SYN0001") != closes(other, "SYN0001")
    assert closes(small, "SYN0001") != closes(small, "SYN0002")
    assert len({small.fingerprint, large.fingerprint, other.fingerprint, real.fingerprint}) == 4


def test_symbols_cannot_be_taken_for_real_ones(real: History) -> None:
    """No ticker of a US exchange has digits; each is marked as made up."""
    universe = synthetic_history(real, 2, 1)
    assert list(universe.symbols) == ["SYN0001", "SYN0002"]
    assert all(history.made_up for history in universe.symbols.values())


def test_every_made_up_bar_is_a_bar_on_the_price_step(real: History) -> None:
    """High and low hold open and close, prices are cents from a dollar on, volumes whole."""
    universe = synthetic_history(real, 20, 7)
    for history in universe.symbols.values():
        assert len(history.bars) == len(universe.sessions) == len(history.dates)
        for bar in history.bars[::10]:
            assert 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
            assert bar.close < 1 or round(bar.close, 2) == bar.close
            assert isinstance(bar.volume, int)
            assert bar.volume > 0


def test_made_up_returns_vary_as_much_as_the_real_ones(real: History) -> None:
    """The deviation of daily returns lies within the range of the symbols drawn from; splits are no jumps."""
    universe = synthetic_history(real, 40, 3)

    def deviation(prices: list[float]) -> float:
        return stdev(log(after / before) for before, after in pairwise(prices))

    made = sum(deviation(closes(universe, symbol)) for symbol in universe.symbols) / len(universe.symbols)
    market = Market(real, Decimal(1))
    end = real.sessions[-1].close
    of_real = [
        deviation([bar.close for bar in split_adjusted_days(market, symbol, end)]) for symbol in real.symbols
    ]
    assert min(of_real) < made < max(of_real)


@pytest.mark.parametrize("count", [0, 10_000])
def test_a_universe_of_none_or_too_many_is_refused(real: History, count: int) -> None:
    """The message says from where to where."""
    with pytest.raises(ExchangeError, match="from 1 to 9999"):
        synthetic_history(real, count, 1)
