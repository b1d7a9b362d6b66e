"""Histories drawn from a backtest's returns: repeatable, and spread as they should be."""

from __future__ import annotations

import numpy as np
import pytest

from alpaquero.backtests.monte_carlo import PERCENTILES, Method, bands, percentile

RETURNS = [0.02, -0.01, 0.03, -0.02, 0.01, -0.03, 0.02, 0.01]


def test_another_order_ends_where_the_first_did() -> None:
    """Compounding does not care for order: one final equity, several drawdowns."""
    found = bands(RETURNS, method=Method.ORDER, initial_equity=1000, histories=200)
    end = 1000 * float(np.prod([1 + value for value in RETURNS]))
    assert dict.fromkeys(PERCENTILES, pytest.approx(end)) == found.final_equity
    assert found.max_drawdown_percent[5] < found.max_drawdown_percent[95]


@pytest.mark.parametrize("method", [Method.TRADES, Method.SESSIONS])
def test_drawing_with_replacement_spreads_the_end(method: Method) -> None:
    """Percentiles rise with their number, and the bands end where the finals lie."""
    found = bands(RETURNS, method=method, initial_equity=1000, histories=300)
    finals = [found.final_equity[part] for part in PERCENTILES]
    assert sorted(finals) == finals
    assert finals[0] < finals[-1]
    assert finals == [found.equity[part][-1] for part in PERCENTILES]
    assert [1000.0] * 5 == [found.equity[part][0] for part in PERCENTILES]
    assert 0 < found.loss_percent < 100


def test_the_same_seed_draws_the_same_histories() -> None:
    """A result can be told again; another seed gives another one."""
    first, again, other = (
        bands(RETURNS, method=Method.TRADES, initial_equity=1, histories=50, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first.final_equity != other.final_equity


def test_the_median_of_many_histories_is_that_of_the_returns() -> None:
    """The mean growth of drawn histories is the growth of the sample, within its error."""
    found = bands(RETURNS * 20, method=Method.TRADES, initial_equity=1, histories=2000)
    expected = float(np.prod([1 + value for value in RETURNS * 20]))
    assert found.final_equity[50] == pytest.approx(expected, rel=0.05)


def test_stretches_keep_what_follows_one_another() -> None:
    """In histories of sessions a gain is mostly followed by what followed it in the sample."""
    alternating = [0.01, -0.01] * 50
    sessions = bands(alternating, method=Method.SESSIONS, initial_equity=1, histories=200)
    trades = bands(alternating, method=Method.TRADES, initial_equity=1, histories=200)
    assert sessions.max_drawdown_percent[50] < trades.max_drawdown_percent[50] / 1.3


def test_percentiles_are_those_of_numpy() -> None:
    """Linear between two values, at the ends the ends."""
    values = sorted(RETURNS)
    for part in (0, 5, 33, 50, 99, 100):
        assert percentile(values, part) == pytest.approx(float(np.percentile(values, part)))


def test_too_few_returns_are_refused() -> None:
    """One trade can be drawn in one way alone."""
    with pytest.raises(ValueError, match="longer period"):
        bands([0.1], method=Method.ORDER, initial_equity=1)
