"""Backtests of bars shorter than a day: bar for bar what a plain one does, and what the exchange trades."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import combinations
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from alpaquero.orders.intent import Side
from alpaquero.prices.aggregation import aggregated
from alpaquero.prices.bars import Bar, Timeframe
from alpaquero.prices.columns import PRICES, Columns
from alpaquero.prices.sessions import bars_of
from alpaquero.prices.splits import SplitDay
from alpaquero.risk.limits import RiskLimits, SizingMethod
from alpaquero.simulation import MatchingTerms
from alpaquero.simulation.backtest import FillTerms, Result, run
from alpaquero.simulation.backtest.account import Account
from alpaquero.simulation.backtest.engine import Backtest
from alpaquero.simulation.backtest.signals import Calendar
from alpaquero.simulation.fills import taken
from alpaquero.strategy.planning import valid_until
from alpaquero.strategy.settings import StrategySettings
from laptop.exchange.history import folder_history
from laptop.exchange.opening import open_venue
from laptop.exchange.terms import OrderRequest, StopLoss, TakeProfit
from laptop.exchange.venue import Venue
from tests.fakes.backtests import Settings
from tests.fakes.intraday import FIRST, made_up, sessions_from
from tests.fakes.slow_backtest import SlowBacktest

FAST = {
    "rsi_period_bars": 5,
    "stochastic_period_bars": 5,
    "k_smoothing_bars": 2,
    "d_smoothing_bars": 2,
    "ema_period_bars": 3,
    "ema_fast_period_bars": 4,
    "ema_slow_period_bars": 8,
}


def _settings(timeframe: Timeframe, limits: RiskLimits | None = None, **more: object) -> Settings:
    levels = {"oversold_level": 45.0, "overbought_level": 55.0}
    one = StrategySettings(timeframe=timeframe, minimum_history_bars=20, parameters=FAST | levels | more)
    return Settings(strategies={"quick": one}, risk=limits or RiskLimits())


limits = st.builds(
    RiskLimits,
    stop_loss_percent=st.decimals("0.3", 3, places=1),
    take_profit_percent=st.decimals("0.3", 3, places=1),
    daily_loss_limit_percent=st.sampled_from([Decimal("0.1"), Decimal("0.5"), Decimal(5)]),
    drawdown_limit_percent=st.sampled_from([Decimal(1), Decimal(15)]),
    drawdown_release_percent=st.just(Decimal("0.9")),
    loss_streak_limit_trades=st.sampled_from([0, 2, 6]),
    loss_streak_pause_hours=st.sampled_from([1, 24]),
    stop_guard_limit_stops=st.sampled_from([0, 2]),
    stop_guard_window_hours=st.sampled_from([1, 24]),
    symbol_cooldown_minutes=st.sampled_from([0, 7, 60]),
    session_open_delay_minutes=st.sampled_from([0, 0, 20]),
    session_close_margin_minutes=st.sampled_from([0, 30]),
    position_limit_percent=st.sampled_from([Decimal(10), Decimal(60)]),
    allow_entries_while_closed=st.sampled_from([True, False]),
)


@given(
    seed=st.integers(0, 100_000),
    timeframe=st.sampled_from([Timeframe.FIVE_MINUTES, Timeframe.FIFTEEN_MINUTES, Timeframe.HOUR]),
    risk=limits,
    gaps=st.sampled_from([0.0, 0.02, 0.3]),
    spread=st.sampled_from([Decimal(0), Decimal(1), Decimal(20)]),
)
@hypothesis_settings(max_examples=30, deadline=None, derandomize=True)
def test_the_engine_trades_what_a_plain_backtest_trades(
    *, seed: int, timeframe: Timeframe, risk: RiskLimits, gaps: float, spread: Decimal
) -> None:
    """Every fill to the millisecond, every mark and every count, whatever the prices, gaps and limits."""
    sessions = sessions_from(FIRST, 40)
    count = {Timeframe.FIVE_MINUTES: 2, Timeframe.FIFTEEN_MINUTES: 4, Timeframe.HOUR: 10}[timeframe]
    random = Random(seed)
    bars = {symbol: made_up(random, sessions[:count], timeframe, gaps=gaps) for symbol in ("AAA", "BBB")}
    settings = _settings(timeframe, risk)
    slow = SlowBacktest(bars, sessions, settings, spread, Decimal(100_000))
    slow.play(0, count)
    fast = run(bars, sessions=sessions, settings=settings, terms=FillTerms(half_spread_bps=spread))
    assert sorted(_told(fast)) == sorted(
        (fill.at, fill.symbol, fill.side, fill.quantity, fill.price) for fill in slow.fills
    )
    assert list(fast.equities) == slow.equities
    assert _counts(fast) == {code: count for code, count in slow.counts.items() if count}


@given(
    seed=st.integers(0, 100_000),
    timeframes=st.sampled_from(
        [
            (Timeframe.HOUR, Timeframe.DAY),
            (Timeframe.FIFTEEN_MINUTES, Timeframe.HOUR, Timeframe.DAY),
            (Timeframe.FIVE_MINUTES, Timeframe.FIFTEEN_MINUTES, Timeframe.HOUR),
        ]
    ),
    risk=limits,
    gaps=st.sampled_from([0.0, 0.02, 0.3]),
)
@hypothesis_settings(max_examples=20, deadline=None, derandomize=True, phases=[Phase.generate])
def test_strategies_of_several_timeframes_trade_one_account_as_a_plain_backtest_has_it(
    *, seed: int, timeframes: tuple[Timeframe, ...], risk: RiskLimits, gaps: float
) -> None:
    """Each judges as its own bar closes, days half an hour later; orders trade on the shortest bars."""
    sessions = sessions_from(FIRST, 50)
    begin, end = (20, 30) if Timeframe.DAY in timeframes else (2, 5)  # of days one ends early
    shortest, *others = timeframes
    random = Random(seed)
    bars = {symbol: made_up(random, sessions[:end], shortest, gaps=gaps) for symbol in ("AAA", "BBB")}
    longer = {one: {symbol: aggregated(bars[symbol], one) for symbol in bars} for one in others}
    settings = replace(
        _settings(shortest, risk),
        strategies={
            **{str(one): _settings(one).strategies["quick"] for one in timeframes},
            "a cross": StrategySettings(
                rule="ema_cross",
                timeframe=timeframes[-1],
                minimum_history_bars=20,
                parameters={"fast_period_bars": 2, "slow_period_bars": 4, "maximum_atr_percent": 50.0},
            ),
        },
    )
    slow = SlowBacktest(bars, sessions, settings, Decimal(1), Decimal(100_000), longer)
    slow.play(begin, end - begin)
    fast = run(bars, sessions=sessions, settings=settings, longer=longer, start=sessions[begin].date)
    assert sorted(_told(fast)) == sorted(
        (fill.at, fill.symbol, fill.side, fill.quantity, fill.price) for fill in slow.fills
    )
    assert list(fast.equities) == slow.equities
    assert _counts(fast) == {code: count for code, count in slow.counts.items() if count}


def _told(result: Result) -> list[tuple[object, ...]]:
    return [(fill.at, fill.symbol, fill.side, fill.quantity, fill.price) for fill in result.fills]


def _counts(result: Result) -> dict[str, int]:
    withheld = {f"withheld {code}": count for code, count in result.withheld.items()}
    refused = {f"refused {code}": count for code, count in result.refused.items()}
    return withheld | refused | result.passed_over


# where bars lie


@pytest.mark.parametrize("timeframe", [one for one in Timeframe if one is not Timeframe.DAY])
def test_bars_lie_where_live_has_them(timeframe: Timeframe) -> None:
    """Starts, parts and closes are those of `bars_of`, over a half day and both changes of the clocks."""
    sessions = [*sessions_from(date(2012, 10, 31), 24), *sessions_from(date(2013, 3, 7), 4)]
    calendar = Calendar.of(sessions, 0, len(sessions) - 5, timeframe)
    wanted = [
        (int(start.timestamp()), max(start, session.open), close, session.date)
        for session in sessions[:-4]
        for start, close in bars_of(session, timeframe)
    ]
    found = zip(calendar.starts.tolist(), calendar.traded, calendar.evenings, strict=True)
    assert [(start, part.open, at, part.date) for start, part, at in found] == wanted
    assert all(part.close == at for part, at in zip(calendar.traded, calendar.evenings, strict=True))
    ends = [calendar.evenings[end - 1] for end in calendar.begins[1:25]]
    assert ends == [session.close for session in sessions[:24]]


@pytest.mark.parametrize(("shorter", "longer"), list(combinations(Timeframe, 2)))
def test_longer_bars_close_with_one_of_the_shorter(shorter: Timeframe, longer: Timeframe) -> None:
    """In the same step, over a half day and both changes of the clocks: none is judged before its time."""
    sessions = [*sessions_from(date(2012, 10, 31), 24), *sessions_from(date(2013, 3, 7), 4)]
    steps, closed = (Calendar.of(sessions, 0, len(sessions) - 5, one) for one in (shorter, longer))
    places = steps.closing_with(closed)
    assert [steps.traded[place].close for place in places] == [one.close for one in closed.traded]


@pytest.mark.parametrize("timeframe", list(Timeframe))
def test_a_signal_is_valid_as_long_as_live(timeframe: Timeframe) -> None:
    """The close after so many bars, over the night and over a half day, is what planning says."""
    sessions = sessions_from(FIRST, 30)
    calendar = Calendar.of(sessions, 2, 6, timeframe)
    for place in range(0, len(calendar.traded), 7):
        close = calendar.traded[place].close
        for bars in (1, 3, 20):
            assert calendar.close_after(place, bars) == valid_until(sessions, timeframe, close, bars)


def test_bars_outside_the_regular_session_are_not_looked_at() -> None:
    """Bars before the open and after the close, as some feeds have them, change nothing."""
    sessions, settings = sessions_from(FIRST, 20), _settings(Timeframe.FIVE_MINUTES)
    regular = made_up(Random(5), sessions[:4], Timeframe.FIVE_MINUTES)
    around = [
        Bar(at, 1.0, 900.0, 0.5, 1.0, 5)
        for session in sessions[:4]
        for at in (session.open - timedelta(minutes=5), session.close, session.close + timedelta(hours=1))
    ]
    more = Columns.of(sorted([*regular.bars(), *around], key=lambda bar: bar.start))
    results = [run({"AAA": one}, sessions=sessions, settings=settings) for one in (regular, more)]
    assert results[0].trades_sha256 == results[1].trades_sha256
    assert len(results[0].fills) > 5
    assert results[0].equities == results[1].equities


# what is traded when


def test_an_entry_waits_for_the_next_bar_that_is_there() -> None:
    """A signal on the day's last bar fills at the next open; bars that are missing fill nothing."""
    sessions, settings = sessions_from(FIRST, 20), _settings(Timeframe.HOUR)
    whole = made_up(Random(11), sessions[:12], Timeframe.HOUR)
    result = run({"AAA": whole}, sessions=sessions, settings=settings)
    entry = next(fill for fill in result.fills if fill.side is Side.BUY)
    place = whole.start.index(int(entry.at.replace(minute=0).timestamp()))
    gap = whole[:place] + whole[place + 3 :]
    later = run({"AAA": gap}, sessions=sessions, settings=settings)
    moved = next(fill for fill in later.fills if fill.client_order_id == entry.client_order_id)
    begun = gap.start_at(place)
    assert moved.at == max(begun, next(s.open for s in sessions if s.date == begun.date()))
    assert moved.price > 0
    assert moved.price == taken(Side.BUY, Decimal(repr(gap.open[place])), Decimal(1))


def test_the_true_range_is_of_the_days_that_have_closed() -> None:
    """Stops by ATR rest on daily bars as live asks for them: today's counts once the session is over."""
    sessions = sessions_from(FIRST, 60)
    hours = made_up(Random(2), sessions[:40], Timeframe.HOUR)
    days = aggregated(hours, Timeframe.DAY)
    limits = RiskLimits(sizing_method=SizingMethod.ATR, atr_period_bars=4)
    tests = [
        Backtest(
            {timeframe: ({"AAA": bars}, Calendar.of(sessions, 0, 39, timeframe))},
            _settings(timeframe, limits),
            (),
            FillTerms(),
            Decimal(1000),
            "paper",
        )
        for bars, timeframe in ((hours, Timeframe.HOUR), (days, Timeframe.DAY))
    ]
    of_hours, of_days = tests
    begins = of_hours.calendar.begins
    for number in range(31, 40):
        known = of_days._true_range("AAA", number)
        assert known is not None
        assert of_hours._true_range("AAA", begins[number + 1] - 1) == known
        assert of_hours._true_range("AAA", begins[number + 1] - 2) == of_days._true_range("AAA", number - 1)


def test_a_split_begins_with_the_first_bar_of_its_day() -> None:
    """The same prices told as a 2 for 1 split give twice the shares and the same fills in time."""
    sessions, settings = sessions_from(FIRST, 20), _settings(Timeframe.FIFTEEN_MINUTES)
    whole = made_up(Random(4), sessions[:6], Timeframe.FIFTEEN_MINUTES)
    day = sessions[3].date
    place = next(n for n in range(len(whole)) if whole.start_at(n).date() == day)
    after = whole[place:]
    halved = replace(
        after,
        **{name: array("d", (price / 2 for price in getattr(after, name))) for name in PRICES},
    )
    terms = FillTerms(half_spread_bps=Decimal(0))
    plain = run({"AAA": whole}, sessions=sessions, settings=settings, terms=terms)
    split = run(
        {"AAA": whole[:place] + halved},
        sessions=sessions,
        settings=settings,
        splits=[SplitDay("AAA", day, 2, 1)],
        terms=terms,
    )
    held_over = [one for one in plain.trades if one.opened_at.date() < day <= one.closed_at.date()]
    assert held_over
    assert [fill.at.date() for fill in plain.fills] == [fill.at.date() for fill in split.fills]
    assert abs(plain.equity_end - split.equity_end) < 100


def test_equity_is_marked_once_a_session() -> None:
    """A row a session, at its close, and progress by sessions; the bars between are in no row."""
    sessions, settings = sessions_from(FIRST, 20), _settings(Timeframe.MINUTE)
    bars = {"AAA": made_up(Random(3), sessions[:5], Timeframe.MINUTE, swing=0.001)}
    seen: list[tuple[int, int, date]] = []
    result = run(
        bars,
        sessions=sessions,
        settings=settings,
        start=sessions[1].date,
        progress=lambda *told: seen.append(told),
    )
    assert [row.at.date() for row in result.equity] == [session.date for session in sessions[1:5]]
    assert (result.sessions, result.equity[-1].equity) == (4, result.equity_end)
    assert seen[-1] == (4, 4, sessions[4].date)
    assert [done for done, _, _ in seen] == sorted({done for done, _, _ in seen})


def test_nothing_is_judged_on_bars_to_come() -> None:
    """A backtest that ends at noon made the same trades up to there."""
    sessions, settings = sessions_from(FIRST, 20), _settings(Timeframe.FIVE_MINUTES)
    whole = made_up(Random(6), sessions[:4], Timeframe.FIVE_MINUTES)
    cut = sessions[3].open + timedelta(hours=2, minutes=30)
    shorter = run({"AAA": whole.until(cut - timedelta(minutes=5))}, sessions=sessions, settings=settings)
    longer = run({"AAA": whole}, sessions=sessions, settings=settings)
    assert len(shorter.fills) > 5
    assert list(shorter.fills) == [fill for fill in longer.fills if fill.at < cut]


def _hours_and_days(**scale: float) -> tuple[dict[str, Columns], dict[str, Columns], Settings]:
    """Bars of hours and of days, those of a symbol at the scale given, with a strategy of each."""
    hours = {"AAA": made_up(Random(9), sessions_from(FIRST, 40), Timeframe.HOUR)}
    days = {symbol: aggregated(columns, Timeframe.DAY) for symbol, columns in hours.items()}
    for symbol, factor in scale.items():
        halved = {name: array("d", (p * factor for p in getattr(days[symbol], name))) for name in PRICES}
        days[symbol] = replace(days[symbol], **halved)
    strategies = {str(one): _settings(one).strategies["quick"] for one in (Timeframe.DAY, Timeframe.HOUR)}
    return hours, days, Settings(strategies=strategies)


def test_bars_of_a_timeframe_that_are_missing_are_named() -> None:
    """A strategy that would say nothing for want of bars is no result."""
    hours, _, settings = _hours_and_days()
    with pytest.raises(ValueError, match="no bars of 1Day"):
        run(hours, sessions=sessions_from(FIRST, 50), settings=settings)


def test_bars_of_two_timeframes_at_two_scales_are_refused() -> None:
    """A split that has moved the days and not yet the hours would make up stops and targets."""
    hours, days, settings = _hours_and_days(AAA=0.5)
    with pytest.raises(ValueError, match=r"AAA: the bar of 1Day on 2012-11-19 closes at .* split; fetch"):
        run(hours, sessions=sessions_from(FIRST, 50), settings=settings, longer={Timeframe.DAY: days})


def test_a_thin_symbols_close_is_no_other_scale() -> None:
    """Its last trade may have been in the morning; two days apart are no split."""
    hours, days, settings = _hours_and_days()
    closes = days["AAA"].close[:]
    closes[3], closes[4] = closes[3] * 1.5, closes[4] * 1.5
    days["AAA"] = replace(days["AAA"], close=closes)
    assert run(
        hours, sessions=sessions_from(FIRST, 50), settings=settings, longer={Timeframe.DAY: days}
    ).sessions


def test_a_daily_signal_of_a_mixed_backtest_trades_at_the_next_open_as_of_days_alone() -> None:
    """With an hourly strategy that says nothing beside it the first entry is that of a backtest of days."""
    hours, days, settings = _hours_and_days()
    sessions, daily = sessions_from(FIRST, 50), settings.strategies["1Day"]
    still = msgspec.structs.replace(settings.strategies["1Hour"], symbols=("ZZZ",))
    alone = run(days, sessions=sessions, settings=Settings(strategies={"1Day": daily}))
    mixed = run(
        hours,
        sessions=sessions,
        settings=Settings(strategies={"1Day": daily, "1Hour": still}),
        longer={Timeframe.DAY: days},
    )
    first, same = ((one.at, one.client_order_id, one.price) for one in (alone.fills[0], mixed.fills[0]))
    assert first == same


def test_a_calendar_that_ends_with_the_bars_is_refused() -> None:
    """Signals are valid for some bars more, so the error says that sessions are missing."""
    sessions = sessions_from(FIRST, 3)
    bars = {"AAA": made_up(Random(1), sessions, Timeframe.HOUR)}
    with pytest.raises(ValueError, match="give 3 more"):
        run(bars, sessions=sessions, settings=_settings(Timeframe.HOUR))


# the exchange


def test_the_exchange_fills_the_same_orders_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each order sent to the paper exchange at its time, bar after bar: the same fills at the same prices.

    The exchange has the minutes, the backtest the bars of five that they add up to. Within a bar the
    exchange knows more of the time, so times agree to the bar.
    """
    sessions = sessions_from(FIRST, 30)
    minutes = made_up(Random(8), sessions[:5], Timeframe.MINUTE, swing=0.002)
    _written(tmp_path / "data" / "AAA.csv", minutes)
    bars = {"AAA": aggregated(minutes, Timeframe.FIVE_MINUTES)}
    sent: dict[datetime, list[Callable[[Venue], object]]] = defaultdict(list)
    _recorded(monkeypatch, sent)
    settings = _settings(
        Timeframe.FIVE_MINUTES,
        RiskLimits(
            stop_loss_percent=Decimal("0.5"),
            take_profit_percent=Decimal("0.7"),
            symbol_cooldown_minutes=0,
            loss_streak_limit_trades=0,
            stop_guard_limit_stops=0,
        ),
    )
    first = sessions[1].date
    result = run(bars, sessions=sessions, settings=settings, start=first)
    venue = open_venue(folder_history(tmp_path / "data"), tmp_path / "book", MatchingTerms(1), first=first)
    with closing(venue):
        for session in sessions[1:5]:
            for _, close in bars_of(session, Timeframe.FIVE_MINUTES):
                venue.jump(close)
                for send in sent.get(close, ()):
                    send(venue)
        traded = [(t.side, t.quantity, t.price, _bar_of(t.at)) for t in venue.book.trades]
        assert venue.book.cash == result.cash
    assert len(traded) > 20
    assert {fill.side for fill in result.fills} == {Side.BUY, Side.SELL}
    assert {trade.exit_tag for trade in result.trades} >= {"stop loss", "take profit"}
    assert traded == [(fill.side, fill.quantity, fill.price, _bar_of(fill.at)) for fill in result.fills]


def _bar_of(at: datetime) -> datetime:
    return at.replace(minute=at.minute // 5 * 5, second=0, microsecond=0)


def _written(path: Path, columns: Columns) -> None:
    """The bars as a file of the exchange."""
    path.parent.mkdir()
    rows = [
        f"{bar.start:%Y-%m-%dT%H:%M:%SZ},{bar.open},{bar.high},{bar.low},{bar.close},{bar.volume}"
        for bar in columns.bars()
    ]
    path.write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]))


def _recorded(monkeypatch: pytest.MonkeyPatch, sent: dict[datetime, list[Callable[[Venue], object]]]) -> None:
    """Has a backtest's account note what it is asked, to ask it of the exchange at the same market time."""
    buy, sell, cancel = Account.buy_with_exits, Account.sell, Account.cancel_all_of
    at_market = partial(OrderRequest, type="market", time_in_force="gtc")

    def bought(account: Account, identifier: str, symbol: str, quantity: Decimal, **prices: Decimal) -> None:
        buy(account, identifier, symbol, quantity, **prices)
        order = at_market(
            symbol=symbol, qty=quantity, side="buy", client_order_id=identifier, order_class="bracket",
            take_profit=TakeProfit(prices["target"]), stop_loss=StopLoss(prices["stop"]),
        )  # fmt: skip
        sent[account.now].append(lambda venue: venue.place_order(order))

    def sold(account: Account, identifier: str, symbol: str, quantity: Decimal) -> None:
        sell(account, identifier, symbol, quantity)
        order = at_market(symbol=symbol, qty=quantity, side="sell", client_order_id=identifier)
        sent[account.now].append(lambda venue: venue.place_order(order))

    def cancelled(account: Account, symbol: str, at: datetime) -> None:
        cancel(account, symbol, at)
        sent[at].append(lambda venue: venue.cancel_all())

    monkeypatch.setattr(Account, "buy_with_exits", bought)
    monkeypatch.setattr(Account, "sell", sold)
    monkeypatch.setattr(Account, "cancel_all_of", cancelled)
