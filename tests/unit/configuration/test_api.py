"""The trading settings are read by anyone, changed by an admin, and never half understood."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alpaquero.events.schemas import Event, SettingsChanged
from alpaquero.store import trading_settings
from functions.configuration import api

Call = Callable[..., tuple[int, Any]]


def post(call: Call, role: str = "admin", **body: Any) -> tuple[int, Any]:
    whole = {"version": 0, "reason": "to trade", "settings": {}, **body}
    return call(api.app, "/api/config", method="POST", role=role, body=whole)


@pytest.mark.usefixtures("tables")
def test_the_defaults_are_version_0_with_secrets_by_name(call: Call) -> None:
    """A fresh stack answers what the code comes with and names its secrets, not what they hold."""
    status, answer = call(api.app, "/api/config")
    assert (status, answer["version"], answer["settings"]["watchlist"]) == (200, 0, [])
    assert answer["settings"]["risk"]["stop_loss_percent"] == "3"
    assert (answer["environment"]["environment"], answer["environment"]["trading_secret"]) == (
        "local",
        "trading",
    )


def test_a_change_becomes_the_next_version_and_is_told(call: Call, published: list[Event]) -> None:
    """What is named changes, what is left out stays, and the author and reason are kept."""
    assert post(call, settings={"watchlist": ["AAPL"], "risk": {"drawdown_limit_percent": "12.5"}})[0] == 200
    status, answer = post(call, version=1, settings={"bar_settle_minutes": 20})
    assert (status, answer["version"], answer["author"], answer["reason"]) == (200, 2, "ana", "to trade")
    settings = trading_settings.current().settings
    assert (settings.watchlist, settings.bar_settle_minutes) == (("AAPL",), 20)
    assert str(settings.risk.drawdown_limit_percent) == "12.5"
    assert [(e.version, e.author) for e in published if isinstance(e, SettingsChanged)] == [
        (1, "ana"),
        (2, "ana"),
    ]


@pytest.mark.parametrize(
    ("settings", "field", "says"),
    [
        ({"watchlist": ["AAPL", "AAPL"]}, "settings", "twice"),
        ({"watchlist": ["aapl"]}, "settings", "AAPL or BRK.B"),
        ({"watchlist": "AAPL"}, "settings.watchlist", "array"),
        ({"risk": {"drawdown_limit_percent": 101}}, "settings.risk", "drawdown_limit_percent is 101"),
        ({"risk": {"drawdown_limit_percent": "NaN"}}, "settings.risk", "drawdown_limit_percent"),
        ({"risk": {"drawdown_limt_percent": 3}}, "settings.risk.drawdown_limt_percent", "no setting"),
        ({"risk": 3}, "settings.risk", "object"),
        (
            {"strategies": {"stochrsi_ema": {"parameters": {"rsi_period_bars": 1}}}},
            "settings.strategies[...]",
            "rsi_period_bars is 1; set it from 2 to 1000",
        ),
        (
            {"strategies": {"stochrsi_ema": {"parameters": {"rsi_bars": 7}}}},
            "settings.strategies.stochrsi_ema.parameters.rsi_bars",
            "no setting",
        ),
        ({"strategies": {"second": {"rule": "nonsense"}}}, "settings.strategies[...]", "there is"),
        ({"strategies": {"Second": {}}}, "settings", "a-z"),
        ({"strategies": {"second": {"rule": "stochrsi_ema", "mod": 1}}}, "settings.strategies[...]", "mod"),
        ({"run_deadline_seconds": 901}, "settings", "from 5 to 900"),
        ({"bar_settle_minutes": "soon"}, "settings.bar_settle_minutes", "int"),
        ({"nonsense": 1}, "settings.nonsense", "no setting"),
    ],
)
def test_a_setting_that_does_not_fit_is_named_and_nothing_is_saved(
    call: Call, published: list[Event], settings: dict[str, Any], field: str, says: str
) -> None:
    """A wrong value or a misspelt name answers 400; the settings stay as they were."""
    status, answer = post(call, settings=settings)
    assert (status, answer["error"]["details"]["field"]) == (400, field)
    assert says in answer["error"]["message"]
    assert (trading_settings.current().version, published) == (0, [])


@pytest.mark.usefixtures("published")
def test_strategies_are_added_changed_and_removed_by_name(call: Call) -> None:
    """A new name adds one with its defaults, a known one changes in part, null takes it away."""
    post(call, settings={"strategies": {"second": {"mode": "shadow", "parameters": {"k_smoothing_bars": 5}}}})
    post(call, version=1, settings={"strategies": {"second": {"parameters": {"oversold_level": 25}}}})
    strategies = trading_settings.current().settings.strategies
    second = strategies["second"].parameters
    assert {"stochrsi_ema", "second"} == set(strategies)
    assert strategies["second"].shadow
    assert (5, 25.0, 80.0) == (
        second["k_smoothing_bars"],
        second["oversold_level"],
        second["overbought_level"],
    )
    post(call, version=2, settings={"strategies": {"stochrsi_ema": None}})
    assert ["second"] == list(trading_settings.current().settings.strategies)


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"reason": "  "}, 400, "say why"),
        ({"version": "x"}, 400, "int"),
        ({"extra": 1}, 400, "extra"),
        ({"version": 7}, 409, "at version 0"),
    ],
)
def test_a_change_must_say_why_and_at_which_version(
    call: Call, body: dict[str, Any], status: int, says: str
) -> None:
    """An empty reason, an old version or an unknown field is refused."""
    answered, answer = post(call, **body)
    assert answered == status
    assert says in answer["error"]["message"]


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("role", ["viewer", "trader"])
def test_only_an_admin_changes_settings(call: Call, role: str) -> None:
    """Other roles are refused and nothing is saved."""
    assert post(call, role=role, settings={"watchlist": ["AAPL"]})[0] == 403
    assert trading_settings.current().version == 0


def test_a_map_is_replaced_as_a_whole(call: Call, published: list[Event]) -> None:
    """The names in it are a person's, so they need not have been there, and what is left out goes."""
    for version, sectors in ((0, {"AAPL": "technology", "XOM": "energy"}), (1, {"IBM": "technology"})):
        change = {"version": version, "reason": "a new map", "settings": {"risk": {"sectors": sectors}}}
        status, answer = call(api.app, "/api/config", method="POST", body=change, role="admin")
        assert (200, sectors) == (status, answer["settings"]["risk"]["sectors"])
