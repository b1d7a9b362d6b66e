"""Every public route of the template, through the gateway's port: answers, refusals, preflight, errors."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any

import msgspec
import pytest

from alpaquero.risk.rules import RULES
from alpaquero.strategy.told import Explanation
from alpaquero.web.bodies import Health, Page
from alpaquero.web.bodies.analytics import (
    AnalyticsSummary,
    Backtest,
    Distribution,
    EquityMark,
    MonthlyReturns,
    PnlRow,
    Trade,
)
from alpaquero.web.bodies.configuration import (
    Configuration,
    ConfigurationChange,
    ConfigurationDiff,
    ConfigurationEnvironment,
    ConfigurationVersion,
    LiveTrading,
    UserPreferences,
    Watchlist,
)
from alpaquero.web.bodies.gateway import Session, Ticket
from alpaquero.web.bodies.health_monitor import Faults, HealthAlert, Metrics, ServiceHealth, Usage
from alpaquero.web.bodies.historical_data import CacheStatistics, Gaps, History, Ingest
from alpaquero.web.bodies.market_data import Chart, MarketStatus, Quote
from alpaquero.web.bodies.notification import NotificationAccepted, NotificationDelivery, NotificationSettings
from alpaquero.web.bodies.position import Account, PortfolioDay, PortfolioSummary, Position, PositionDetail
from alpaquero.web.bodies.risk import Assessment, CurrentTradingState, RiskLimits
from alpaquero.web.bodies.signal import Indicators, Run, RunDetail, Signal
from alpaquero.web.bodies.trading import Fill, Order, OrderAccepted, OrdersAccepted, Refusal, SyncAccepted
from laptop.quiescence import Quiescence
from laptop.stack import LaptopCloud
from laptop.template import routes
from tests.integration.asking import Caller
from tests.integration.conftest import ENTRY, OrderByHand
from tests.integration.reading import Traded
from tests.waiting import wait_for

ROUTES = sorted((method, path) for _, method, path in routes("PublicApi"))
OPEN = {
    ("GET", "/health"),
    ("POST", "/api/auth/sign-in"),
    ("POST", "/api/auth/refresh"),
    ("POST", "/api/auth/sign-out"),
}
_numbers = count(1)


@dataclass(frozen=True)
class Case:
    """How a route is called and what its answer must hold."""

    model: Any
    holds: Callable[[Any, Traded], bool]
    path: str = ""
    body: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200


def _of(symbol: str) -> Callable[[Any, Traded], bool]:
    return lambda body, _: body.symbol == symbol


CASES = {
    ("GET", "/api/account"): Case(
        Account, lambda body, traded: body.broker_cash == body.cash == traded.report.cash
    ),
    ("GET", "/api/positions"): Case(
        Page[Position],
        lambda body, traded: {p.symbol: p.quantity for p in body.items} == traded.held,
    ),
    ("GET", "/api/positions/{symbol}"): Case(
        PositionDetail, lambda body, traded: body.reconciled and body.symbol == traded.symbol
    ),
    ("GET", "/api/portfolio/history"): Case(
        Page[PortfolioDay], lambda body, _: len(body.items) > 0 and body.items[0].equity > 0
    ),
    ("POST", "/api/sync"): Case(SyncAccepted, lambda body, _: body.status == "queued", body={}, status=202),
    ("POST", "/api/rebuild"): Case(
        SyncAccepted, lambda body, _: body.status == "queued", body={}, status=202
    ),
    ("GET", "/api/portfolio/summary"): Case(
        PortfolioSummary,
        lambda body, traded: (
            (body.cash, set(body.exposure_by_symbol)) == (traded.report.cash, set(traded.held))
        ),
    ),
    ("GET", "/api/orders"): Case(
        Page[Order],
        lambda body, traded: (
            {order.client_order_id for order in traded.report.orders}
            <= {order.client_order_id for order in body.items}
        ),
        path="/api/orders?limit=200",
    ),
    ("GET", "/api/fills"): Case(
        Page[Fill],
        lambda body, traded: (
            {item["sk"].removeprefix("FILL#") for item in traded.fills} <= {fill.id for fill in body.items}
            and all(fill.value == fill.quantity * fill.price for fill in body.items)
        ),
        path="/api/fills?limit=200",
    ),
    ("GET", "/api/refusals"): Case(Page[Refusal], lambda body, _: all(one.codes for one in body.items)),
    ("GET", "/api/notifications/settings"): Case(
        NotificationSettings, lambda body, _: "OrderFilled" in body.events
    ),
    ("PUT", "/api/notifications/settings"): Case(
        NotificationSettings,
        lambda body, _: (body.user, body.version, body.channels) == ("routes-test", 1, []),
        "/api/notifications/settings?user=routes-test",
        body={"version": 0, "channels": []},
    ),
    ("GET", "/api/notifications/log"): Case(
        Page[NotificationDelivery],
        lambda body, _: len(body.items) > 0 and {one.state for one in body.items} == {"sent"},
        "/api/notifications/log?state=sent",
    ),
    ("POST", "/api/notifications/send"): Case(
        NotificationAccepted,
        lambda body, _: body.id.startswith("notice:"),
        body={"user": "owner", "subject": "The routes' test"},
        status=202,
    ),
    ("GET", "/api/signals"): Case(
        Page[Signal],
        lambda body, _: {"raised"} <= {signal.outcome for signal in body.items if signal.side == "buy"},
        path="/api/signals?symbol=GOOG",
    ),
    ("GET", "/api/signals/{symbol}"): Case(
        Page[Signal],
        lambda body, _: {"GOOG"} == {signal.symbol for signal in body.items},
        path="/api/signals/GOOG",
    ),
    ("GET", "/api/signals/{symbol}/explain"): Case(
        Explanation,
        lambda body, _: (
            body.symbol == "GOOG" and {"schedule", "bar", "values"} <= {s.name for s in body.chains[0].steps}
        ),
        path="/api/signals/GOOG/explain",
    ),
    ("GET", "/api/runs"): Case(
        Page[Run],
        lambda body, traded: (
            {run["body"]["id"] for run in traded.runs} <= {run.id for run in body.items}
            and {"1Day"} == {run.timeframe for run in body.items}
        ),
        path="/api/runs?limit=500",
    ),
    ("GET", "/api/runs/{id}"): Case(
        RunDetail,
        lambda body, traded: (
            (body.id, body.state) == (traded.run, "concluded")
            and len(body.signals) >= max(body.raised, body.withheld)
        ),
        path="/api/runs/{run}",
    ),
    ("GET", "/api/indicators/{symbol}"): Case(
        Indicators,
        lambda body, _: (
            body.symbol == "GOOG"
            and bool(body.series)
            and all(len(s) == len(body.times) for s in body.series.values())
        ),
        path="/api/indicators/GOOG",
    ),
    ("GET", "/api/chart/{symbol}"): Case(
        Chart,
        lambda body, _: (
            {"signal", "fill"} == {marker.kind for marker in body.markers}
            and len(body.bars.time) > 50
            and not body.synthetic
            and {len(plotted.values) for plotted in body.indicators} == {len(body.bars.time)}
        ),
        path="/api/chart/GOOG",
    ),
    ("GET", "/api/latest/{symbol}"): Case(Quote, _of("IBM"), path="/api/latest/IBM"),
    ("GET", "/api/historical/{symbol}"): Case(
        History,
        lambda body, _: (body.source, body.symbol) == ("cache", "GOOG") and len(body.items) > 50,
        path="/api/historical/GOOG",
    ),
    ("GET", "/api/historical/{symbol}/gaps"): Case(
        Gaps,
        lambda body, _: body.expected > 50 and not body.missing,
        path="/api/historical/GOOG/gaps?end=2012-03-30",
    ),
    ("GET", "/api/historical/ingest"): Case(Page[Ingest], lambda body, _: body.next is None),
    ("GET", "/api/cache/stats"): Case(CacheStatistics, lambda body, _: body.series >= 4),
    ("GET", "/api/market_status"): Case(
        MarketStatus, lambda body, _: not body.is_open and body.next_open < body.next_close
    ),
    ("GET", "/api/backtests"): Case(Page[Backtest], lambda body, _: body.next is None),
    ("GET", "/api/analytics/summary"): Case(
        AnalyticsSummary,
        lambda body, traded: (
            body.losses >= 1 and body.curve.initial_equity == float(traded.baseline["body"]["equity"])
        ),
    ),
    ("GET", "/api/analytics/pnl"): Case(
        Page[PnlRow], lambda body, traded: traded.report.equity in {row.equity for row in body.items}
    ),
    ("GET", "/api/analytics/distribution"): Case(
        Distribution, lambda body, _: body.trades == sum(step.trades for step in body.bins) >= 1
    ),
    ("GET", "/api/analytics/months"): Case(MonthlyReturns, lambda body, _: 2012 in body.years),
    ("GET", "/api/analytics/trades"): Case(
        Page[Trade],
        lambda body, _: (
            {("GOOG", "stochrsi_ema", "stop loss")}
            <= {(trade.symbol, trade.strategy, trade.reason) for trade in body.items}
        ),
    ),
    ("GET", "/api/analytics/pnl-history"): Case(
        Page[EquityMark],
        lambda body, traded: traded.report.equity in {mark.equity for mark in body.items},
    ),
    ("GET", "/api/risk/limits"): Case(
        RiskLimits,
        lambda body, _: (
            body.trading_state == "ACTIVE" and body.used.keys() <= body.limits.keys() and len(body.used) >= 10
        ),
    ),
    ("POST", "/api/risk/assess"): Case(
        Assessment,
        lambda body, _: (
            {rule.code for rule in body.rules} == {rule.code for rule in RULES}
            and {rule.outcome for rule in body.rules if rule.code == "data_freshness"} == {"passed"}
        ),
        body={"symbol": "AAPL", "side": "buy"},
    ),
    ("GET", "/api/trading_state"): Case(
        CurrentTradingState, lambda body, _: (body.state, body.asked, body.locks) == ("ACTIVE", "ACTIVE", [])
    ),
    ("POST", "/api/trading_state"): Case(
        CurrentTradingState,
        lambda body, _: (body.state, body.author) == ("ACTIVE", "owner@alpaquero.local"),
        body={"state": "ACTIVE", "reason": "the route's case"},
    ),
    ("GET", "/api/config"): Case(
        Configuration, lambda body, _: {"AAPL", "GOOG"} <= set(body.settings["watchlist"])
    ),
    ("POST", "/api/config"): Case(
        Configuration,
        lambda body, _: body.reason == "the route's case" and body.author == "owner@alpaquero.local",
        body={"reason": "the route's case", "settings": {"run_deadline_seconds": 60}},
    ),
    ("GET", "/api/config/history"): Case(
        Page[ConfigurationChange],
        lambda body, _: "watchlist" in body.items[-2].changed and body.items[-1].author == "alpaquero",
    ),
    ("GET", "/api/config/versions/{version}"): Case(
        ConfigurationVersion,
        lambda body, _: body.version == 1 and "GOOG" in body.settings["watchlist"],
        path="/api/config/versions/1",
    ),
    ("GET", "/api/config/diff"): Case(
        ConfigurationDiff,
        lambda body, _: ["watchlist"] == [change.setting for change in body.changes],
        path="/api/config/diff?from=0&to=1",
    ),
    ("GET", "/api/config/schema"): Case(
        dict[str, Any], lambda body, _: body["$defs"]["RiskLimits"]["properties"].keys() >= {"sectors"}
    ),
    ("GET", "/api/config/environment"): Case(
        ConfigurationEnvironment,
        lambda body, _: (
            (body.environment, body.log_level, body.parameters["Environment"]) == ("local", "INFO", "local")
        ),
    ),
    ("GET", "/api/config/watchlists"): Case(
        Page[Watchlist], lambda body, _: body.items[0].strategies == ["stochrsi_ema"]
    ),
    ("GET", "/api/config/watchlists/{name}"): Case(
        Watchlist, lambda body, _: "GOOG" in body.symbols, path="/api/config/watchlists/default"
    ),
    ("GET", "/api/config/preferences"): Case(
        UserPreferences, lambda body, _: body.theme in {"system", "dark"}
    ),
    ("PUT", "/api/config/preferences"): Case(
        UserPreferences,
        lambda body, _: (body.theme, body.version >= 1) == ("dark", True),
        body={"theme": "dark"},
    ),
    ("GET", "/api/live-trading"): Case(
        LiveTrading, lambda body, _: (body.environment, body.account) == ("local", None)
    ),
    ("GET", "/api/monitoring/services"): Case(
        Page[ServiceHealth],
        lambda body, _: {"trading", "gateway"} <= {row.service for row in body.items},
    ),
    ("GET", "/api/monitoring/metrics"): Case(
        Metrics,
        lambda body, traded: (
            body.runs >= len(traded.runs)
            and body.fills == len(traded.report.fills)
            and {"OrderQueue", "SyncQueue"} <= {one.queue for one in body.queues}
        ),
    ),
    ("GET", "/api/monitoring/faults"): Case(
        Faults, lambda body, _: {mix.name for mix in body.mixes} == {"light", "heavy"}
    ),
    ("GET", "/api/monitoring/alerts"): Case(
        Page[HealthAlert],
        lambda body, _: {"probe:trading", "drift", "dead_letters"} <= {alert.name for alert in body.items},
    ),
    ("GET", "/api/monitoring/usage"): Case(
        Usage, lambda body, _: body.until is not None and len(body.cost) > 0
    ),
    ("GET", "/health"): Case(
        # Dead letters that other tests made raise an alert too.
        Health,
        lambda body, _: body.service is None and body.status in {"ok", "degraded"},
    ),
    ("POST", "/api/auth/ticket"): Case(Ticket, lambda body, _: body.expires_in_seconds == 30),
}
# These have a story of their own below or elsewhere: a cookie, an order that must exist, a live stack.
TOLD_BELOW = {
    ("POST", "/api/historical/ingest"),
    ("GET", "/api/historical/ingest/{id}"),
    ("POST", "/api/config/roll-back"),
    ("PUT", "/api/config/watchlists/{name}"),
    ("DELETE", "/api/config/watchlists/{name}"),
    ("POST", "/api/live-trading"),
    ("POST", "/api/auth/sign-in"),
    ("POST", "/api/auth/refresh"),
    ("POST", "/api/auth/sign-out"),
    ("POST", "/api/orders"),
    ("DELETE", "/api/orders/{id}"),
    ("GET", "/api/orders/{id}"),
    ("PATCH", "/api/orders/{id}"),
    ("DELETE", "/api/orders"),
    ("POST", "/api/positions/close"),
    ("POST", "/api/positions/{symbol}/close"),
    ("POST", "/api/backtests"),  # tests/integration/test_backtests.py
    ("GET", "/api/backtests/{id}"),
    ("GET", "/api/backtests/{id}/result"),
    ("GET", "/api/backtests/{id}/report"),
    ("POST", "/api/analytics/reconciliation"),  # tests/integration/test_exports.py
    ("GET", "/api/analytics/reconciliation"),
    ("GET", "/api/analytics/tax-lots"),
    ("GET", "/api/analytics/slippage"),
    ("GET", "/api/analytics/report"),
    ("POST", "/api/analytics/exports"),
    ("GET", "/api/analytics/exports/{id}"),
    ("GET", "/api/keys"),
    ("POST", "/api/keys"),
    ("DELETE", "/api/keys/{name}"),
    ("POST", "/api/monitoring/faults"),
    ("DELETE", "/api/monitoring/faults"),
    ("DELETE", "/api/monitoring/faults/{id}"),
}
ADMINS_ALONE = frozenset({"/api/keys"})
MADE_WHEN_ASKED = frozenset({"/api/analytics/reconciliation"})  # not found before the first was asked for


def _filled(path: str) -> str:
    words = {"symbol": "GOOG", "id": "aq1-man-AAPL-aaaaaaaaaaaaaaaaaaaa-0", "name": "default", "version": "1"}
    return path.format(**words) if "{" in path else path


def _error(content: bytes) -> dict[str, Any]:
    (name, error), *more = json.loads(content).items()
    assert (name, more) == ("error", [])
    assert set(error) == {"code", "message", "details", "correlation_id"}
    found: dict[str, Any] = error
    return found


def test_every_route_of_the_template_has_a_case() -> None:
    """A new public route without a case here fails, and so does a case without a route."""
    assert set(ROUTES) == set(CASES) | TOLD_BELOW


def test_the_open_routes_are_the_named_ones() -> None:
    """Only sign-in, its two companions that live on the cookie, and `/health` ask for no token."""
    assert {(method, path) for method, path in ROUTES if _is_open(method, path)} == OPEN


def _is_open(method: str, path: str) -> bool:
    from laptop.template import functions

    for properties in functions().values():
        for event in properties.get("Events", {}).values():
            given = event["Properties"]
            if event["Type"] == "Api" and (given["Method"].upper(), given["Path"]) == (method, path):
                return bool(given.get("Auth", {}).get("Authorizer") == "NONE")
    raise LookupError(path)


@pytest.mark.usefixtures("probed")
@pytest.mark.parametrize(("method", "path"), sorted(CASES))
def test_a_route_answers_its_body_with_real_data(
    admin: Caller, traded: Traded, method: str, path: str
) -> None:
    """With a token the route answers its own body, filled from its own service."""
    case = CASES[method, path]
    body = case.body
    if (method, path) == ("POST", "/api/config"):
        body = {**(body or {}), "version": admin.ask("GET", path).json()["version"]}
    asked = (case.path or path).replace("{symbol}", traded.symbol).replace("{run}", traded.run)
    answer = admin.ask(method, asked, body=body, headers=case.headers)
    assert answer.status_code == case.status, answer.text
    decoded = msgspec.json.decode(answer.content, type=case.model)
    assert case.holds(decoded, traded), decoded


def test_an_ingest_by_hand_fills_the_store(admin: Caller) -> None:
    """Queued with 202 and told of while it goes on; its raw bars, of no run, are served without a gap."""
    wanted = {"symbols": ["IBM", "GOOG"], "start": "2011-06-01", "end": "2011-12-30", "adjustment": "raw"}
    answer = admin.ask("POST", "/api/historical/ingest", body=wanted)
    assert answer.status_code == 202, answer.text
    asked = msgspec.json.decode(answer.content, type=Ingest)

    def done() -> Ingest | None:
        shown = admin.ask("GET", f"/api/historical/ingest/{asked.id}")
        job = msgspec.json.decode(shown.content, type=Ingest)
        return job if job.state not in {"queued", "running"} else None

    job = wait_for(done, what="the ingest to end")
    assert (job.state, job.bars, job.without_bars) == ("done", 504, [])
    served = admin.ask("GET", "/api/historical/IBM?adjustment=raw&start=2011-12-30&end=2011-12-30")
    assert [183.88] == [bar.close for bar in msgspec.json.decode(served.content, type=History).items]
    report = admin.ask("GET", "/api/historical/IBM/gaps?adjustment=raw&end=2011-12-30")
    gaps = msgspec.json.decode(report.content, type=Gaps)
    assert (252, 0) == (gaps.expected, gaps.missing)


def test_an_order_by_hand_shows_with_its_verdict(admin: Caller, order_by_hand: OrderByHand) -> None:
    """An order that a trader places is queued with 202, judged, and sent to the exchange."""
    answer = order_by_hand("shows")
    assert answer.status_code == 202, answer.text
    identifier = msgspec.json.decode(answer.content, type=OrderAccepted).client_order_id
    shown = wait_for(lambda: _open_order(admin, identifier), what="the order to show as open")
    assert (shown.symbol, shown.origin, shown.quantity) == ("GOOG", "man", Decimal(1))
    assert shown.broker_order_id
    assert [rule for rule in shown.verdict if not rule.passed] == []


def test_an_order_by_hand_can_be_cancelled(
    cloud: LaptopCloud, admin: Caller, order_by_hand: OrderByHand
) -> None:
    """A cancel is queued with 202 and ends the order at the exchange; a second one is refused."""
    identifier = order_by_hand("to be cancelled").json()["client_order_id"]
    wait_for(lambda: _open_order(admin, identifier), what="the order to show as open")
    answer = admin.ask("DELETE", f"/api/orders/{identifier}")
    assert answer.status_code == 202, answer.text
    assert msgspec.json.decode(answer.content, type=OrderAccepted).client_order_id == identifier
    wait_for(lambda: _at_the_exchange(cloud, identifier) == ["canceled"], what="the cancel at the exchange")
    cloud.tick("sync")
    assert _open_order(admin, identifier) is None
    again = admin.ask("DELETE", f"/api/orders/{identifier}")
    assert (again.status_code, _error(again.content)["details"]) == (400, {"field": "id"})


def test_a_replacement_shows_with_the_brokers_answer(admin: Caller, order_by_hand: OrderByHand) -> None:
    """A change is queued with 202 under the next revision; the order's log tells what became of it.

    Before the open the exchange, as Alpaca, replaces no order; the old one stays.
    """
    identifier = order_by_hand("to be replaced").json()["client_order_id"]
    wait_for(lambda: _open_order(admin, identifier), what="the order to show as open")
    answer = admin.ask("PATCH", f"/api/orders/{identifier}", body={"quantity": "2"})
    assert (answer.status_code, _error(answer.content)["details"]) == (400, {"field": "quantity"})
    answer = admin.ask("PATCH", f"/api/orders/{identifier}", body={"time_in_force": "gtc"})
    assert answer.status_code == 202, answer.text
    successor = msgspec.json.decode(answer.content, type=OrderAccepted).client_order_id
    shown = wait_for(lambda: _ended(admin, successor), what="the broker's answer to the replacement")
    assert (shown.status, shown.replaces) == ("rejected", identifier)
    assert "cannot replace order in accepted status" in shown.history[-1].answer + shown.history[-1].why
    assert _open_order(admin, identifier)


def test_a_watchlist_comes_goes_and_is_rolled_back(admin: Caller) -> None:
    """What the header ETag names is what If-Match changes; an old one is refused; the bus hears of each."""
    path = "/api/config/watchlists/the_case"
    seen = admin.ask("GET", "/api/config")
    before = msgspec.json.decode(seen.content, type=Configuration)
    body = {"symbols": ["GOOG"], "reason": "the route's story"}
    assert admin.ask("PUT", path, body=body).status_code == 428
    made = admin.ask("PUT", path, body=body, headers={"If-Match": seen.headers["etag"]})
    assert (200, f'"{before.version + 1}"') == (made.status_code, made.headers["etag"]), made.text
    assert admin.ask("PUT", path, body=body, headers={"If-Match": seen.headers["etag"]}).status_code == 412
    gone = admin.ask("DELETE", f"{path}?reason=done", headers={"If-Match": made.headers["etag"]})
    assert gone.status_code == 200, gone.text
    back = {"to": before.version + 1, "reason": "the route's story", "version": before.version + 2}
    assert admin.ask("POST", "/api/config/roll-back", body=back).status_code == 200
    back = {"to": before.version, "reason": "the route's story", "version": before.version + 3}
    answer = admin.ask("POST", "/api/config/roll-back", body=back)
    after = msgspec.json.decode(answer.content, type=Configuration)
    assert (before.settings, before.version + 4) == (after.settings, after.version)


def _ended(admin: Caller, identifier: str) -> Order | None:
    answer = admin.ask("GET", f"/api/orders/{identifier}")
    if answer.status_code == 404:
        return None
    order = msgspec.json.decode(answer.content, type=Order)
    return order if order.status == "rejected" else None


def test_open_orders_are_cancelled_together(
    cloud: LaptopCloud, admin: Caller, order_by_hand: OrderByHand
) -> None:
    """One call ends every open order of a symbol at the exchange."""
    identifier = order_by_hand("cancelled with the rest").json()["client_order_id"]
    wait_for(lambda: _open_order(admin, identifier), what="the order to show as open")
    answer = admin.ask("DELETE", "/api/orders?symbol=GOOG")
    assert answer.status_code == 202, answer.text
    assert identifier in msgspec.json.decode(answer.content, type=OrdersAccepted).client_order_ids
    wait_for(lambda: _at_the_exchange(cloud, identifier) == ["canceled"], what="the cancel at the exchange")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/positions/NONE/close", {"Idempotency-Key": "none"}, 404),
        ("/api/positions/GOOG/close", {}, 400),
        ("/api/positions/close", {}, 400),
    ],
)
def test_a_position_is_closed_under_a_key(
    admin: Caller, path: str, headers: dict[str, str], status: int
) -> None:
    """Both routes are there; without a key, or a position, nothing is queued."""
    answer = admin.ask("POST", path, body={}, headers=headers)
    assert answer.status_code == status, answer.text


def test_the_same_idempotency_key_is_the_same_order(
    cloud: LaptopCloud, order_by_hand: OrderByHand, quiet: Quiescence
) -> None:
    """An order sent twice with one key reaches the exchange once."""
    first, second = (order_by_hand("twice").json()["client_order_id"] for _ in range(2))
    wait_for(lambda: _at_the_exchange(cloud, first), what="the order at the exchange")
    quiet.wait()
    assert first == second
    assert len(_at_the_exchange(cloud, first)) == 1


def _open_order(admin: Caller, identifier: str) -> Order | None:
    answer = admin.ask("GET", "/api/orders?status=open&symbol=GOOG")
    found = msgspec.json.decode(answer.content, type=Page[Order]).items
    return next((o for o in found if o.client_order_id == identifier and o.broker_order_id), None)


def _at_the_exchange(cloud: LaptopCloud, identifier: str) -> list[str]:
    return [o.status for o in cloud.exchange.report().orders if o.client_order_id == identifier]


def test_a_session_lives_on_its_cookie(cloud: LaptopCloud, admin: Caller) -> None:
    """Sign-in sets an HttpOnly cookie, the cookie renews the session, sign-out ends it for good."""
    nobody = admin.having(None)
    secrets = cloud.credentials
    signed_in = nobody.ask(
        "POST", "/api/auth/sign-in", body={"username": secrets.email, "password": secrets.password}
    )
    session = msgspec.json.decode(signed_in.content, type=Session)
    assert (session.username, session.roles) == (secrets.email, ["viewer", "trader", "admin"])
    cookie = signed_in.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict"} <= {part.strip() for part in cookie.split(";")}
    assert "refresh" not in signed_in.text
    sent = {"Cookie": cookie.split(";")[0]}
    renewed = nobody.ask("POST", "/api/auth/refresh", headers=sent)
    assert msgspec.json.decode(renewed.content, type=Session).username == secrets.email
    assert admin.having(session.access_token).ask("GET", "/api/market_status").status_code == 200
    assert nobody.ask("POST", "/api/auth/sign-out", headers=sent).status_code == 204
    assert nobody.ask("POST", "/api/auth/refresh", headers=sent).status_code == 401


def test_a_wrong_password_is_refused(cloud: LaptopCloud, admin: Caller) -> None:
    """A wrong password and an unknown user get the same 401."""
    answers = [
        admin.having(None).ask(
            "POST", "/api/auth/sign-in", body={"username": name, "password": "Not-it-12345"}
        )
        for name in (cloud.credentials.email, "nobody@alpaquero.local")
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({_error(answer.content)["message"] for answer in answers}) == 1


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route not in OPEN])
def test_without_a_token_nobody_gets_in(admin: Caller, method: str, path: str) -> None:
    """Without a token every other route answers 401 in our error shape."""
    answer = admin.having(None).ask(method, _filled(path), body={} if method == "POST" else None)
    assert (answer.status_code, _error(answer.content)["code"]) == (401, "unauthorized")


def _with_claims(token: str, **changes: Any) -> str:
    head, claims, signature = token.split(".")
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=="))
    changed = base64.urlsafe_b64encode(json.dumps(decoded | changes).encode()).decode().rstrip("=")
    return f"{head}.{changed}.{signature}"


def _unsigned(token: str) -> str:
    head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    return f"{head}.{token.split('.')[1]}."


SPOILED: dict[str, Callable[[str], str]] = {
    "garbage": lambda _: "garbage",
    "three words": lambda _: "not.a.token",
    "another signature": lambda token: token[:-6] + ("AAAAAA" if token[-6:] != "AAAAAA" else "BBBBBB"),
    "another role": lambda token: _with_claims(token, **{"cognito:groups": ["admin"]}, sub="me"),
    "a later end": lambda token: _with_claims(token, exp=int(time.time()) + 99999),
    "no signature": _unsigned,
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_token_is_refused(admin: Caller, how: str) -> None:
    """Garbage, a tampered token and one that is signed by nobody are refused in our error shape."""
    answer = admin.having(SPOILED[how](str(admin.token))).ask("GET", "/api/account")
    assert (answer.status_code, _error(answer.content)["code"]) == (401, "unauthorized")


def test_a_program_signs_in_with_a_key_until_it_is_revoked(admin: Caller) -> None:
    """The key is shown once and reads as its role may; revoked, it is gone from the list."""
    made = admin.ask("POST", "/api/keys", body={"name": "spreadsheet", "role": "viewer"})
    assert made.status_code == 201, made.text
    program = admin.having(made.json()["key"])
    assert program.ask("GET", "/api/account").status_code == 200
    assert program.ask("POST", "/api/sync").status_code == 403
    listed = admin.ask("GET", "/api/keys")
    assert made.json()["key"] not in listed.text
    assert "spreadsheet" in [key["name"] for key in listed.json()["items"]]
    left = admin.ask("DELETE", "/api/keys/spreadsheet")
    assert (left.status_code, [key["name"] for key in left.json()["items"]].count("spreadsheet")) == (200, 0)


def test_an_admin_spoils_the_exchanges_answers_and_stops_it(cloud: LaptopCloud, admin: Caller) -> None:
    """A rule is in force at the exchange as it was sent, can be taken away by its id, and all can be."""
    rule = {"kind": "503", "id": "routes-test", "route": "GET /v2/asked/by/nobody"}
    made = admin.ask("POST", "/api/monitoring/faults", body={"rule": rule})
    assert made.status_code == 201, made.text
    [found] = [one for one in cloud.exchange.faults() if one.rule.id == "routes-test"]
    assert (found.rule.kind, found.rule.route, found.injected) == ("503", rule["route"], 0)
    twice = admin.ask("POST", "/api/monitoring/faults", body={"rule": rule})
    assert (twice.status_code, _error(twice.content)["code"]) == (400, "invalid_request")
    assert admin.ask("DELETE", "/api/monitoring/faults/routes-test").json() == {"rules": []}
    gone = admin.ask("DELETE", "/api/monitoring/faults/routes-test")
    assert (gone.status_code, _error(gone.content)["code"]) == (404, "not_found")
    admin.ask("POST", "/api/monitoring/faults", body={"rule": rule})
    assert admin.ask("DELETE", "/api/monitoring/faults").json() == {"rules": []}
    assert cloud.exchange.faults() == []


@pytest.mark.parametrize(
    "path",
    [path for method, path in ROUTES if method == "GET" and "{" not in path and path not in ADMINS_ALONE],
)
def test_a_viewer_may_look(viewer: Caller, path: str) -> None:
    """A viewer may read every list and summary; what nobody has asked for yet is not found."""
    answer = viewer.ask("GET", path)
    if path in MADE_WHEN_ASKED and answer.status_code == 404:
        assert _error(answer.content)["code"] == "not_found"
    else:
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/orders"), ("DELETE", "/api/orders/{id}"), ("POST", "/api/config")]
)
def test_a_viewer_may_not_act(viewer: Caller, method: str, path: str) -> None:
    """A viewer who orders, cancels or changes settings gets 403 in our error shape."""
    bodies = {"/api/orders": ENTRY, "/api/config": {"reason": "to try", "settings": {}}}
    headers = {"Idempotency-Key": "viewer"}  # the gateway asks for it before any role is looked at
    answer = viewer.ask(method, _filled(path), body=bodies.get(path), headers=headers)
    assert (answer.status_code, _error(answer.content)["code"]) == (403, "forbidden")


def test_an_unknown_route_is_not_found(admin: Caller) -> None:
    """A path that the template does not name answers 404 in our error shape."""
    answer = admin.ask("GET", "/api/nothing/here")
    assert (answer.status_code, _error(answer.content)["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", sorted({path for _, path in ROUTES}))
def test_the_preflight_names_the_dashboard_alone(cloud: LaptopCloud, admin: Caller, path: str) -> None:
    """The browser's preflight gets the dashboard's origin, never `*`, and what it may send."""
    origin = f"http://localhost:{cloud.ports['dashboard']}"
    asked = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    answer = admin.having(None).ask("OPTIONS", _filled(path), headers=asked)
    assert answer.status_code in {200, 204}
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "authorization" in answer.headers["access-control-allow-headers"]
    assert {"GET", "POST", "DELETE"} <= set(answer.headers["access-control-allow-methods"].split(","))


def test_another_origin_gets_no_leave(cloud: LaptopCloud, admin: Caller) -> None:
    """An answer to a page of another site does not say that it may read it."""
    answer = admin.ask("GET", "/api/market_status", headers={"Origin": "http://evil.example"})
    allowed = answer.headers.get("access-control-allow-origin")
    assert allowed in {None, f"http://localhost:{cloud.ports['dashboard']}"}


@pytest.mark.parametrize(
    ("path", "body", "headers", "field_name"),
    [
        ("/api/orders", {**ENTRY, "quantity": "many"}, {"Idempotency-Key": "bad"}, "quantity"),
        ("/api/orders", {"side": "buy", "quantity": "1"}, {"Idempotency-Key": "bad"}, "symbol"),
        ("/api/orders", {**ENTRY, "leverage": "9"}, {"Idempotency-Key": "bad"}, "leverage"),
        ("/api/orders", ENTRY, {}, "Idempotency-Key"),
        ("/api/config", {"version": 1, "settings": {}}, {}, "reason"),
        ("/api/auth/sign-in", {"username": "ana"}, {}, "password"),
    ],
)
def test_a_bad_body_names_its_field(
    admin: Caller, path: str, body: dict[str, Any], headers: dict[str, str], field_name: str
) -> None:
    """A body that does not fit answers 400 and says which field."""
    answer = admin.ask("POST", path, body=body, headers=headers)
    error = _error(answer.content)
    named = error["details"].get("field") or error["message"]  # the gateway has a message alone
    assert (answer.status_code, error["code"]) == (400, "invalid_request")
    assert field_name in named


@pytest.mark.parametrize("body", [[], "text", 3, None])
def test_the_gateway_refuses_what_is_no_object(admin: Caller, body: Any) -> None:
    """A body that fits no model reaches no function, and is refused in the shape of every error."""
    answer = admin.ask("POST", "/api/risk/assess", body=body)
    assert (answer.status_code, _error(answer.content)["code"]) == (400, "invalid_request")
    assert "x-correlation-id" not in answer.headers


def test_the_correlation_id_comes_back(admin: Caller) -> None:
    """The caller's correlation id is in the answer's header, and in the error when there is one."""
    given = {"X-Correlation-Id": f"trace-{next(_numbers)}"}
    fine = admin.ask("GET", "/api/market_status", headers=given)
    wrong = admin.ask("GET", "/api/orders?limit=none", headers=given)
    assert fine.headers["x-correlation-id"] == wrong.headers["x-correlation-id"] == given["X-Correlation-Id"]
    assert _error(wrong.content)["correlation_id"] == given["X-Correlation-Id"]


def test_without_a_correlation_id_one_is_made(admin: Caller) -> None:
    """An answer always has a correlation id; one that is no plain word is replaced."""
    made = admin.ask("GET", "/api/market_status").headers["x-correlation-id"]
    replaced = admin.ask("GET", "/api/market_status", headers={"X-Correlation-Id": "a b\tc"})
    assert made
    assert replaced.headers["x-correlation-id"] not in {"a b\tc", made}
