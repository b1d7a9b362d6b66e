"""The settings are read by anyone, changed by an admin who saw what he changes, and never half understood."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from alpaquero.events.schemas import SettingsChanged, decode
from alpaquero.store import trading_settings
from alpaquero.store.books import Books
from alpaquero.store.settings_items import SettingsItem
from alpaquero.store.trading_settings import TradingSettings
from functions.configuration import api

Call = Callable[..., tuple[int, Any]]

pytestmark = pytest.mark.usefixtures("tables")


def post(call: Call, role: str = "admin", **body: Any) -> tuple[int, Any]:
    whole = {"version": 0, "reason": "to trade", "settings": {}, **body}
    return call(api.app, "/api/config", method="POST", role=role, body=whole)


def told() -> list[SettingsChanged]:
    """The events that wait in the outbox, in the order of their ids."""
    events = [decode(one.name, one.detail) for one in Books("paper").outbox()]
    return [event for event in events if isinstance(event, SettingsChanged)]


def test_the_defaults_are_version_0_with_secrets_by_name(call: Call) -> None:
    """A fresh stack answers what the code comes with and names its secrets, not what they hold."""
    status, answer = call(api.app, "/api/config")
    assert (status, answer["version"], answer["settings"]["watchlist"]) == (200, 0, [])
    assert answer["settings"]["risk"]["stop_loss_percent"] == "3"
    assert (answer["environment"]["environment"], answer["environment"]["trading_secret"]) == (
        "local",
        "trading",
    )


def test_a_change_becomes_the_next_version_and_is_told(call: Call) -> None:
    """What is named changes, what is left out stays; author, reason and an event are kept with it."""
    assert post(call, settings={"watchlist": ["AAPL"], "risk": {"drawdown_limit_percent": "12.5"}})[0] == 200
    status, answer = post(call, version=1, settings={"bar_settle_minutes": 20})
    assert (status, answer["version"], answer["author"], answer["reason"]) == (200, 2, "ana", "to trade")
    settings = trading_settings.current().settings
    assert (settings.watchlist, settings.bar_settle_minutes) == (("AAPL",), 20)
    assert str(settings.risk.drawdown_limit_percent) == "12.5"
    assert [(1, "ana", "settings:1"), (2, "ana", "settings:2")] == [
        (event.version, event.author, event.id) for event in told()
    ]


@pytest.mark.parametrize(
    ("settings", "field", "says"),
    [
        ({"watchlist": ["AAPL", "AAPL"]}, "settings.watchlist", "twice"),
        ({"watchlist": ["aapl"]}, "settings.watchlist", "AAPL or BRK.B"),
        ({"watchlist": "AAPL"}, "settings.watchlist", "array"),
        ({"watchlists": {"tech": ["MSFT", "MSFT"]}}, "settings.watchlists.tech", "MSFT twice"),
        ({"watchlists": {"default": []}}, "settings.watchlists", "is the setting watchlist"),
        (
            {"strategies": {"stochrsi_ema": {"watchlist": "tech"}}},
            "settings.strategies.stochrsi_ema.watchlist",
            "name one of default",
        ),
        (
            {"strategies": {"stochrsi_ema": {"watchlist": "default", "symbols": ["IBM"]}}},
            "settings.strategies.stochrsi_ema.symbols",
            "follows the watchlist 'default'",
        ),
        (
            {"risk": {"drawdown_limit_percent": 101}},
            "settings.risk.drawdown_limit_percent",
            "drawdown_limit_percent is 101",
        ),
        ({"risk": {"drawdown_limit_percent": "NaN"}}, "settings.risk.drawdown_limit_percent", "NaN"),
        (
            {"risk": {"drawdown_release_percent": 15}},
            "settings.risk.drawdown_release_percent",
            "below drawdown_limit_percent (15)",
        ),
        (
            {"orders": {"entry_timeout_minutes": 10, "reprice_after_minutes": 10}},
            "settings.orders.reprice_after_minutes",
            "below entry_timeout_minutes (10)",
        ),
        ({"risk": {"drawdown_limt_percent": 3}}, "settings.risk.drawdown_limt_percent", "no setting"),
        ({"risk": 3}, "settings.risk", "object"),
        (
            {"strategies": {"stochrsi_ema": {"parameters": {"rsi_period_bars": 1}}}},
            "settings.strategies.stochrsi_ema.parameters",
            "rsi_period_bars is 1; set it from 2 to 1000",
        ),
        (
            {"strategies": {"stochrsi_ema": {"parameters": {"rsi_bars": 7}}}},
            "settings.strategies.stochrsi_ema.parameters.rsi_bars",
            "no setting",
        ),
        ({"strategies": {"second": {"rule": "nonsense"}}}, "settings.strategies.second.rule", "there is"),
        ({"strategies": {"Second": {}}}, "settings.strategies", "a-z"),
        ({"strategies": {"second": {"mod": 1}}}, "settings.strategies.second", "mod"),
        ({"run_deadline_seconds": 901}, "settings.run_deadline_seconds", "from 5 to 900"),
        ({"bar_settle_minutes": "soon"}, "settings.bar_settle_minutes", "int"),
        ({"log_level": "LOUD"}, "settings.log_level", "LOUD"),
        ({"nonsense": 1}, "settings.nonsense", "no setting"),
        ({"alpaca_secret_key": "x"}, "settings.alpaca_secret_key", "never settings"),
        ({"risk": {"api_key": "x"}}, "settings.risk.api_key", "never settings"),
        ({"watchlists": {"my_password": []}}, "settings.watchlists.my_password", "never settings"),
    ],
)
def test_a_setting_that_does_not_fit_is_named_and_nothing_is_saved(
    call: Call, settings: dict[str, Any], field: str, says: str
) -> None:
    """A wrong value, a misspelt name, two settings at odds or a secret answer 400; all stays as it was."""
    status, answer = post(call, settings=settings)
    assert (status, answer["error"]["details"]["field"]) == (400, field)
    assert says in answer["error"]["message"]
    assert (trading_settings.current().version, told()) == (0, [])


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


def test_a_strategy_with_another_rule_starts_with_that_rules_parameters(call: Call) -> None:
    """What the old rule was set to does not stay behind."""
    assert (
        post(call, settings={"strategies": {"stochrsi_ema": {"parameters": {"k_smoothing_bars": 5}}}})[0]
        == 200
    )
    change = {"stochrsi_ema": {"rule": "ema_cross", "parameters": {}}}
    assert post(call, version=1, settings={"strategies": change})[0] == 200
    strategy = trading_settings.current().settings.strategies["stochrsi_ema"]
    assert "ema_cross" == strategy.rule
    assert "k_smoothing_bars" not in strategy.parameters


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        ({"reason": "  "}, {}, 400, "invalid_request"),
        ({"version": "x"}, {}, 400, "invalid_request"),
        ({"extra": 1}, {}, 400, "invalid_request"),
        ({"version": 7}, {}, 409, "conflict"),
        ({"version": None}, {}, 428, "precondition_required"),
        ({"version": None}, {"If-Match": '"7"'}, 412, "precondition_failed"),
        ({"version": None}, {"If-Match": 'W/"0"'}, 412, "precondition_failed"),
        ({"version": 0}, {"If-Match": '"7"'}, 412, "precondition_failed"),
        ({"version": 7}, {"If-Match": '"0"'}, 409, "conflict"),
        ({"version": None}, {"If-Match": '"7", "0"'}, 200, None),
        ({"version": None}, {"If-Match": "*"}, 200, None),
        ({"version": 0}, {}, 200, None),
    ],
)
def test_a_change_must_say_why_and_of_which_version(
    call: Call, body: dict[str, Any], headers: dict[str, str], status: int, code: str | None
) -> None:
    """The version is sent as If-Match or in the body; without one, or an old one, nothing is saved."""
    whole = {"version": 0, "reason": "to trade", "settings": {"bar_settle_minutes": 20}, **body}
    answered, answer = call(api.app, "/api/config", method="POST", role="admin", body=whole, headers=headers)
    assert (answered, (answer.get("error") or {}).get("code")) == (status, code)
    assert trading_settings.current().version == (1 if status == 200 else 0)


@pytest.mark.parametrize("role", ["viewer", "trader"])
def test_only_an_admin_changes_settings(call: Call, role: str) -> None:
    """Other roles are refused and nothing is saved."""
    assert post(call, role=role, settings={"watchlist": ["AAPL"]})[0] == 403
    body = {"symbols": ["AAPL"], "reason": "mine", "version": 0}
    path, route = {"name": "default"}, "/api/config/watchlists/{name}"
    assert call(api.app, route, method="PUT", path=path, role=role, body=body)[0] == 403
    assert call(api.app, route, method="DELETE", path=path, role=role)[0] == 403
    back = {"to": 0, "reason": "mine", "version": 0}
    assert call(api.app, "/api/config/roll-back", method="POST", role=role, body=back)[0] == 403
    assert trading_settings.current().version == 0


def test_a_map_is_replaced_as_a_whole(call: Call) -> None:
    """The names in it are a person's, so they need not have been there, and what is left out goes."""
    for version, sectors in ((0, {"AAPL": "technology", "XOM": "energy"}), (1, {"IBM": "technology"})):
        change = {"version": version, "reason": "a new map", "settings": {"risk": {"sectors": sectors}}}
        status, answer = call(api.app, "/api/config", method="POST", body=change, role="admin")
        assert (200, sectors) == (status, answer["settings"]["risk"]["sectors"])


def test_the_history_tells_each_versions_changes_page_by_page(call: Call) -> None:
    """Newest first, down to the defaults, each with author, reason and the paths it changed."""
    post(call, settings={"watchlist": ["AAPL"]})
    post(call, version=1, settings={"risk": {"sectors": {"AAPL": "technology"}}, "bar_settle_minutes": 20})
    status, first = call(api.app, "/api/config/history", query={"limit": "2"})
    assert (200, [2, 1]) == (status, [row["version"] for row in first["items"]])
    assert [["bar_settle_minutes", "risk.sectors.AAPL"], ["watchlist"]] == [
        row["changed"] for row in first["items"]
    ]
    _, rest = call(api.app, "/api/config/history", query={"limit": "2", "cursor": first["next"]})
    assert ([(0, "alpaquero", [])], None) == (
        [(row["version"], row["author"], row["changed"]) for row in rest["items"]],
        rest["next"],
    )


def test_an_old_version_and_what_differs_from_it_are_shown(call: Call) -> None:
    """A version answers as it was; a diff names each setting with both values, up to the one in force."""
    post(call, settings={"watchlist": ["AAPL"], "strategies": {"second": {"rule": "ema_cross"}}})
    post(call, version=1, settings={"risk": {"stop_loss_percent": "4"}, "strategies": {"second": None}})
    _, old = call(api.app, "/api/config/versions/{version}", path={"version": "1"})
    assert (1, ["AAPL"], "3") == (
        old["version"],
        old["settings"]["watchlist"],
        old["settings"]["risk"]["stop_loss_percent"],
    )
    _, found = call(api.app, "/api/config/diff", query={"from": "1"})
    assert (1, 2) == (found["from_version"], found["to_version"])
    assert found == call(api.app, "/api/config/diff")[1]
    changes = {row["setting"]: (row["before"], row["after"]) for row in found["changes"]}
    assert ("3", "4") == changes["risk.stop_loss_percent"]
    assert ("ema_cross", None) == changes["strategies.second.rule"]
    assert {"risk", "strategies"} == {name.partition(".")[0] for name in changes}


@pytest.mark.parametrize(
    ("route", "given", "status"),
    [
        ("/api/config/versions/{version}", {"path": {"version": "9"}}, 404),
        ("/api/config/versions/{version}", {"path": {"version": "one"}}, 400),
        ("/api/config/diff", {"query": {"from": "0", "to": "9"}}, 404),
        ("/api/config/diff", {"query": {"from": "-1"}}, 400),
        ("/api/config/history", {"query": {"cursor": "eHh4"}}, 400),
        ("/api/config/history", {"query": {"limit": "51"}}, 400),
        ("/api/config/watchlists/{name}", {"path": {"name": "tech"}}, 404),
    ],
)
def test_what_is_not_there_is_said(call: Call, route: str, given: dict[str, Any], status: int) -> None:
    """A version, cursor or watchlist that does not exist is an error of the caller's."""
    assert call(api.app, route, **given)[0] == status


def test_a_roll_back_is_a_new_version_that_equals_an_old_one(call: Call) -> None:
    """Nothing is taken out of the history, and the event tells of it like of any change."""
    post(call, settings={"watchlist": ["AAPL"]})
    post(call, version=1, settings={"watchlist": ["IBM"], "risk": {"stop_loss_percent": "4"}})
    body = {"to": 1, "reason": "the stop was too wide", "version": 2}
    status, answer = call(api.app, "/api/config/roll-back", method="POST", role="admin", body=body)
    assert (200, 3, ["AAPL"]) == (status, answer["version"], answer["settings"]["watchlist"])
    _, history = call(api.app, "/api/config/history")
    assert [1, None, None, None] == [row["rolled_back_to"] for row in history["items"]]
    _, diff = call(api.app, "/api/config/diff", query={"from": "1", "to": "3"})
    assert [] == diff["changes"]
    assert [1, 2, 3] == [event.version for event in told()]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"to": 0, "version": 1}, 200),
        ({"to": 1, "version": 1}, 400),
        ({"to": -1, "version": 1}, 400),
        ({"to": 0, "version": 0}, 409),
        ({"to": 0}, 428),
        ({"to": 0, "version": 1, "reason": " "}, 400),
    ],
)
def test_a_roll_back_is_refused_like_any_change(call: Call, body: dict[str, Any], status: int) -> None:
    """It goes to an older version, with a reason, from the version that was read."""
    post(call, settings={"watchlist": ["AAPL"]})
    whole = {"reason": "back", **body}
    assert call(api.app, "/api/config/roll-back", method="POST", role="admin", body=whole)[0] == status


def test_a_roll_back_to_what_is_in_force_or_fits_no_more_is_refused(call: Call) -> None:
    """Equal settings make no version, and a version that today's rules refuse stays history."""
    post(call, settings={"bar_settle_minutes": 20})
    post(call, version=1, settings={"bar_settle_minutes": 15})
    body = {"to": 0, "reason": "back", "version": 2}
    status, answer = call(api.app, "/api/config/roll-back", method="POST", role="admin", body=body)
    assert (409, True) == (status, "already" in answer["error"]["message"])
    item = SettingsItem.get("SETTINGS", "VERSION#00000001")
    item.update(actions=[SettingsItem.body.set(item.body.replace('s":20', 's":2000'))])
    body = {"to": 1, "reason": "back", "version": 2}
    status, answer = call(api.app, "/api/config/roll-back", method="POST", role="admin", body=body)
    assert (409, True) == (status, "bar_settle_minutes is 2000" in answer["error"]["message"])
    assert 200 == call(api.app, "/api/config/history")[0]


def test_watchlists_are_saved_followed_and_taken_away(call: Call) -> None:
    """A strategy that names a list judges its symbols, whatever they become, until it names none."""
    route = "/api/config/watchlists/{name}"
    body = {"symbols": ["MSFT", "IBM"], "reason": "big ones", "version": 0}
    status, answer = call(api.app, route, method="PUT", path={"name": "tech"}, role="admin", body=body)
    assert (200, ["MSFT", "IBM"], 1) == (status, answer["symbols"], answer["version"])
    post(call, version=1, settings={"strategies": {"second": {"watchlist": "tech"}}})
    body |= {"symbols": ["MSFT"], "version": 2}
    call(api.app, route, method="PUT", path={"name": "tech"}, role="admin", body=body)
    assert ("MSFT",) == trading_settings.current().settings.strategies["second"].symbols
    _, diff = call(api.app, "/api/config/diff", query={"from": "2"})
    assert ["watchlists.tech"] == [row["setting"] for row in diff["changes"]]
    _, listed = call(api.app, "/api/config/watchlists")
    assert [("default", ["stochrsi_ema"]), ("tech", ["second"])] == [
        (row["name"], row["strategies"]) for row in listed["items"]
    ]
    headers, query = {"If-Match": '"3"'}, {"reason": "no more"}
    gone = {"method": "DELETE", "path": {"name": "tech"}, "role": "admin", "query": query}
    status, answer = call(api.app, route, headers=headers, **gone)
    assert (400, "settings.strategies.second.watchlist") == (status, answer["error"]["details"]["field"])
    post(call, version=3, settings={"strategies": {"second": {"watchlist": None}}})
    assert trading_settings.current().settings.strategies["second"].symbols is None
    assert 412 == call(api.app, route, headers=headers, **gone)[0]
    assert 200 == call(api.app, route, headers={"If-Match": '"4"'}, **gone)[0]
    assert {} == trading_settings.current().settings.watchlists


def test_the_default_watchlist_is_set_and_never_taken_away(call: Call) -> None:
    """It is the setting `watchlist` under its name."""
    route, path = "/api/config/watchlists/{name}", {"name": "default"}
    body = {"symbols": ["MSFT"], "reason": "to trade", "version": 0}
    assert 200 == call(api.app, route, method="PUT", path=path, role="admin", body=body)[0]
    assert ("MSFT",) == trading_settings.current().settings.watchlist
    headers = {"If-Match": '"1"'}
    gone = {"method": "DELETE", "path": path, "role": "admin", "query": {"reason": "unused"}}
    assert 409 == call(api.app, route, headers=headers, **gone)[0]


def test_preferences_are_each_users_own(call: Call) -> None:
    """Any role saves its own, and an answer that was read before another save is refused."""
    route = "/api/config/preferences"
    status, answer = call(api.app, route)
    assert (200, 0, "system", "America/New_York") == (
        status,
        answer["version"],
        answer["theme"],
        answer["time_zone"],
    )
    body = {"theme": "dark", "time_zone": "Europe/Berlin", "symbols": ["IBM"]}
    status, answer = call(api.app, route, method="PUT", body=body, headers={"If-Match": '"0"'})
    assert (200, 1, "dark") == (status, answer["version"], answer["theme"])
    assert 412 == call(api.app, route, method="PUT", body=body, headers={"If-Match": '"0"'})[0]
    assert 200 == call(api.app, route, method="PUT", body=body)[0]
    _, signed = call(api.app, "/configuration/config/preferences")
    assert (2, ["IBM"]) == (signed["version"], signed["symbols"])


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"theme": "pink"}, "pink"),
        ({"time_zone": "Mars/Base"}, "Europe/Berlin or UTC"),
        ({"time_zone": "../etc/passwd"}, "time_zone"),
        ({"symbols": ["ibm"]}, "AAPL or BRK.B"),
        ({"token": "x"}, "token"),
    ],
)
def test_preferences_that_do_not_fit_are_named(call: Call, body: dict[str, Any], says: str) -> None:
    """A value outside of its list, or a field there is not, answers 400."""
    status, answer = call(api.app, "/api/config/preferences", method="PUT", body=body)
    assert (400, True) == (status, says in answer["error"]["message"])


def test_the_environment_is_shown_without_what_nobody_needs(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets by name, addresses by host, queues by name; the log level that is in force and why."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "never shown")
    monkeypatch.setenv("ORDER_QUEUE", "https://sqs.us-east-1.amazonaws.com/123456789012/orders.fifo")
    monkeypatch.setenv("ALPACA_DATA_URL", "https://someone:word@data.alpaca.markets")
    _, answer = call(api.app, "/api/config/environment")
    shown = answer["functions"]
    assert ("trading", "data.alpaca.markets", "orders.fifo", "iex") == (
        shown["TRADING_SECRET"],
        shown["ALPACA_DATA_URL"],
        shown["ORDER_QUEUE"],
        shown["ALPACA_DATA_FEED"],
    )
    assert "never shown" not in str(answer)
    assert ("INFO", "deployment") == (answer["log_level"], answer["log_level_from"])
    post(call, settings={"log_level": "DEBUG"})
    _, answer = call(api.app, "/api/config/environment")
    assert ("DEBUG", "settings") == (answer["log_level"], answer["log_level_from"])


def test_the_answer_carries_the_version_as_etag() -> None:
    """What If-Match wants is in the header of each answer about settings."""
    answer = api.configuration_answer(trading_settings.current())
    assert '"0"' == answer.headers["ETag"]


def test_settings_that_fit_no_item_are_refused(call: Call) -> None:
    """DynamoDB takes 400 KB; a longer list is refused with its size, not by a failure."""
    symbols = [f"A{number}" for number in range(24_000)]
    assert 200 == post(call, settings={"watchlists": {"first": symbols}})[0]
    status, answer = post(call, version=1, settings={"watchlists": {"second": symbols}})
    assert (400, True) == (status, "bytes" in answer["error"]["message"])


def test_what_is_posted_back_unchanged_changes_nothing(call: Call) -> None:
    """A form may send the whole settings back, with lists that follow a watchlist too."""
    post(call, settings={"watchlists": {"tech": ["IBM"]}, "strategies": {"second": {"watchlist": "tech"}}})
    _, read = call(api.app, "/api/config")
    assert 200 == post(call, version=1, settings=read["settings"])[0]
    _, diff = call(api.app, "/api/config/diff", query={"from": "1"})
    assert [] == diff["changes"]
    again = msgspec.convert(read["settings"], TradingSettings, strict=False)
    assert trading_settings.current().settings == again
