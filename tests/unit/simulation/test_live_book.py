"""The risk book of a backtest: what is held is worth its last close whenever somebody looks."""

from __future__ import annotations

from decimal import Decimal

import pytest

from alpaquero.risk.book import HeldPosition
from alpaquero.simulation.backtest.live_book import LivePositions

SHARES, CLOSES = {"AAPL": Decimal(3), "IBM": Decimal(2)}, {"AAPL": Decimal("1.5"), "IBM": Decimal(10)}


def test_positions_answer_as_a_dictionary_of_them_would() -> None:
    """Each lookup, the length and the order are those of a dictionary made anew."""
    live = LivePositions(SHARES, CLOSES)
    made = {symbol: HeldPosition(shares, shares * CLOSES[symbol]) for symbol, shares in SHARES.items()}
    assert dict(live) == made
    assert (len(live), list(live), live["IBM"], live.get("IBM")) == (2, list(made), made["IBM"], made["IBM"])
    assert ("AAPL" in live, "MSFT" in live, live.get("MSFT")) == (True, False, None)
    with pytest.raises(KeyError):
        live["MSFT"]


def test_positions_follow_the_account_and_its_closes() -> None:
    """A sale and a new close show at the next look."""
    shares, closes = dict(SHARES), dict(CLOSES)
    live = LivePositions(shares, closes)
    del shares["AAPL"]
    closes["IBM"] = Decimal(11)
    assert dict(live) == {"IBM": HeldPosition(Decimal(2), Decimal(22))}
