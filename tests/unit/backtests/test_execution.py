"""What a backtest's outcome adds up to, from its request to its figures."""

from __future__ import annotations

from random import Random

import pytest

from alpaquero.backtests.execution import execute
from alpaquero.backtests.request import BacktestRequest, settings_for
from alpaquero.orders.timeouts import OrderSettings
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.risk.limits import RiskLimits
from tests.fakes.intraday import FIRST, made_up, sessions_from


def test_what_the_first_session_loses_is_a_drawdown_on_the_chart_too() -> None:
    """Bars shorter than a day trade in their first session: the chart falls from the cash there was."""
    sessions = sessions_from(FIRST, 30)
    bars = {"AAA": made_up(Random(7), sessions[:4], Timeframe.FIVE_MINUTES)}
    request = BacktestRequest(
        symbols=("AAA",),
        start=sessions[1].date,
        end=sessions[3].date,
        strategies=("ema_cross",),
        timeframe=Timeframe.FIVE_MINUTES,
        changes={
            "strategy.fast_period_bars": 2,
            "strategy.slow_period_bars": 5,
            "strategy.minimum_history_bars": 60,
            "risk.stop_loss_percent": "0.5",
            "risk.take_profit_percent": "0.4",
        },
    )
    settings = settings_for(request, {}, RiskLimits(), OrderSettings())
    found = execute(request, settings, bars, sessions, data="made up")
    assert found.equity.equity[0] < found.asked.cash
    assert -found.equity.drawdown_percent[0] == pytest.approx(100 - found.equity.equity[0] / 1000)
    assert -min(found.equity.drawdown_percent) == pytest.approx(found.curve.max_drawdown_percent)


def _told(bars: dict[str, Columns], **changes: object) -> list[str]:
    """The notes of a backtest of daily bars over all sessions of the first symbol."""
    sessions = sessions_from(FIRST, 120)
    request = BacktestRequest(
        symbols=tuple(bars),
        start=sessions[0].date,
        end=sessions[79].date,
        strategies=("ema_cross",),
        changes={
            "strategy.fast_period_bars": 2,
            "strategy.slow_period_bars": 4,
            "strategy.minimum_history_bars": 15,
            **changes,
        },
    )
    settings = settings_for(request, {}, RiskLimits(), OrderSettings())
    return execute(request, settings, bars, sessions, data="made up", notes=["one"]).notes


def test_bars_that_are_missing_are_told() -> None:
    """A hole of weeks and bars that end stand in the notes; a halt of a day and a later listing do not."""
    whole = made_up(Random(1), sessions_from(FIRST, 80), Timeframe.DAY)
    assert ["one"] == _told({"AAA": whole})
    hole, day = whole[:20] + whole[50:], whole[:20] + whole[21:]
    late, ended = whole[30:], whole[:60]
    assert ["one"] == _told({"AAA": whole, "DAY": day, "NEW": late})
    last, since = ended.start_at(-1).date(), whole.start_at(20).date()
    assert [
        "one",
        f"Bars are missing, so nothing was judged or traded then: BBB 30 sessions from {since} on.",
        f"Bars end before the last session, what is held stays at the last price: CCC after {last}.",
    ] == _told({"AAA": whole, "BBB": hole, "CCC": ended})
    many = {"AAA": whole, **{f"C{number:02}": ended for number in range(13)}}
    assert _told(many)[1].endswith("and 3 more.")


def test_entries_that_could_not_be_sized_are_told() -> None:
    """Nobody guesses from `price_known` that prices are too short for the true range."""
    whole = made_up(Random(1), sessions_from(FIRST, 80), Timeframe.DAY, swing=0.01)
    (_, note) = _told({"AAA": whole}, **{"risk.sizing_method": "atr"})
    assert note.startswith("Sizes go by ATR, which needs 112 sessions of bars before: ")
    assert ["one"] == _told({"AAA": whole}, **{"risk.sizing_method": "atr", "risk.atr_period_bars": 2})[:1]
