"""The schema tells a form all it needs, and agrees with what the settings themselves take."""

from __future__ import annotations

import functools
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import msgspec
import pytest

from alpaquero.errors import InvalidRequest
from alpaquero.store import settings_schema
from alpaquero.store.settings_changes import changed, looks_secret
from alpaquero.store.settings_schema import GROUPS, HELP, STRATEGY, bounds
from alpaquero.store.tables import to_body
from alpaquero.store.trading_settings import TradingSettings
from alpaquero.strategy import registry


@functools.cache
def schema() -> dict[str, Any]:
    return settings_schema.schema()


def nodes() -> dict[str, dict[str, Any]]:
    """Each setting's node by its path."""
    parts = schema()["$defs"]
    return {
        f"{prefix}{name}": node
        for struct, prefix in GROUPS.items()
        for name, node in parts[struct]["properties"].items()
    }


def plain(settings: TradingSettings) -> Any:
    return msgspec.json.decode(to_body(settings))


def test_every_setting_has_help_and_none_has_it_without_being_one() -> None:
    """A new setting needs its line in HELP, and one that is gone takes its line along."""
    assert set(HELP) == set(nodes())
    assert set(bounds()) <= set(HELP)


def test_the_schema_is_one_and_takes_the_defaults() -> None:
    """It is sound JSON Schema 2020-12, and the settings of the code fit it."""
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(plain(TradingSettings()), schema())


@pytest.mark.parametrize(
    "change",
    [
        {"run_deadline_seconds": 901},
        {"watchlist": ["aapl"]},
        {"watchlist": ["AAPL", "AAPL"]},
        {"log_level": "LOUD"},
        {"risk": {"sizing_method": "all in"}},
        {"risk": {"stop_loss_percent": 51}},
        {"strategies": {"stochrsi_ema": {"rule": "nonsense"}}},
        {"strategies": {"stochrsi_ema": {"parameters": {"rsi_period_bars": "many"}}}},
        {"nonsense": 1},
    ],
)
def test_what_the_schema_refuses_the_service_refuses(change: dict[str, Any]) -> None:
    """A form that goes by the schema and the service agree."""
    whole = plain(TradingSettings())
    merge(whole, change)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(whole, schema())
    with pytest.raises(InvalidRequest):
        changed(TradingSettings(), change)


def merge(whole: dict[str, Any], change: dict[str, Any]) -> None:
    for name, value in change.items():
        if isinstance(value, dict):
            merge(whole[name], value)
        else:
            whole[name] = value


@pytest.mark.parametrize("path", sorted(path for path in bounds() if not path.startswith(STRATEGY)))
def test_bounds_are_those_that_are_checked(path: str) -> None:
    """Just past either bound the settings refuse, and name the setting."""
    low, high, low_allowed = bounds()[path]
    group, _, name = path.rpartition(".")
    for value in (low - 1 if low_allowed else low, high + 1):
        change = {name: str(value)}
        with pytest.raises(InvalidRequest) as refused:
            changed(TradingSettings(), {group: change} if group else change)
        assert f"settings.{path}" == refused.value.field


def test_numbers_have_a_unit() -> None:
    """Whatever is a number says in what."""
    numbers = {path for path, node in nodes().items() if {"integer", "number"} & set(types(node))}
    assert numbers == {path for path, node in nodes().items() if "x-unit" in node}
    assert "percent" == nodes()["risk.stop_loss_percent"]["x-unit"]


def types(node: dict[str, Any]) -> list[str]:
    found = node.get("type", [])
    return [found] if isinstance(found, str) else list(found)


@pytest.mark.parametrize("rule", registry.names())
def test_each_rule_has_the_schema_of_its_parameters(rule: str) -> None:
    """A form shows the parameters of the rule that is chosen, with their defaults."""
    parameters = schema()["$defs"][f"parameters of {rule}"]["properties"]
    assert set(parameters) == set(
        changed(TradingSettings(), {"strategies": {"tried": {"rule": rule}}}).strategies["tried"].parameters
    )
    assert all("default" in node for node in parameters.values())


def test_no_setting_of_ours_looks_like_a_secret() -> None:
    """So the refusal of secrets never hits a setting there is."""
    parameters = [
        name for rule in registry.names() for name in schema()["$defs"][f"parameters of {rule}"]["properties"]
    ]
    assert [] == [path for path in (*HELP, *parameters) if looks_secret(path)]
