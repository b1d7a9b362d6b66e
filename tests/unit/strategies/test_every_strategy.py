"""What holds for every strategy in the folder, whoever wrote it: a new file is tested by being there."""

from __future__ import annotations

from array import array
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from alpaquero.orders.intent import Side
from alpaquero.prices.columns import Columns
from alpaquero.strategy import registry
from alpaquero.strategy.judging import rounded_values
from alpaquero.strategy.panel import Panel
from alpaquero.strategy.protocol import Strategy
from alpaquero.strategy.settings import StrategySettings
from alpaquero.strategy.sweep import judged, sweep
from tests.unit.strategy.prices import named
from tests.unit.strategy.real_prices import SYMBOLS, real_bars

RULES = registry.names()
VECTORISED = [rule for rule in RULES if registry.vectorised(rule)]
WINDOW = StrategySettings().minimum_history_bars
COLUMNS = {symbol: Columns.of(bars) for symbol, bars in real_bars().items()}


@pytest.fixture(params=RULES)
def rule(request: pytest.FixtureRequest) -> Strategy[Any]:
    """Each strategy in turn."""
    return registry.strategy(request.param)


def test_there_are_strategies() -> None:
    """The owner's rule and the example are found in the folder; what is no strategy is not."""
    assert {"stochrsi_ema", "ema_cross"} <= set(RULES)
    with pytest.raises(ValueError, match="there is ema_cross"):
        registry.strategy("nonsense")


def test_it_has_a_default_for_everything(rule: Strategy[Any]) -> None:
    """It can be switched on without a setting; plots name values, levels name parameters."""
    parameters = rule.Parameters()
    known = set(rule.values(COLUMNS["AAPL"][-WINDOW:], parameters))
    assert rule.TITLE
    assert rule.PLOTS
    assert {plot.name for plot in rule.PLOTS} <= known
    assert set(rule.REQUIRED) <= known
    levels = {level for plot in rule.PLOTS for level in plot.levels}
    assert levels <= {field.name for field in fields(parameters)}


def test_all_values_are_there_after_the_warm_up_and_not_before(rule: Strategy[Any]) -> None:
    """With as many bars as it says every value is defined on real prices; with a bar less not all are."""
    parameters = rule.Parameters()
    bars = rule.warm_up_bars(parameters)
    for symbol in SYMBOLS:
        columns = COLUMNS[symbol]
        assert set(rule.REQUIRED) <= set(rounded_values(rule, columns[:bars], parameters)), symbol
        assert not set(rule.REQUIRED) <= set(rounded_values(rule, columns[: bars - 1], parameters)), symbol


def test_no_bars_have_no_values_and_are_no_error(rule: Strategy[Any]) -> None:
    """Too few bars say so by leaving values undefined."""
    for count in range(1, rule.warm_up_bars(rule.Parameters())):
        values = rounded_values(rule, COLUMNS["IBM"][:count], rule.Parameters())
        assert not set(rule.REQUIRED) <= set(values), count


def test_its_conditions_and_its_decisions_say_the_same(rule: Strategy[Any]) -> None:
    """A side is decided exactly where all it asks for holds; both sides are, and never both at once."""
    parameters = rule.Parameters()
    decided = set()
    for symbol in ("AAPL", "MSFT"):
        columns = COLUMNS[symbol][-WINDOW - 500 :]
        for end in range(WINDOW, len(columns) + 1):
            values = rounded_values(rule, columns[end - WINDOW : end], parameters)
            if not set(rule.REQUIRED) <= set(values):
                continue
            decision = rule.decide(values, parameters)
            asked = rule.conditions(values, parameters)
            assert all(condition.text[0].isupper() for condition in asked)  # each is read alone
            holding = {
                side for side in Side if all(condition.holds for condition in asked if condition.side is side)
            }
            assert ({decision.side} if decision else set()) == holding, (symbol, end)
            decided |= holding
    assert set(Side) == decided


def test_it_keeps_no_state(rule: Strategy[Any]) -> None:
    """The same bars give the same values, whatever was judged in between."""
    parameters = rule.Parameters()
    first = rule.values(COLUMNS["AAPL"][-WINDOW:], parameters)
    rule.values(COLUMNS["IBM"][-WINDOW:], parameters)
    assert first == rule.values(COLUMNS["AAPL"][-WINDOW:], parameters)


@pytest.mark.parametrize("name", VECTORISED)
def test_a_batch_is_what_each_symbol_is_alone(name: str) -> None:
    """The last bar of a shard, value by value to 1e-9."""
    rule = registry.vectorised(name)
    assert rule is not None
    parameters = rule.Parameters()
    windows = [COLUMNS[symbol][-WINDOW - ago : len(COLUMNS[symbol]) - ago]
               for symbol in SYMBOLS if symbol != "FB" for ago in range(60)]  # fmt: skip
    found = rule.batch(Panel.of(windows), parameters)
    for row, window in enumerate(windows):
        for key, value in rule.values(window, parameters).items():
            assert pytest.approx(value, abs=1e-9, rel=1e-12) == found[key][row], (row, key)


@pytest.mark.parametrize("name", VECTORISED)
@pytest.mark.parametrize("window", [WINDOW, None])
def test_every_bar_is_judged_as_live_judges_it(name: str, window: int | None) -> None:
    """At every bar the numpy form's values and decisions are the plain form's on that bar's window."""
    rule = registry.vectorised(name)
    assert rule is not None
    parameters = rule.Parameters()
    window = window or rule.warm_up_bars(parameters)
    series = [COLUMNS["AAPL"][-WINDOW - 250 :], COLUMNS["FB"], COLUMNS["GOOG"][-WINDOW - 100 :]]
    panel = Panel.of(series)
    found = sweep(name, panel, parameters, window)
    for row, columns in enumerate(series):
        first = int(panel.first[row])
        for end in range(1, len(columns) + 1):
            where = (row, first + end - 1)
            if end < window:
                assert 0 == found.decisions.side[where]
                assert all(np.isnan(values[where]) for values in found.values.values())
                continue
            values = rounded_values(rule, columns[end - window : end], parameters)
            for key, series_of in found.values.items():
                assert (
                    pytest.approx(values.get(key, np.nan), abs=2e-9, rel=1e-12, nan_ok=True)
                    == series_of[where]
                )
            decision = rule.decide(values, parameters)
            side = 0 if decision is None else 1 if decision.side is Side.BUY else -1
            assert side == found.decisions.side[where], (row, end)
            if decision is not None:
                tag = found.decisions.tags[found.decisions.tag[where]]
                assert (decision.strength, decision.tag) == (found.decisions.strength[where], tag)
        assert not found.decisions.side[row, :first].any()


@pytest.mark.parametrize("name", VECTORISED)
def test_a_sweep_in_parts_is_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many symbols are worked on at a time, each has its own row, and they end together."""
    panel = Panel.of([COLUMNS[symbol][-400:] for symbol in SYMBOLS])
    parameters = registry.strategy(name).Parameters()
    whole = sweep(name, panel, parameters, 60)
    monkeypatch.setattr("alpaquero.strategy.sweep.CHUNK_VALUES", 800)
    parts = sweep(name, panel, parameters, 60)
    for key, values in whole.values.items():
        np.testing.assert_allclose(parts.values[key], values, rtol=0, atol=2e-9)
    assert whole.decisions.side.any()
    for column in ("side", "strength", "tag"):
        assert (getattr(whole.decisions, column) == getattr(parts.decisions, column)).all()


def columns_of(closes: list[float]) -> Columns:
    """Bars that are no more than their closes."""
    prices, places = array("d", closes), array("q", range(len(closes)))
    return Columns(places, prices, prices, prices, prices, places)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("window", [1, 60, WINDOW])
def test_decisions_alone_are_those_of_a_sweep(name: str, window: int) -> None:
    """Whatever the short way leaves out, each bar has its decision and is defined where its values are.

    On shipped prices, random walks and every edge, in one panel with series of all lengths.
    """
    rule = registry.strategy(name)
    window = max(window, rule.warm_up_bars(rule.Parameters()))
    panel = Panel.of([*(columns[-900:] for columns in COLUMNS.values()), *map(columns_of, named().values())])
    parameters = rule.Parameters()
    expected, found = sweep(name, panel, parameters, window), judged(name, panel, parameters, window)
    for column in ("side", "strength", "tag"):
        assert (getattr(expected.decisions, column) == getattr(found.decisions, column)).all()
    whole = np.arange(panel.bars) >= (panel.first + window - 1)[:, np.newaxis]
    undefined = np.any([np.isnan(expected.values[required]) for required in rule.REQUIRED], axis=0)
    assert (undefined == found.undefined)[whole].all()
    assert found.decisions.side.any()
    assert found.decisions.tags == expected.decisions.tags


@pytest.mark.parametrize("name", [name for name in RULES if hasattr(registry.strategy(name), "series")])
@pytest.mark.parametrize("window", [60, WINDOW])
def test_series_are_the_values_of_each_bar(name: str, window: int) -> None:
    """A chart's lines are what was judged at each bar, from the first on."""
    rule, columns = registry.strategy(name), COLUMNS["MSFT"][-WINDOW - 60 :]
    parameters = rule.Parameters()
    found = rule.series(columns, parameters, window)  # type: ignore[attr-defined]
    assert {plot.name for plot in rule.PLOTS} <= set(found)
    for end in range(1, len(columns) + 1):
        values = rounded_values(rule, columns[max(end - window, 0) : end], parameters)
        for key, line in found.items():
            expected, drawn = values.get(key), line[end - 1]
            assert (expected is None) == (drawn is None), (key, end)
            assert expected is None or pytest.approx(expected, abs=2e-9, rel=1e-12) == drawn, (key, end)


@pytest.mark.parametrize("name", RULES)
def test_a_panel_shorter_than_the_window_decides_nothing(name: str) -> None:
    """There is no bar to judge, and that is no error."""
    found = judged(name, Panel.of([COLUMNS["IBM"][-20:]]), registry.strategy(name).Parameters(), WINDOW)
    assert not found.decisions.side.any()


@pytest.mark.parametrize("name", RULES)
def test_a_sweep_does_not_look_ahead(name: str) -> None:
    """What is said of a bar does not change when later ones come."""
    rule = registry.strategy(name)
    columns = COLUMNS["MSFT"][-WINDOW - 40 :]
    whole = sweep(name, Panel.of([columns]), rule.Parameters(), WINDOW)
    cut = sweep(name, Panel.of([columns[:-15]]), rule.Parameters(), WINDOW)
    for key, values in cut.values.items():
        np.testing.assert_allclose(whole.values[key][:, :-15], values, rtol=0, atol=1e-9)
    assert (whole.decisions.side[:, :-15] == cut.decisions.side).all()
