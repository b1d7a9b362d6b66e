"""The lookahead and the warm-up check: a sound rule passes, each way of cheating is caught."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from alpaquero.backtests.checks import check_lookahead, check_warm_up
from alpaquero.prices.columns import Columns
from alpaquero.strategy import registry
from alpaquero.strategy.settings import StrategySettings
from tests.unit.backtests.samples import prices

HEAD = """
from __future__ import annotations

from dataclasses import dataclass

from alpaquero.orders.kinds import Side
from alpaquero.strategy.protocol import Decision

TITLE, PLOTS, REQUIRED = "test", (), ("mean",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    period_bars: int = 10


def warm_up_bars(parameters):
    return parameters.period_bars


def decide(values, parameters):
    side = Side.BUY if values["mean"] > values["close"] else Side.SELL
    return Decision(side=side, strength=50, tag="mean")


def conditions(values, parameters):
    return ()

"""
SOUND = """
def values(columns, parameters):
    closes = columns.close[-parameters.period_bars :]
    known = len(closes) == parameters.period_bars
    return {"close": columns.close[-1], "mean": sum(closes) / len(closes) if known else None}
"""
VECTORS = """
import numpy as np

from alpaquero.strategy.protocol import Decisions


def batch(panel, parameters):
    return {"close": panel.close[:, -1], "mean": panel.close[:, -parameters.period_bars :].mean(axis=1)}


def decide_many(values, parameters):
    side = np.where(values["mean"] > values["close"], 1, -1).astype(np.int8)
    side[np.isnan(values["mean"])] = 0
    return Decisions(side, np.full(side.shape, 50, np.int16), np.zeros(side.shape, np.int8), ("mean",))


def rolling(panel, parameters, window):
    closes, period = panel.close, parameters.period_bars
    sums = np.cumsum(np.pad(closes, ((0, 0), (1, 0))), axis=1)
    means = np.full(closes.shape, np.nan)
    means[:, period - 1 :] = (sums[:, period:] - sums[:, :-period]) / period
    return {"close": closes, "mean": means}
"""
# The mean over the bars around the one judged, half of them still to come.
CENTRED = VECTORS.replace('"mean": means}', '"mean": np.roll(means, -period // 2, axis=1)}')
# Closes seen in any call are kept, and the one after the bar judged is used where it is known.
REMEMBERING = """
_SEEN = {}


def values(columns, parameters):
    _SEEN.update(zip(columns.start, columns.close, strict=True))
    later = [start for start in _SEEN if start > columns.start[-1]]
    return {"close": columns.close[-1], "mean": _SEEN[min(later)] if later else columns.close[-1]}
"""
# The mean since the beginning of whatever is given.
EXPANDING = """
def values(columns, parameters):
    known = len(columns) >= parameters.period_bars
    return {"close": columns.close[-1], "mean": sum(columns.close) / len(columns) if known else None}
"""
# Says 10 bars are enough and needs 15.
LATE = SOUND.replace("known = len(closes) == parameters.period_bars", "known = len(columns) >= 15")


@pytest.fixture
def rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The rule in a file of its own, known for this test alone."""
    monkeypatch.setattr(registry, "_loaded", {})
    path = tmp_path / f"rule_{abs(hash(request.node.name)) % 10**8}.py"
    path.write_text(HEAD + request.param)
    return registry.load_file(path)


def series(count: int = 200) -> dict[str, Columns]:
    """Two symbols, one with noise, so that means and closes cross often."""
    random = Random(7)
    noisy = [bar.close * (1 + random.uniform(-0.03, 0.03)) for bar in prices("AAPL", count).bars()]
    smooth = prices("IBM", count)
    columns = prices("AAPL", count)
    columns.close[:] = type(columns.close)("d", noisy)
    return {"AAPL": columns, "IBM": smooth}


def judging(rule: str, bars: int = 30) -> StrategySettings:
    """Settings that judge so many bars."""
    return StrategySettings(rule=rule, minimum_history_bars=bars)


@pytest.mark.parametrize("rule", [SOUND, SOUND + VECTORS], indirect=True, ids=["plain", "vectorised"])
def test_a_rule_that_looks_back_passes(rule: str) -> None:
    """Every answer is the same with and without the future, and each bar with enough history is judged."""
    found = check_lookahead(series(), judging(rule))
    assert found.passed
    assert (2, 2 * (200 - 29), 2 * (200 - 29)) == (found.symbols, found.bars, found.signals)


@pytest.mark.parametrize("rule", [SOUND + CENTRED], indirect=True)
def test_an_array_form_that_takes_later_bars_is_caught(rule: str) -> None:
    """A centred mean in `rolling` differs from the same bars without their future, and says where."""
    found = check_lookahead(series(), judging(rule))
    assert not found.passed
    assert found.signals_different > 0
    assert {"rolling"} == {one.form for one in found.differences}
    assert {"mean", "decision"} >= {one.what for one in found.differences}
    assert found.different > len(found.differences) == 20


@pytest.mark.parametrize("rule", [REMEMBERING], indirect=True)
def test_a_rule_that_remembers_later_bars_is_caught(rule: str) -> None:
    """What a module keeps from a call about the future changes its answer about the past."""
    found = check_lookahead(series(), judging(rule))
    assert not found.passed
    assert {"values"} == {one.form for one in found.differences}


@pytest.mark.parametrize("rule", [SOUND], indirect=True)
def test_a_window_of_fixed_length_settles_at_once(rule: str) -> None:
    """A plain mean needs its period and not a bar more."""
    found = check_warm_up(series(), judging(rule))
    assert found.passed
    assert (10, 10, 10) == (found.declared_bars, found.first_value_bars, found.settled_bars)
    assert all(rung.decisions_different == 0 for rung in found.rungs)


@pytest.mark.parametrize("rule", [EXPANDING], indirect=True)
def test_a_rule_that_never_settles_is_caught(rule: str) -> None:
    """A mean since the beginning moves with every bar of history, and the fault says what to do."""
    found = check_warm_up(series(), judging(rule))
    assert found.settled_bars is None
    assert not found.passed
    assert "window of fixed length" in found.faults[0]
    assert found.rungs[0].decisions_different > 0


@pytest.mark.parametrize("rule", [LATE], indirect=True)
def test_a_rule_that_needs_more_than_it_says_is_caught(rule: str) -> None:
    """`warm_up_bars` below the first value is a fault of its own."""
    found = check_warm_up(series(), judging(rule))
    assert (10, 15) == (found.declared_bars, found.first_value_bars)
    assert "correct warm_up_bars" in found.faults[0]


def test_too_few_bars_judged_is_told_with_the_number_needed() -> None:
    """The owner's rule on 40 bars has not settled, and the fault names how many it takes."""
    found = check_warm_up(series(400), judging("stochrsi_ema", 40))
    assert found.settled_bars is not None
    assert found.settled_bars > 40
    assert f"minimum_history_bars to {found.settled_bars}" in found.faults[0]


def test_the_owners_rule_passes_both() -> None:
    """As shipped it neither looks ahead nor judges before it has settled."""
    settings = StrategySettings()
    noisy = series(480)["AAPL"]
    assert check_lookahead({"AAPL": noisy[-300:]}, settings).passed
    assert check_warm_up({"AAPL": noisy}, settings, places=10).passed


def test_a_short_series_is_refused_with_the_number_needed() -> None:
    """Nothing can be said of fewer bars than are judged."""
    with pytest.raises(ValueError, match="250 bars that are judged, the longest has 200"):
        check_lookahead(series(), StrategySettings())
