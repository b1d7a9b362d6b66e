"""Round trips taken at once give what the sessions one by one give: every fill, id, mark and count."""

from __future__ import annotations

from array import array
from dataclasses import fields
from decimal import Decimal
from functools import lru_cache
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import Session
from alpaquero.prices.splits import SplitDay
from alpaquero.risk.limits import RiskLimits, SizingMethod
from alpaquero.simulation.backtest import FillTerms, Result, run
from alpaquero.simulation.backtest.round_trips import RoundTrips
from alpaquero.simulation.backtest.signals import start_seconds
from alpaquero.strategy.settings import StrategySettings
from laptop.exchange.history import shipped_history
from tests.fakes.backtests import Settings

SESSIONS = 520


@lru_cache(maxsize=1)
def _calendar() -> list[Session]:
    return list(shipped_history().calendar)


def _series(seed: int, volatility: float, price: float, missing: int = 0) -> Columns:
    """Made-up daily bars of one symbol on the calendar's first sessions, `missing` of them left out."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0.0003, volatility, SESSIONS) + 0.01 * np.sin(np.arange(SESSIONS) / 6)
    closes = np.round(price * np.exp(np.cumsum(steps)), 2)
    opens = np.round(
        np.concatenate([[price], closes[:-1]]) * np.exp(rng.normal(0, volatility / 2, SESSIONS)), 2
    )
    reach = np.abs(rng.normal(0, volatility, (2, SESSIONS)))
    highs = np.round(np.maximum(opens, closes) * (1 + reach[0]), 2)
    lows = np.maximum(np.round(np.minimum(opens, closes) * (1 - reach[1]), 2), 0.01)
    left_out = set(rng.choice(np.arange(300, SESSIONS), missing, replace=False).tolist())
    kept = [place for place in range(SESSIONS) if place not in left_out]
    prices = [array("d", each[kept].tolist()) for each in (opens, highs, lows, closes)]
    return Columns(
        array("q", [start_seconds(_calendar()[place]) for place in kept]),
        prices[0],
        prices[1],
        prices[2],
        prices[3],
        array("q", [1000] * len(kept)),
    )


def _loose(low: float, high: float, bars: int = 1) -> dict[str, StrategySettings]:
    levels = {"oversold_level": low, "overbought_level": high}
    return {"loose": StrategySettings(parameters=levels, signal_validity_bars=bars)}


def _both(
    columns: Columns, settings: Settings, terms: FillTerms, cash: Decimal
) -> tuple[Result, Result, int]:
    """The result with round trips at once, without them, and how many were taken."""
    taken, take = [], RoundTrips.take

    def counted(trips: RoundTrips, place: int) -> int | None:
        found = take(trips, place)
        taken.append(found is not None and found > place + 1)
        return found

    def tested() -> Result:
        return run({"AAA": columns}, sessions=_calendar(), settings=settings, terms=terms, cash=cash)

    with patch.object(RoundTrips, "take", counted):
        at_once = tested()
    with patch.object(RoundTrips, "of", return_value=None):
        one_by_one = tested()
    return at_once, one_by_one, sum(taken)


def _text(result: Result) -> list[str]:
    """Everything in a result to the last digit; decimals that differ in their zeros differ here."""
    told = [one.name for one in fields(result) if one.name != "booked"]
    return [repr(getattr(result, name)) for name in [*told, "fills", "equity"]]


limits = st.builds(
    RiskLimits,
    stop_loss_percent=st.decimals("0.3", 12, places=1),
    take_profit_percent=st.decimals("0.3", 20, places=1),
    daily_loss_limit_percent=st.sampled_from([Decimal("0.1"), Decimal(1), Decimal(5)]),
    drawdown_limit_percent=st.sampled_from([Decimal(2), Decimal(15)]),
    drawdown_release_percent=st.just(Decimal(1)),
    loss_streak_limit_trades=st.sampled_from([0, 2, 6]),
    loss_streak_pause_hours=st.sampled_from([24, 200]),
    stop_guard_limit_stops=st.sampled_from([0, 2, 4]),
    stop_guard_window_hours=st.sampled_from([24, 300]),
    symbol_cooldown_minutes=st.sampled_from([0, 60, 9000]),
    position_limit_percent=st.sampled_from([Decimal(10), Decimal(90)]),
    sizing_method=st.sampled_from(list(SizingMethod)),
    allow_entries_while_closed=st.sampled_from([True, True, True, False]),
)
terms = st.builds(
    FillTerms,
    seed=st.integers(0, 9),
    half_spread_bps=st.sampled_from([Decimal(0), Decimal(1), Decimal(30)]),
    fee_per_share=st.sampled_from([Decimal(0), Decimal("0.005")]),
    fee_percent=st.sampled_from([Decimal(0), Decimal("0.03")]),
)


@given(
    columns=st.builds(
        _series,
        st.integers(0, 10_000),
        st.sampled_from([0.005, 0.02, 0.06]),
        st.sampled_from([1.2, 30.0, 400.0]),
        st.sampled_from([0, 0, 12]),
    ),
    risk=limits,
    terms=terms,
    levels=st.sampled_from([(45.0, 55.0), (30.0, 85.0), (20.0, 80.0)]),
    cash=st.sampled_from([Decimal(900), Decimal(100_000), Decimal("54321.37")]),
    length=st.integers(300, SESSIONS),
)
@hypothesis_settings(max_examples=40, deadline=None)
def test_both_ways_give_one_result(
    *,
    columns: Columns,
    risk: RiskLimits,
    terms: FillTerms,
    levels: tuple[float, float],
    cash: Decimal,
    length: int,
) -> None:
    """Whatever the prices, limits, fees and levels, results are equal to the last digit."""
    at_once, one_by_one, _ = _both(
        columns[:length], Settings(risk=risk, strategies=_loose(*levels)), terms, cash
    )
    assert _text(at_once) == _text(one_by_one)


@pytest.mark.parametrize("levels", [(30.0, 85.0), (45.0, 55.0)])
def test_round_trips_are_taken_at_once(levels: tuple[float, float]) -> None:
    """By the settings of a new account most trips are: else the comparison above would show nothing."""
    at_once, one_by_one, taken = _both(
        _series(7, 0.02, 30.0), Settings(strategies=_loose(*levels)), FillTerms(), Decimal(100_000)
    )
    assert _text(at_once) == _text(one_by_one)
    assert taken >= len(at_once.trades) * 0.8 > 3
    assert "stop loss" in {trade.exit_tag for trade in at_once.trades}


def test_bars_may_end_at_any_session() -> None:
    """The last bar may raise a signal, be the one that an entry fills in, or end a trip."""
    columns, settings = _series(7, 0.02, 30.0), Settings(strategies=_loose(45.0, 55.0))
    for length in range(300, 340):
        at_once, one_by_one, _ = _both(columns[:length], settings, FillTerms(), Decimal(100_000))
        assert _text(at_once) == _text(one_by_one)


def test_where_orders_may_change_nothing_is_taken_at_once() -> None:
    """Two symbols, a split, fills in parts, a trailing stop: each session is gone through."""
    columns = _series(7, 0.02, 30.0)
    split = SplitDay("AAA", _calendar()[400].date, 2, 1)
    with patch.object(RoundTrips, "take", side_effect=AssertionError("taken at once")):
        for bars, risk, terms, splits in (
            ({"AAA": columns, "BBB": columns}, RiskLimits(), FillTerms(), ()),
            ({"AAA": columns}, RiskLimits(), FillTerms(), (split,)),
            ({"AAA": columns}, RiskLimits(), FillTerms(partial_fill_probability=0.5), ()),
            ({"AAA": columns}, RiskLimits(trailing_stop_percent=Decimal(2)), FillTerms(), ()),
        ):
            settings = Settings(risk=risk, strategies=_loose(45.0, 55.0))
            assert run(bars, sessions=_calendar(), settings=settings, terms=terms, splits=splits).trades
