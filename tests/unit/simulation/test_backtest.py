"""The backtest: the demo's trades to the hash, next-bar fills, pessimistic stops, costs, splits."""

from __future__ import annotations

import random
from array import array
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from unittest.mock import patch

import pytest

from alpaquero.orders.intent import Side
from alpaquero.orders.order import Fill
from alpaquero.portfolio.movements import in_order
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.prices.splits import SplitDay
from alpaquero.risk.activity import Folded, Folding
from alpaquero.risk.limits import RiskLimits
from alpaquero.simulation.backtest import FillTerms, Result, engine, run
from alpaquero.simulation.backtest.account import Booked
from alpaquero.simulation.backtest.signals import Calendar
from alpaquero.strategy.settings import Mode, StrategySettings
from laptop.exchange.history import History, shipped_history
from tests.fakes.backtests import Settings


@lru_cache(maxsize=1)
def _history() -> History:
    return shipped_history()


@lru_cache(maxsize=1)
def _bars() -> dict[str, Columns]:
    return {symbol: Columns.of(history.bars) for symbol, history in _history().symbols.items()}


def _splits() -> list[SplitDay]:
    return [split for history in _history().symbols.values() for split in history.splits]


def _run(sessions: int, *, settings: Settings | None = None, terms: FillTerms | None = None) -> Result:
    """The shipped prices over their last sessions."""
    history = _history()
    return run(
        _bars(),
        sessions=history.calendar,
        settings=settings or Settings(),
        start=history.sessions[-sessions].date,
        splits=_splits(),
        terms=terms,
    )


@pytest.mark.parametrize(
    ("sessions", "trades_sha256", "fills", "equity"),
    [
        (20, "61f637c23745b6771cb33f61ba6350357673eb9462ac64791434619258c776c6", 3, "100312.11"),
        (250, "886a641642ec94e494be8e3e415d4facfc012775e2ad1faa19c8d48f595d9481", 31, "98404.24"),
    ],
)
def test_a_backtest_trades_what_the_demo_traded(
    sessions: int, trades_sha256: str, fills: int, equity: str
) -> None:
    """The hash and the equity that `alpaquero demo --seed 1` printed for the same sessions."""
    result = _run(sessions)
    assert (result.trades_sha256, len(result.fills)) == (trades_sha256, fills)
    assert (result.equity_end, result.sessions) == (Decimal(equity), sessions)


def test_what_is_withheld_is_what_the_demo_withheld() -> None:
    """The demo recorded 294 signals as withheld: those without the history, and those passed over."""
    result = _run(250)
    assert result.withheld == {"short_history": 250}
    assert sum(result.withheld.values()) + sum(result.passed_over.values()) == 294


def test_a_session_without_a_bar_is_stale() -> None:
    """A symbol with history enough that lacks the bar of one session is withheld on that session."""
    columns = _bars()["AAPL"]
    gap = columns[:-30] + columns[-29:]
    settings = Settings(watchlist=("AAPL",))
    result = run(
        {"AAPL": gap}, sessions=_history().calendar, settings=settings, start=_history().sessions[-60].date
    )
    assert result.withheld == {"stale": 1}


def test_the_equity_of_a_session_is_cash_and_shares() -> None:
    """A mark a session, in order, the last one the result's equity; market value is what is not cash."""
    result = _run(60)
    assert len(result.equity) == 60
    assert [row.at for row in result.equity] == sorted(row.at for row in result.equity)
    last = result.equity[-1]
    assert (last.equity, last.cash) == (result.equity_end, result.cash)
    assert last.cash + last.market_value == last.equity


def test_cash_is_what_fills_and_fees_leave() -> None:
    """Opening cash less purchases, plus sales, less fees, is the cash at the end."""
    result = _run(250, terms=FillTerms(fee_per_share=Decimal("0.01"), fee_percent=Decimal("0.05")))
    signed = [fill.quantity * fill.price * (-1 if fill.side is Side.BUY else 1) for fill in result.fills]
    fees = sum((fill.fee for fill in result.fills), Decimal(0))
    assert fees > 0
    assert Decimal(100_000) + sum(signed, Decimal(0)) - fees == result.cash
    assert sum((trade.fees for trade in result.trades), Decimal(0)) <= fees


def test_every_trade_knows_its_strategy_and_tags() -> None:
    """The entry's tag is the rule's, the exit's is the leg that filled or the rule's."""
    result = _run(250)
    assert {(trade.strategy, trade.entry_tag) for trade in result.trades} == {
        ("stochrsi_ema", "stochrsi_oversold_uptrend")
    }
    exits = {trade.exit_tag for trade in result.trades}
    assert exits <= {"stop loss", "take profit", "stochrsi_overbought_downtrend"}
    assert {"stop loss", "take profit"} <= exits


@pytest.mark.parametrize("partial_fills", [0.0, 0.4])
def test_the_short_ways_to_trades_and_losses_are_the_long_ones(partial_fills: float) -> None:
    """Folding every fill in the order of the broker's ids gives the same trades, fills and equity."""
    levels = {"oversold_level": 45.0, "overbought_level": 55.0}
    settings = Settings(
        strategies={"loose": StrategySettings(parameters=levels)},
        risk=RiskLimits(
            stop_loss_percent=Decimal("0.7"),  # gaps end many holdings at one open
            take_profit_percent=Decimal("0.7"),
            loss_streak_limit_trades=2,
            loss_streak_pause_hours=100,
            position_limit_percent=Decimal(5),
        ),
    )
    terms = FillTerms(partial_fill_probability=partial_fills, fee_per_share=Decimal("0.005"))

    def by_ids(test: engine.Backtest, fills: list[Booked]) -> list[Fill]:
        return in_order([test.account.record_of(one) for one in fills])

    short = _run(400, settings=settings, terms=terms)
    with (
        patch.object(engine.Backtest, "_in_order", by_ids),
        patch.object(engine, "_whole_trips", return_value=0),
    ):
        long = _run(400, settings=settings, terms=terms)
    assert len(short.trades) > 30
    for one in ("trades", "fills", "equity", "refused", "passed_over"):
        assert repr(getattr(short, one)) == repr(getattr(long, one))


def test_fills_at_one_instant_are_folded_as_the_brokers_ids_have_them() -> None:
    """Which of two sales at one open came first decides a streak of losses; purchases may come as they do."""
    calendar = Calendar.of(_history().calendar, 0, 10)
    judged = {Timeframe.DAY: (_bars(), calendar)}
    test = engine.Backtest(judged, Settings(strategies={}), (), FillTerms(), Decimal(1), "paper")
    account, at, draw, one = test.account, calendar.traded[5].open, random.Random(3), Decimal(1)
    account.pass_to(at)
    for number in range(40):
        fills = []
        for symbol in "ABCD":
            account.buy_with_exits(f"aq1-{symbol}{number}", symbol, one, stop=one, target=one, worth=one)
            entry, leg, _ = (order.client_order_id for order in account.working.pop(symbol))
            price = Decimal(draw.choice([4, 6]))
            fills.append(Booked(entry, symbol, Side.BUY, one, Decimal(5), at, Decimal(0), Decimal(0)))
            fills.append(Booked(leg, symbol, Side.SELL, one, price, at, Decimal(0), one))
        short, long = (Folding(Folded(), set[str](), None) for _ in range(2))
        for fill in test._in_order(fills):
            short.take(fill)
        for record in in_order([account.record_of(fill) for fill in fills]):
            long.take(record)
        assert (short.streak, short.exits) == (long.streak, long.exits)


def test_slippage_makes_entries_dearer_and_never_touches_a_target() -> None:
    """A hundred basis points more on what takes the quote; a limit that waited fills at its price."""
    plain, slipped = (_run(120, terms=FillTerms(slippage_bps=Decimal(bps))) for bps in (0, 100))
    first, dearer = plain.fills[0], slipped.fills[0]
    assert (first.at, first.symbol) == (dearer.at, dearer.symbol)
    assert dearer.price > first.price * Decimal("1.009")
    targets = {row.client_order_id: row.price for row in plain.fills if row.side is Side.SELL}
    for trade in slipped.trades:
        if trade.exit_tag == "take profit":
            assert trade.exit_price in targets.values()


def test_partial_fills_change_fills_and_not_positions() -> None:
    """With a chance of a partial fill the same orders take more fills."""
    whole, parts = _run(250), _run(250, terms=FillTerms(partial_fill_probability=0.1))
    assert (parts.positions, parts.equity_end) == (whole.positions, whole.equity_end)
    assert len(parts.fills) > len(whole.fills)


def test_a_shadow_strategy_trades_nothing() -> None:
    """Its signals are counted as passed over."""
    shadow = Settings(strategies={"stochrsi_ema": StrategySettings(mode=Mode.SHADOW)})
    result = _run(120, settings=shadow)
    assert (result.fills, result.intents) == ((), 0)
    assert result.passed_over == {"shadow": result.signals}
    assert result.signals > 0


def test_two_strategies_at_once_have_trades_of_their_own() -> None:
    """Two instances of a rule never clash: each order belongs to one of them."""
    two = Settings(
        strategies={
            "one": StrategySettings(symbols=("AAPL", "MSFT")),
            "two": StrategySettings(symbols=("GOOG", "IBM"), parameters={"oversold_level": 30.0}),
        }
    )
    result = _run(250, settings=two)
    assert {trade.strategy for trade in result.trades} == {"one", "two"}
    assert all((trade.strategy == "one") == (trade.symbol in {"AAPL", "MSFT"}) for trade in result.trades)


def test_a_refusal_is_counted_by_its_rule() -> None:
    """Orders of more dollars than the limit allows for one share are refused by that rule."""
    tiny = Settings(risk=RiskLimits(order_notional_limit_dollars=Decimal(5)))
    result = _run(120, settings=tiny)
    assert result.fills == ()
    assert result.refused["order_notional"] == result.intents > 0


def test_a_position_held_too_long_is_sold_at_the_next_open() -> None:
    """`maximum_holding_days` works as the monitor has it, and says so as the exit's tag."""
    result = _run(250, settings=Settings(risk=RiskLimits(maximum_holding_days=3)))
    timed = [trade for trade in result.trades if trade.exit_tag.startswith("holding_time")]
    assert timed
    opens = {session.open for session in _history().sessions}
    assert all(trade.closed_at in opens for trade in timed)
    assert all((trade.closed_at - trade.opened_at).days >= 3 for trade in timed)


def test_a_calendar_that_ends_with_the_bars_is_refused() -> None:
    """Signals are valid for some sessions more, so the error says how many are missing."""
    history = _history()
    with pytest.raises(ValueError, match="give 3 more"):
        run(_bars(), sessions=history.sessions, settings=Settings(), start=history.sessions[-20].date)


def test_nothing_is_judged_on_bars_to_come() -> None:
    """A backtest that ends earlier made the same trades up to there: no later bar had a say."""
    history = _history()
    cut = history.sessions[-60]
    whole = _run(250)
    shorter = run(
        {symbol: columns.until(cut.close) for symbol, columns in _bars().items()},
        sessions=history.calendar,
        settings=Settings(),
        start=history.sessions[-250].date,
        splits=_splits(),
    )
    assert list(shorter.fills) == [fill for fill in whole.fills if fill.at <= cut.close]


def test_a_split_multiplies_shares_and_divides_stops() -> None:
    """The same prices told as a 2 for 1 split give twice the shares, the same fills in time, equal value."""
    history, symbol = _history(), "IBM"
    whole = _bars()[symbol]
    day = history.sessions[-125].date
    place = whole.start.index(int(datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).timestamp()))
    before, after = whole[:place], whole[place:]
    halved = replace(
        after,
        **{
            name: array("d", (round(price / 2, 6) for price in getattr(after, name)))
            for name in ("open", "high", "low", "close")
        },
    )
    results = []
    for columns, splits in ((whole, []), (before + halved, [SplitDay(symbol, day, 2, 1)])):
        results.append(
            run(
                {symbol: columns},
                sessions=history.calendar,
                settings=Settings(watchlist=(symbol,)),
                start=history.sessions[-250].date,
                splits=splits,
                terms=FillTerms(half_spread_bps=Decimal(0)),
            )
        )
    plain, split = results
    assert [fill.side for fill in plain.fills] == [fill.side for fill in split.fills]
    assert [fill.at.date() for fill in plain.fills] == [fill.at.date() for fill in split.fills]
    assert abs(plain.equity_end - split.equity_end) < 50
