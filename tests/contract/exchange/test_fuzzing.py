"""schemathesis sends what the official specs allow, and what they do not, to every served operation.

Each operation gets the same bounded number of the same requests in every run. The specs call most
values a string, so their own requests would seldom get past the first check: `LIKELY` and the live
ids of `World` aim a part of them at what the exchange has. Answers are held against the specs as
they are.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.config import (
    CoveragePhaseConfig,
    GenerationConfig,
    PhasesConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)
from schemathesis.generation import GenerationMode
from schemathesis.schemas import BaseSchema

from .conftest import KEYS, ExchangeProcess, Start
from .exceptions import UNSERVED
from .official import DATA, TRADING, Answer, document, operations, problems

HEADERS = {"APCA-API-KEY-ID": KEYS.key_id, "APCA-API-SECRET-KEY": KEYS.secret_key}
OPEN_ORDERS = 15


def bounded(examples: int) -> settings:
    """So many requests, the same in every run, as long as they may take."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


_SYMBOL: dict[str, object] = {"enum": ["IBM", "AAPL", "MSFT", "NOPE"]}
_TIME: dict[str, object] = {
    "enum": ["2013-02-20", "2013-02-21T14:30:00Z", "2013-02-22T10:00:00-05:00", "2013-02-25"]
}
_PRICE: dict[str, object] = {"enum": ["0.5", "1", "190", "200", "201.5", "210", "400"]}
LIKELY: dict[str, dict[str, object]] = {
    "symbols": {"enum": ["IBM", "AAPL,MSFT", "IBM,NOPE", "FB,GOOG,IBM"]},
    "symbol": _SYMBOL,
    "symbol_or_asset_id": _SYMBOL,
    "timeframe": {"enum": ["1Min", "15Min", "1Hour", "1Day", "1Week", "3Month", "1D", "1H"]},
    "period": {"enum": ["1D", "1W", "1M", "3M", "1A"]},
    "start": _TIME,
    "end": _TIME,
    "after": _TIME,
    "until": _TIME,
    "since": _TIME,
    "date": _TIME,
    "adjustment": {"enum": ["raw", "split"]},
    "asof": {"enum": ["2013-02-22"]},
    "currency": {"enum": ["USD"]},
    "side": {"enum": ["buy", "sell"]},
    "activity_type": {"enum": ["FILL", "DIV"]},
    "status": {"enum": ["active", "open", "closed", "all"]},
    "qty": {"enum": ["1", "2", "3", "0.5"]},
    **dict.fromkeys(("limit_price", "stop_price", "trail_price", "trail"), _PRICE),
}


_PRICES = {
    "market": [],
    "limit": ["limit_price"],
    "stop": ["stop_price"],
    "stop_limit": ["stop_price", "limit_price"],
    "trailing_stop": ["trail_price"],
}
_USUAL = {
    "symbol": ["IBM", "MSFT", "GOOG"],
    "time_in_force": ["day", "gtc", "ioc"],
    "order_class": ["bracket", "oco", "oto"],
}
_EXITS = ["order_class", "take_profit", "stop_loss"]


def aimed(spec: str) -> dict[str, Any]:
    """A file in which plain strings of a known name are narrowed to what the exchange may have."""
    aimed_at = deepcopy(document(spec))
    schemas = aimed_at["components"]["schemas"]
    _narrow(aimed_at["paths"])
    _narrow(aimed_at["components"].get("parameters", {}))
    for name, schema in schemas.items():
        if name.endswith("Request"):
            _narrow(schema)
    if "CreateOrderRequest" in schemas:
        known = schemas["CreateOrderRequest"]["properties"]
        kinds = [[kind, *prices] for kind, prices in _PRICES.items()]
        entries = [["market", *_EXITS], ["limit", "limit_price", *_EXITS]]
        orders = [_order(known, kind, extra) for kind, *extra in kinds + entries]
        schemas["CreateOrderRequest"] = {"anyOf": orders}
        for limits in aimed_at["components"]["parameters"].values():
            # Without both, the calendar is decades of days.
            limits["required"] = limits.get("required") or limits["name"] in {"start", "end"}
        del schemas["PatchOrderRequest"]["properties"]["advanced_instructions"]
    return aimed_at


def _order(known: dict[str, Any], kind: str, extra: list[str]) -> dict[str, Any]:
    """An order of one type, with the further fields that it needs and no others."""
    required = ["symbol", "qty", "side", "type", "time_in_force", *extra]
    properties = {name: known[name] for name in [*required, "client_order_id", "extended_hours"]}
    for legs in properties.keys() & {"take_profit", "stop_loss"}:
        properties[legs] = {**known[legs], "required": list(known[legs]["properties"])[-1:]}
    likely = {name: {"enum": values} for name, values in _USUAL.items() if name in properties}
    return {
        "type": "object",
        "properties": {**properties, **likely, "type": {"enum": [kind]}},
        "required": required,
        "additionalProperties": False,
    }


def _narrow(node: Any) -> None:
    if isinstance(node, list):
        for item in node:
            _narrow(item)
    if not isinstance(node, dict):
        return
    if node.get("in") in {"query", "path"} and "schema" in node:
        _narrow_schema(node["name"], node["schema"])
    for name, schema in node.get("properties", {}).items():
        _narrow_schema(name, schema)
    for item in node.values():
        _narrow(item)


def _narrow_schema(name: str, schema: dict[str, Any]) -> None:
    if schema.get("type") == "string" and "enum" not in schema and name in LIKELY:
        schema.pop("format", None)
        schema.update(LIKELY[name])


def fuzzed(spec: str, only: str | None = None) -> BaseSchema:
    """The served operations of a file, or one of them, with positive and negative requests."""
    chosen = {
        (operation.path, operation.method)
        for operation in operations()
        if operation.spec == spec and str(operation) not in UNSERVED and only in {None, str(operation)}
    }
    project = ProjectConfig(
        generation=GenerationConfig(
            modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE], with_security_parameters=False
        ),
        phases=PhasesConfig(coverage=CoveragePhaseConfig(enabled=False)),
    )
    config = SchemathesisConfig(projects=ProjectsConfig(default=project))
    loaded = schemathesis.openapi.from_dict(aimed(spec), config=config)
    return loaded.include(lambda asked: (asked.operation.path, asked.operation.method.upper()) in chosen)


class World:
    """The running exchange, asked over one connection. It always has something to name in a request."""

    def __init__(self, exchange: ExchangeProcess) -> None:
        """Buy two symbols and leave some orders open over a session."""
        self._url, self._admin = exchange.url, exchange.admin
        self._session = requests.Session()
        self._session.headers.update(HEADERS)
        self._made = 0
        self._working: list[str] = []
        self._trade_a_session()
        splits = {"ca_types": "split", "since": "2000-06-01", "until": "2000-06-30"}
        self._announced: str = self._get("/v2/corporate_actions/announcements", splits)[0]["id"]

    def named(self, parameter: str) -> str | None:
        """A value that exists, for a parameter that must name one; None for the other parameters."""
        if parameter == "order_id":
            return self._working_order()
        if parameter == "client_order_id":
            return self._resting()["client_order_id"]
        if parameter in {"watchlist_id", "name"}:
            return self._watchlist()[parameter.removeprefix("watchlist_")]
        return self._announced if parameter == "id" else None

    def allow_trading(self) -> None:
        """Take back what a request did to the account's configuration."""
        plain = {"suspend_trade": False, "no_shorting": False, "fractional_trading": True}
        wanted: dict[str, Any] = {**plain, "max_margin_multiplier": "4"}
        self._session.patch(
            f"{self._url}/v2/account/configurations", json=wanted, timeout=10
        ).raise_for_status()

    def _working_order(self) -> str:
        """An order that is open and may be replaced, which none is until a session has begun."""
        while self._working:
            order = self._working.pop()
            if self._get(f"/v2/orders/{order}")["status"] == "new":
                return order
        self._trade_a_session()
        return self._working.pop()

    def _trade_a_session(self) -> None:
        for symbol in ("IBM", "AAPL"):
            self._order(symbol=symbol, qty="40", type="market", time_in_force="day")
        self._working = [self._resting()["id"] for _ in range(OPEN_ORDERS)]
        self._admin.step()

    def _get(self, path: str, query: dict[str, str] | None = None) -> Any:
        return self._session.get(self._url + path, params=query, timeout=10).json()

    def _order(self, **order: str) -> dict[str, str]:
        return self._make("/v2/orders", {"side": "buy", **order})

    def _resting(self) -> dict[str, str]:
        return self._order(symbol="IBM", qty="1", type="limit", limit_price="20", time_in_force="gtc")

    def _watchlist(self) -> dict[str, str]:
        self._made += 1
        return self._make("/v2/watchlists", {"name": f"list {self._made}", "symbols": ["IBM"]})

    def _make(self, path: str, body: Any) -> dict[str, str]:
        made = self._session.post(self._url + path, json=body, timeout=10)
        made.raise_for_status()
        body_of: dict[str, str] = made.json()
        return body_of

    def answer(self, case: Case[Any]) -> Answer:
        """Send a request and give the answer."""
        response = case.call(base_url=self._url, session=self._session, headers=HEADERS)
        headers = {name: ", ".join(values) for name, values in response.headers.items()}
        method = case.operation.method.upper()
        return Answer(method, str(response.request.url), response.status_code, headers, response.content)


@pytest.fixture(scope="module")
def world(start: Start, tmp_path_factory: pytest.TempPathFactory) -> World:
    """An exchange on the shipped prices, in a process."""
    return World(start(tmp_path_factory.mktemp("state"), "--sessions", "60"))


def check(case: Case[Any], world: World) -> None:
    """No server error, no success but the documented one, and errors that say something in JSON."""
    if case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE:
        for parameters in (case.path_parameters, case.query):
            existing = {name: world.named(name) for name in parameters}
            parameters.update({name: value for name, value in existing.items() if value is not None})
    answer = world.answer(case)
    if "configurations" in answer.path:
        world.allow_trading()
    assert answer.status < 500, answer
    assert [] == problems(answer)
    assert answer.succeeded or b'"message"' in answer.content, answer


@fuzzed(TRADING).parametrize()
@bounded(10)
def test_a_trading_request_is_answered_as_the_spec_says(case: Case[Any], world: World) -> None:
    """Whatever is sent: never a server error, and every success is the documented one."""
    check(case, world)


@fuzzed(TRADING, "POST /v2/orders").parametrize()
@bounded(80)
def test_an_order_is_answered_as_the_spec_says(case: Case[Any], world: World) -> None:
    """More of the request that matters most, for its types, classes and prices to meet."""
    check(case, world)


@fuzzed(DATA).parametrize()
@bounded(10)
def test_a_market_data_request_is_answered_as_the_spec_says(case: Case[Any], world: World) -> None:
    """Whatever is sent: never a server error, and every success is the documented one."""
    check(case, world)
