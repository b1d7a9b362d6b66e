"""The faults of the laptop's paper exchange, through the health monitor's routes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import boto3
import msgspec
import pytest

from alpaquero import faults
from alpaquero.broker.breaker import FAILURES_TO_OPEN
from functions.health_monitor import api
from tests.fakes.http_server import Reply, ScriptedServer, scripted_server

Call = Callable[..., tuple[int, Any]]
ROUTE: Final = "/api/monitoring/faults"
ONE: Final = f"{ROUTE}/{{id}}"
SECRET: Final = "alpaquero/local/faults"
RULE: Final = {
    "id": "429", "kind": "429", "route": "", "probability": 0.02, "times": None, "seed": 7,
    "milliseconds": 500, "most_milliseconds": None, "retry_after": 1, "status": 502, "age_seconds": 3600.0,
    "event": "",
}  # fmt: skip
IN_FORCE: Final = {"rule": RULE, "matched": 9, "injected": 2}
BOARD: Final = {
    "rules": [IN_FORCE],
    "injected": {"429": 2},
    "mixes": [{"name": "light", "rules": [RULE]}],
    "kinds": ["429"],
    "routes": ["all"],
}
READ: Final[dict[str, Any]] = {"route": ROUTE}
ADD: Final[dict[str, Any]] = {"method": "POST", "route": ROUTE, "body": {"mix": "light"}}
REMOVE: Final[dict[str, Any]] = {"method": "DELETE", "route": ONE, "path": {"id": "429"}}
CLEAR: Final[dict[str, Any]] = {"method": "DELETE", "route": ROUTE}


@pytest.fixture
def exchange(tables: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    """An exchange that answers by script, whose token is in its secret."""
    kept = faults._token
    kept.cache_clear()
    boto3.client("secretsmanager").create_secret(Name=SECRET, SecretString=json.dumps({"token": "t0ken"}))
    with scripted_server() as server:
        at(monkeypatch, alpaca_trading_url=server.url, faults_secret=SECRET)
        yield server
    kept.cache_clear()


def at(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    """Lets the function have other settings."""
    monkeypatch.setattr(api, "SETTINGS", msgspec.structs.replace(api.SETTINGS, **settings))


@pytest.mark.parametrize("role", ["viewer", "trader", "admin"])
def test_whoever_may_look_sees_the_board(exchange: ScriptedServer, call: Call, role: str) -> None:
    """Rules with what they hit, counts, and what there is to choose from, as the exchange tells."""
    exchange.script = [Reply(200, BOARD)]
    assert call(api.app, ROUTE, role=role) == (200, BOARD)
    [asked] = exchange.asked
    assert (asked.method, asked.path) == ("GET", "/admin/faults/board")
    assert asked.headers["Authorization"] == "Bearer t0ken"


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ({"mix": "heavy", "seed": 4}, {"mix": "heavy", "seed": 4}),
        (
            {"rule": {"kind": "html", "route": "submit", "probability": 0.5, "times": 3, "status": 504}},
            {"rules": [{"kind": "html", "route": "submit", "probability": 0.5, "times": 3, "status": 504}]},
        ),
    ],
)
def test_an_admin_puts_a_mix_or_a_rule_in_force(
    exchange: ScriptedServer, call: Call, log_lines: list[dict[str, Any]], body: Any, sent: Any
) -> None:
    """What is left out is the exchange's to say; the log has who did it and never the token."""
    exchange.script = [Reply(200, {"rules": [IN_FORCE]})]
    assert call(api.app, ROUTE, method="POST", role="admin", body=body) == (201, {"rules": [IN_FORCE]})
    [asked] = exchange.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/admin/faults", sent)
    [line] = [line for line in log_lines if line["message"] == "faults were put in force"]
    assert (line["changed_by"], line.get("mix"), line["rules"]) == ("ana", body.get("mix"), ["429"])
    assert "t0ken" not in json.dumps(log_lines)


@pytest.mark.parametrize(
    ("asked", "asks"),
    [(CLEAR, "/admin/faults"), ({**REMOVE, "path": {"id": "a b/c"}}, "/admin/faults/a%20b%2Fc")],
    ids=["all", "one"],
)
def test_an_admin_takes_them_away(
    exchange: ScriptedServer, call: Call, log_lines: list[dict[str, Any]], asked: Any, asks: str
) -> None:
    """All or one, by its id; the answer has those that are left, the log who did it."""
    exchange.script = [Reply(200, {"rules": []})]
    assert call(api.app, role="admin", **asked) == (200, {"rules": []})
    assert [(one.method, one.path) for one in exchange.asked] == [("DELETE", asks)]
    [line] = [line for line in log_lines if line["message"].endswith("taken out of force")]
    assert (line["changed_by"], line.get("rules")) == ("ana", ["a b/c"] if "path" in asked else None)


@pytest.mark.parametrize("role", ["viewer", "trader"])
def test_only_an_admin_changes_them(exchange: ScriptedServer, call: Call, role: str) -> None:
    """Nothing reaches the exchange for anyone else."""
    for asked in (ADD, REMOVE, CLEAR):
        status, answer = call(api.app, role=role, **asked)
        assert (status, answer["error"]["code"], exchange.asked) == (403, "forbidden", [])


@pytest.mark.parametrize(
    "settings",
    [
        {"faults_secret": ""},
        {"environment": "paper"},
        {"environment": "live"},
        {"alpaca_trading_url": "https://paper-api.alpaca.markets"},
        {"alpaca_trading_url": "http://127.0.0.1.example:80"},
    ],
    ids=str,
)
def test_there_are_none_off_the_laptop(
    exchange: ScriptedServer, call: Call, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]
) -> None:
    """404 that says why; no token is read and none is sent anywhere."""
    at(monkeypatch, **settings)
    monkeypatch.setattr(faults, "_token", lambda _: pytest.fail("the token was read"))
    for asked in (READ, ADD, REMOVE, CLEAR):
        status, answer = call(api.app, role="admin", **asked)
        assert (status, answer["error"]["code"]) == (404, "not_found")
        assert "no paper exchange here" in answer["error"]["message"]
    assert exchange.asked == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"mix": "light", "rule": {"kind": "500"}},
        {"rule": {"kind": "500", "probability": 0}},
        {"rule": {"kind": "latency", "milliseconds": 60_001}},
        {"rule": {"kind": "500", "id": "a b"}},
        {"rule": {"kind": "500", "percent": 3}},
    ],
    ids=str,
)
def test_a_wrong_body_is_told_before_the_exchange_is_asked(
    exchange: ScriptedServer, call: Call, body: Any
) -> None:
    """One of mix and rule, within bounds, with no field that nobody knows."""
    status, answer = call(api.app, ROUTE, method="POST", role="admin", body=body)
    assert (status, answer["error"]["code"], exchange.asked) == (400, "invalid_request", [])


@pytest.mark.parametrize(
    ("reply", "asked", "told"),
    [
        (Reply(422, {"message": "there is a rule 429 already"}), ADD, (400, "invalid_request")),
        (Reply(404, {"message": "there is no fault rule 429"}), REMOVE, (404, "not_found")),
        (Reply(401, {"message": "unauthorized."}), READ, (503, "broker_unavailable")),
        (Reply(401, {"message": "unauthorized."}), ADD, (503, "broker_unclear")),
        (Reply(200, b"<html>"), READ, (503, "broker_unavailable")),
        (Reply(200, b"<html>"), ADD, (503, "broker_unclear")),
        (Reply(cut=True), REMOVE, (503, "broker_unclear")),
    ],
)
def test_what_the_exchange_will_not_do_is_told_in_our_shape(
    exchange: ScriptedServer, call: Call, reply: Reply, asked: Any, told: tuple[int, str]
) -> None:
    """Its own words where it refuses; else whether anything may have been done. It is asked once."""
    exchange.script = [reply]
    status, answer = call(api.app, role="admin", **asked)
    assert (status, answer["error"]["code"]) == told
    if status < 500:
        assert reply.body["message"] in answer["error"]["message"]
    assert len(exchange.asked) == 1


@pytest.mark.parametrize(("asked", "code"), [(READ, "broker_unavailable"), (CLEAR, "broker_unclear")])
def test_an_exchange_that_hangs_is_not_waited_for(
    exchange: ScriptedServer, call: Call, monkeypatch: pytest.MonkeyPatch, asked: Any, code: str
) -> None:
    """After the time-out the answer says that there was none."""
    monkeypatch.setattr(faults, "TIMEOUT_SECONDS", 0.05)
    exchange.script = [Reply(stall=True)]
    status, answer = call(api.app, role="admin", **asked)
    exchange.let_go.set()
    assert (status, answer["error"]["code"]) == (503, code)


def test_an_exchange_that_does_not_run_was_not_changed(
    exchange: ScriptedServer, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is refused leaves nothing unclear."""
    at(monkeypatch, alpaca_trading_url="http://127.0.0.1:9")  # the discard port: nothing answers there
    for asked in (READ, ADD, REMOVE, CLEAR):
        status, answer = call(api.app, role="admin", **asked)
        assert (status, answer["error"]["code"]) == (503, "broker_unavailable")
    assert exchange.asked == []


def test_an_exchange_that_keeps_failing_is_left_alone_for_a_while(
    exchange: ScriptedServer, call: Call
) -> None:
    """Behind the breaker that all functions share: what it refuses well opens nothing, what it fails does."""
    exchange.script = [Reply(422, {"message": "no"})] * FAILURES_TO_OPEN
    exchange.script += [Reply(500)] * FAILURES_TO_OPEN + [Reply(200, BOARD)]
    for _ in range(FAILURES_TO_OPEN):
        assert call(api.app, role="admin", **ADD)[0] == 400
    for _ in range(FAILURES_TO_OPEN):
        assert call(api.app, **READ)[0] == 503
    status, answer = call(api.app, **READ)
    assert (status, answer["error"]["code"]) == (503, "broker_unavailable")
    assert len(exchange.asked) == 2 * FAILURES_TO_OPEN


def test_a_secret_of_another_form_is_named_and_not_shown(
    exchange: ScriptedServer, call: Call, log_lines: list[dict[str, Any]]
) -> None:
    """The log says which secret is wrong, and holds none of it."""
    boto3.client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString='{"word": "hush-hush"}')
    status, answer = call(api.app, ROUTE)
    assert (status, answer["error"]["code"]) == (500, "internal")
    assert SECRET in json.dumps(log_lines)
    assert "hush-hush" not in json.dumps(log_lines)
