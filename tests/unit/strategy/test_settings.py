"""A strategy's settings: complete once made, and refused by name where they make no sense."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from alpaquero.prices.bars import Timeframe
from alpaquero.store.trading_settings import TradingSettings
from alpaquero.strategies.stochrsi_ema import Parameters
from alpaquero.strategy.settings import Mode, StrategySettings


def test_parameters_left_out_have_their_defaults() -> None:
    """What is stored is complete, so that a later default does not change an older version."""
    settings = StrategySettings(parameters={"oversold_level": 25})
    assert msgspec.to_builtins(Parameters(oversold_level=25.0)) == settings.parameters
    assert Parameters(oversold_level=25.0) == settings.parameters_for("AAPL")


def test_an_override_counts_for_its_symbol() -> None:
    """It lies over the strategy's parameters, which hold for all others."""
    settings = StrategySettings(
        parameters={"oversold_level": 25}, overrides={"BRK.B": {"k_smoothing_bars": 5}}
    )
    assert Parameters(oversold_level=25.0, k_smoothing_bars=5) == settings.parameters_for("BRK.B")
    assert Parameters(oversold_level=25.0) == settings.parameters_for("AAPL")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"rule": "nonsense"}, "rule is 'nonsense'; there is .*stochrsi_ema"),
        ({"rule": "../settings"}, "there is"),
        ({"parameters": {"rsi_bars": 3}}, "no parameter 'rsi_bars'; it has rsi_period_bars"),
        ({"parameters": {"rsi_period_bars": 1}}, "rsi_period_bars is 1; set it from 2 to 1000"),
        ({"parameters": {"rsi_period_bars": "many"}}, "rsi_period_bars"),
        ({"parameters": {"rsi_period_bars": 300}}, "minimum_history_bars is 250; set it from 318"),
        ({"minimum_history_bars": 31}, "minimum_history_bars is 31; set it from 32"),
        ({"signal_validity_bars": 0}, "signal_validity_bars is 0; set it from 1 to 20"),
        ({"signal_validity_bars": 21}, "signal_validity_bars is 21; set it from 1 to 20"),
        ({"signal_validity_bars": 141, "timeframe": Timeframe.HOUR}, "set it from 1 to 140"),
        ({"symbols": ("aapl",)}, "AAPL or BRK.B"),
        ({"symbols": ("AAPL", "AAPL")}, "twice"),
        ({"overrides": {"aapl": {}}}, "AAPL or BRK.B"),
        ({"overrides": {"AAPL": {"nonsense": 1}}}, "overrides of AAPL: .*nonsense"),
        ({"overrides": {"AAPL": {"rsi_period_bars": 1}}}, "overrides of AAPL: rsi_period_bars"),
        ({"overrides": {"AAPL": {"rsi_period_bars": 300}}}, "overrides of AAPL"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(given: dict[str, Any], says: str) -> None:
    """The message names the setting, so that a person can correct it."""
    with pytest.raises(ValueError, match=says):
        StrategySettings(**given)


def test_settings_survive_the_store() -> None:
    """They read back as they were written, several side by side; nonsense in the store is refused by name."""
    settings = TradingSettings(
        watchlist=("AAPL",),
        strategies={
            "first": StrategySettings(overrides={"AAPL": {"oversold_level": 15}}),
            "five_minutes": StrategySettings(
                mode=Mode.SHADOW, timeframe=Timeframe.FIVE_MINUTES, symbols=("IBM",)
            ),
        },
    )
    assert settings == msgspec.json.decode(msgspec.json.encode(settings), type=TradingSettings)
    with pytest.raises(msgspec.ValidationError, match="k_smoothing_bars"):
        msgspec.json.decode(b'{"parameters": {"k_smoothing_bars": 0}}', type=StrategySettings)


@pytest.mark.parametrize("name", ["", "1st", "First", "a-b", "a" * 33])
def test_a_strategy_needs_a_plain_name(name: str) -> None:
    """It goes into records, events and the hash of order ids."""
    with pytest.raises(ValueError, match="a-z"):
        TradingSettings(strategies={name: StrategySettings()})
