"""What cannot be judged and why, whatever the strategy, and what a judgement goes by."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.prices.bars import Bar, Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.strategy.judging import MOST_LOOKED_AT, chart, conditions_of, judge, values_at
from alpaquero.strategy.settings import Mode, StrategySettings
from alpaquero.strategy.signal import Signal, Withheld
from tests.unit.strategy.real_prices import SESSION, real_bars

DEFAULTS = StrategySettings()


def judged(
    bars: list[Bar],
    start: datetime | None = None,
    settings: StrategySettings = DEFAULTS,
    price: Decimal | None = None,
) -> Signal | Withheld | None:
    """What the strategy says of the last of `bars`, or of the bar that starts at `start`."""
    start = start or bars[-1].start
    return judge(
        "MSFT",
        Columns.of(bars),
        strategy="first",
        settings=settings,
        bar_start=start,
        bar_close=start + SESSION,
        reference_price=price,
    )


def outcome(found: Signal | Withheld | None) -> str:
    """The side of a signal, the code of a withheld one, or quiet."""
    if found is None:
        return "quiet"
    return found.side.value if isinstance(found, Signal) else found.code.value


def raising(symbol: str = "AAPL") -> list[Bar]:
    """Real bars on whose last one the default strategy raises a signal."""
    bars = real_bars()[symbol]
    return next(bars[:end] for end in range(len(bars), 0, -1) if isinstance(judged(bars[:end]), Signal))


def swapped(bars: list[Bar]) -> list[Bar]:
    """The bars with two days exchanged."""
    return [*bars[:-2], bars[-1], bars[-2]]


def closing(bars: list[Bar], price: float) -> list[Bar]:
    """The bars with a close in the middle replaced."""
    return [*bars[:-20], replace(bars[-20], close=price), *bars[-19:]]


def flat(bars: list[Bar]) -> list[Bar]:
    """The bars with one price throughout."""
    return [replace(bar, close=100.0) for bar in bars]


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        (lambda bars: bars[1:], "short_history", "249 bars, 250 are needed"),
        (lambda bars: [], "short_history", "0 bars"),
        (lambda bars: [*bars, bars[-1]], "broken_series", "out of order or doubled"),
        (swapped, "broken_series", "out of order or doubled"),
        (lambda bars: closing(bars, float("nan")), "broken_series", "not a price"),
        (lambda bars: closing(bars, float("inf")), "broken_series", "not a price"),
        (lambda bars: closing(bars, 0.0), "broken_series", "not a price"),
        (lambda bars: closing(bars, -1.0), "broken_series", "not a price"),
        (flat, "undefined", "k, d not defined"),
    ],
)
def test_what_cannot_be_judged_is_withheld(change: Any, code: str, says: str) -> None:
    """Short, disordered, impossible or flat series raise nothing and say why."""
    bars = real_bars()["MSFT"][-250:]
    found = judged(change(bars), bars[-1].start)
    assert isinstance(found, Withheld)
    assert code == found.code
    assert says in found.message
    assert (bars[-1].start + SESSION, "first", "1Day") == (
        found.bar_close,
        found.strategy,
        found.timeframe,
    )


def test_flat_prices_still_tell_their_means() -> None:
    """What could be computed is in the answer, for the person who asks why."""
    found = judged(flat(real_bars()["MSFT"][-250:]))
    assert isinstance(found, Withheld)
    assert {"ema": 100.0, "ema_fast": 100.0, "ema_slow": 100.0} == found.values


def test_a_bar_that_has_not_closed_is_not_judged() -> None:
    """A bar that begins after the one judged is not looked at, and the series is told of."""
    bars = real_bars()["MSFT"]
    assert "unclosed" == outcome(judged(bars, bars[-2].start))
    assert "unclosed" == outcome(judged(bars, bars[-1].start - timedelta(minutes=1)))


@pytest.mark.parametrize("missing", [1, 2, 3, 10])
def test_a_series_that_lags_is_withheld(missing: int) -> None:
    """When the bar of the session judged is missing, yesterday's is not taken for it."""
    bars = real_bars()["MSFT"]
    found = judged(bars[:-missing], bars[-1].start)
    assert "stale" == outcome(found)


@pytest.mark.parametrize(
    ("timeframe", "minutes"),
    [
        (Timeframe.MINUTE, 1),
        (Timeframe.FIVE_MINUTES, 5),
        (Timeframe.FIFTEEN_MINUTES, 15),
        (Timeframe.HOUR, 60),
    ],
)
def test_a_missing_bar_of_the_day_is_told_too(timeframe: Timeframe, minutes: int) -> None:
    """At every timeframe the bar before the one judged is stale, the one judged is not."""
    start = datetime(2012, 7, 2, 14, tzinfo=UTC)
    step = timedelta(minutes=minutes)
    prices = [bar.close for bar in real_bars()["MSFT"][-250:]]
    bars = [Bar(start + n * step, price, price, price, price, 1) for n, price in enumerate(prices)]
    settings = StrategySettings(timeframe=timeframe)
    assert "stale" != outcome(judged(bars, settings=settings))
    assert "stale" == outcome(judged(bars, bars[-1].start + step, settings))


def test_the_price_is_the_last_close_unless_told() -> None:
    """The newest bar of a series adjusted as of now is raw; a caller with older bars says what it was."""
    bars = raising()
    found, told = judged(bars), judged(bars, price=Decimal("7.5"))
    assert isinstance(found, Signal)
    assert isinstance(told, Signal)
    assert (Decimal(str(bars[-1].close)), Decimal("7.5")) == (found.reference_price, told.reference_price)


def test_a_shadow_says_so() -> None:
    """Signals and withheld ones of a strategy in shadow mode carry it; the rest is the same."""
    bars = raising()
    traded, shadow = judged(bars), judged(bars, settings=StrategySettings(mode=Mode.SHADOW))
    assert isinstance(traded, Signal)
    assert isinstance(shadow, Signal)
    assert replace(traded, shadow=True) == shadow
    short = judged(bars[-10:], settings=StrategySettings(mode=Mode.SHADOW))
    assert isinstance(short, Withheld)
    assert short.shadow


def test_a_symbol_is_judged_by_its_own_parameters() -> None:
    """An override counts for its symbol alone."""
    bars = raising()
    never = {
        "oversold_level": 0,
        "extreme_oversold_level": 0,
        "overbought_level": 100,
        "extreme_overbought_level": 100,
    }
    assert None is judged(bars, settings=StrategySettings(overrides={"MSFT": never}))
    assert judged(bars) == judged(bars, settings=StrategySettings(overrides={"IBM": never}))


def test_a_chart_shows_what_was_judged() -> None:
    """At every bar the values are those that a signal there carried, and None where there were none."""
    columns = Columns.of(raising())
    shown = chart("MSFT", columns, DEFAULTS)
    assert {"k", "d", "ema", "ema_fast", "ema_slow"} == set(shown)
    assert {len(columns)} == {len(drawn) for drawn in shown.values()}
    found = judged(raising())
    assert isinstance(found, Signal)
    assert found.values == pytest.approx({name: drawn[-1] for name, drawn in shown.items()}, abs=2e-9)
    assert found.values == values_at("MSFT", columns, DEFAULTS)
    assert (None, None) == (shown["k"][28], shown["ema"][7])
    assert None not in (shown["k"][29], shown["ema"][8])


@pytest.mark.parametrize("name", ["series", "values", "decide"])
def test_a_strategy_whose_code_fails_withholds_and_draws_nothing(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Its error is the reason; a chart is of prices alone."""

    def fails(*_: object) -> None:
        raise KeyError("vwap")

    monkeypatch.setattr(f"alpaquero.strategies.stochrsi_ema.{name}", fails)
    bars = real_bars()["MSFT"][-300:]
    found = judged(bars)
    lines = chart("MSFT", Columns.of(bars), DEFAULTS)
    assert {300} == {len(line) for line in lines.values()}
    if name == "series":
        assert {(None,) * 300} == {tuple(line) for line in lines.values()}
    else:
        assert isinstance(found, Withheld)
        assert ("failed", "stochrsi_ema failed: KeyError: 'vwap'; mend it, or take it out") == (
            found.code,
            found.message,
        )


def test_conditions_are_told_when_all_values_are_there() -> None:
    """Of the side that was raised all hold; without values there is nothing to tell."""
    found = judged(raising())
    assert isinstance(found, Signal)
    told = conditions_of("MSFT", found.values, DEFAULTS)
    assert {True} == {condition.holds for condition in told if condition.side is found.side}
    assert () == conditions_of("MSFT", {"ema": 1.0}, DEFAULTS)


def test_a_long_chart_is_drawn_where_it_is_newest() -> None:
    """Without `series` each bar is judged anew on its window: so many that a page never waits for seconds."""
    columns = Columns.of(raising())
    window = 100_000
    shown = chart("MSFT", columns, StrategySettings(rule="ema_cross", minimum_history_bars=window))
    drawn = MOST_LOOKED_AT // window
    assert {len(columns)} == {len(values) for values in shown.values()}
    assert [None] * (len(columns) - drawn) == shown["slow"][:-drawn]
    assert None not in shown["slow"][-drawn:]
