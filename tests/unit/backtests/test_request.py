"""What a backtest is asked for: checked when it is read, changes put where they belong."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from alpaquero.backtests.request import (
    BacktestRequest,
    BacktestSettings,
    FillSettings,
    bars_of,
    settings_for,
)
from alpaquero.orders.timeouts import OrderSettings
from alpaquero.prices.bars import Timeframe
from alpaquero.risk.limits import RiskLimits, SizingMethod
from alpaquero.strategy.settings import Mode, StrategySettings

CURRENT = {
    "main": StrategySettings(),
    "trial": StrategySettings(mode=Mode.SHADOW, symbols=("IBM",), parameters={"rsi_period_bars": 7}),
}


def asked(**changes: Any) -> BacktestRequest:
    """A request for a year of one symbol."""
    plain = {"symbols": ("AAPL",), "start": date(2012, 1, 3), "end": date(2012, 12, 31)}
    return BacktestRequest(**{**plain, **changes})


def made(current: dict[str, StrategySettings] | None = None, **changes: Any) -> BacktestSettings:
    """The settings of such a request."""
    return settings_for(asked(**changes), current or {}, RiskLimits(), OrderSettings())


def test_a_rule_is_tested_under_its_own_name() -> None:
    """The instance has the rule's name, as by default, so that order ids are the demo's."""
    found = made(strategies=("stochrsi_ema",))
    assert {"stochrsi_ema": StrategySettings()} == found.strategies
    assert ("AAPL",) == found.watchlist


def test_what_is_tested_trades_in_the_symbols_asked_for() -> None:
    """A shadow strategy of the settings trades in a backtest, in other symbols than its own."""
    found = made(CURRENT, strategies=("trial",))
    assert (Mode.TRADE, None) == (found.strategies["trial"].mode, found.strategies["trial"].symbols)
    assert ("AAPL",) == found.watchlist
    assert 7 == found.strategies["trial"].parameters["rsi_period_bars"]


def test_without_a_name_all_strategies_of_the_settings_are_tested() -> None:
    """Several at once, each under its name."""
    assert ["main", "trial"] == list(made(CURRENT).strategies)


def test_changes_reach_strategy_risk_and_orders() -> None:
    """A strategy's field, a rule's parameter, a limit and an order setting; texts are read as numbers."""
    found = made(
        strategies=("stochrsi_ema",),
        changes={
            "strategy.rsi_period_bars": "10",
            "strategy.minimum_history_bars": 300,
            "risk.stop_loss_percent": "2.5",
            "risk.sizing_method": "atr",
            "orders.entry_timeout_minutes": 30,
            "risk_free_percent": "4.5",
        },
    )
    one = found.strategies["stochrsi_ema"]
    assert (10, 300, 300) == (
        one.parameters["rsi_period_bars"],
        one.minimum_history_bars,
        found.history_bars(Timeframe.DAY),
    )
    assert (Decimal("2.5"), SizingMethod.ATR) == (found.risk.stop_loss_percent, found.risk.sizing_method)
    assert (30, Decimal("4.5")) == (found.orders.entry_timeout_minutes, found.risk_free_percent)


def test_the_risk_free_rate_is_that_of_the_settings_unless_it_is_changed() -> None:
    """A rate of the settings in force is taken over, and 0 is a rate too."""
    named: dict[str, Any] = {"strategies": ("stochrsi_ema",)}

    def rate(request: BacktestRequest) -> Decimal:
        found = settings_for(request, {}, RiskLimits(), OrderSettings(), risk_free_percent=Decimal(5))
        return found.risk_free_percent

    assert rate(asked(**named)) == 5
    assert rate(asked(**named, changes={"risk_free_percent": 0})) == 0


def test_of_several_strategies_one_is_changed_by_its_name() -> None:
    """`strategies.<name>.` says which; the other keeps its parameters."""
    found = made(CURRENT, changes={"strategies.trial.rsi_period_bars": 9})
    assert [14, 9] == [one.parameters["rsi_period_bars"] for one in found.strategies.values()]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"strategy.rsi_perod_bars": 1}, "there is no setting 'strategy.rsi_perod_bars'; there is"),
        ({"risk.nothing": 1}, "there is no setting 'risk.nothing'"),
        ({"rsi_period_bars": 1}, "begin with strategy., strategies.<name>., risk. or orders."),
        ({"strategies.other.rsi_period_bars": 1}, "'other' is not tested; tested is stochrsi_ema"),
        ({"strategy.rsi_period_bars": 1}, "rsi_period_bars is 1; set it from 2 to 1000"),
        ({"strategy.rsi_period_bars": "ten"}, "rsi_period_bars"),
        ({"risk.stop_loss_percent": 99}, "stop_loss_percent"),
        ({"risk_free_percent": 101}, "risk_free_percent is 101; set it from 0 to 100"),
        ({"risk_free_percent": "NaN"}, "risk_free_percent is NaN; set it from 0 to 100"),
        ({"strategy.rule": "other"}, "there is no setting 'strategy.rule'"),
    ],
)
def test_a_change_that_does_not_fit_is_named(changes: dict[str, Any], said: str) -> None:
    """The error names the setting and what it could be."""
    with pytest.raises(ValueError, match=r"^[^\n]*$") as error:
        made(strategies=("stochrsi_ema",), changes=changes)
    assert said in str(error.value)


def test_a_change_that_could_mean_two_strategies_is_refused() -> None:
    """The error says how to name the one that is meant."""
    with pytest.raises(ValueError, match=r"write strategies\.<name>\.rsi_period_bars"):
        made(CURRENT, changes={"strategy.rsi_period_bars": 9})


def test_strategies_of_two_timeframes_are_tested_together_or_all_on_one() -> None:
    """Orders trade on the shortest; each has its own history. A timeframe in the request is that of all."""
    mixed = {**CURRENT, "hourly": StrategySettings(timeframe=Timeframe.HOUR, minimum_history_bars=300)}
    found = made(mixed)
    assert ([Timeframe.HOUR, Timeframe.DAY], Timeframe.HOUR) == (found.timeframes, found.timeframe)
    assert (300, 250) == (found.history_bars(Timeframe.HOUR), found.history_bars(Timeframe.DAY))
    assert made(mixed, timeframe=Timeframe.FIVE_MINUTES).timeframes == [Timeframe.FIVE_MINUTES]
    assert made(mixed, strategies=("hourly",)).timeframes == [Timeframe.HOUR]


def test_an_unknown_strategy_is_told_with_those_that_exist() -> None:
    """Rules and the settings' names are both told."""
    with pytest.raises(ValueError, match=r"no strategy 'nothing'; there is .*main, .*stochrsi_ema, trial"):
        made(CURRENT, strategies=("nothing",))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"symbols": ()}, "symbols is empty"),
        ({"symbols": ("aapl",)}, "write symbols as AAPL"),
        ({"symbols": ("AAPL", "AAPL")}, "symbols holds one twice"),
        ({"end": date(2011, 1, 1)}, "exchange them"),
        ({"cash": Decimal(0)}, "cash is 0"),
        ({"cash": Decimal("NaN")}, "cash is NaN"),
        ({"seed": -1}, "seed is -1"),
        ({"strategies": ("a", "a")}, "strategies holds one twice"),
    ],
)
def test_a_request_that_cannot_be_run_is_refused_when_it_is_read(changes: dict[str, Any], said: str) -> None:
    """The error names the field."""
    with pytest.raises(ValueError, match=r"^[^\n]*$") as error:
        asked(**changes)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"), [("partial_fills", "1.1"), ("half_spread_bps", "-1"), ("fee_percent", "Infinity")]
)
def test_fill_settings_have_their_ranges(name: str, value: str) -> None:
    """A share above 1, a negative spread and an endless fee are refused by name."""
    with pytest.raises(ValueError, match=name):
        FillSettings(**{name: Decimal(value)})


def test_a_request_survives_json() -> None:
    """What a client sends is what is stored and run; money stays exact."""
    request = asked(cash=Decimal("12345.67"), fills=FillSettings(slippage_bps=Decimal("0.5")))
    text = msgspec.json.encode(request)
    assert request == msgspec.json.decode(text, type=BacktestRequest)


def test_bars_are_counted_by_timeframe() -> None:
    """A year of a symbol is some 252 daily bars and 390 times as many minutes."""
    assert 252 == pytest.approx(bars_of(asked(), [Timeframe.DAY]), abs=1)
    assert 252 * 390 == pytest.approx(bars_of(asked(), [Timeframe.MINUTE]), rel=0.01)
