"""Every route of the services' API behind its own port: signed answers, anything else is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

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
from alpaquero.web.bodies.health_monitor import HealthAlert, Metrics, ServiceHealth, Usage
from alpaquero.web.bodies.historical_data import CacheStatistics, Gaps, History, Ingest
from alpaquero.web.bodies.market_data import Chart, MarketStatus, Quote
from alpaquero.web.bodies.notification import NotificationDelivery, NotificationSettings
from alpaquero.web.bodies.position import Account, PortfolioDay, PortfolioSummary, Position, PositionDetail
from alpaquero.web.bodies.risk import CurrentTradingState, RiskLimits
from alpaquero.web.bodies.signal import Indicators, Run, RunDetail, Signal
from alpaquero.web.bodies.trading import Fill, Order, Refusal
from laptop.stack import SERVICE_PORTS, LaptopCloud
from laptop.template import routes
from tests.integration.asking import Caller, signed
from tests.integration.reading import Traded

ROUTES = sorted((method, path) for _, method, path in routes("ServicesApi"))


@dataclass(frozen=True)
class Case:
    """The body a route answers, what it holds, and the path's words filled in."""

    model: Any
    holds: Callable[[Any, Traded], bool] = lambda _body, _traded: True
    path: str = ""


def _health(service: str) -> Case:
    return Case(Health, lambda body, _: (body.service, body.status) == (service, "ok"))


CASES = {
    "/position/account": Case(Account, lambda body, traded: body.cash == traded.report.cash),
    "/position/positions": Case(
        Page[Position], lambda body, traded: {p.symbol for p in body.items} == set(traded.held)
    ),
    "/position/positions/{symbol}": Case(
        PositionDetail, lambda body, traded: body.reconciled and body.symbol == traded.symbol
    ),
    "/position/portfolio/history": Case(
        Page[PortfolioDay], lambda body, _: len(body.items) > 0 and body.items[0].equity > 0
    ),
    "/position/portfolio/summary": Case(
        PortfolioSummary, lambda body, traded: body.cash == traded.report.cash
    ),
    "/trading/orders": Case(Page[Order], lambda body, _: len(body.items) > 0),
    "/trading/fills": Case(Page[Fill], lambda body, _: len(body.items) > 0),
    "/trading/refusals": Case(Page[Refusal], lambda body, _: all(one.codes for one in body.items)),
    "/signal/signals": Case(Page[Signal], lambda body, _: len(body.items) > 0),
    "/signal/signals/{symbol}": Case(
        Page[Signal],
        lambda body, _: {s.symbol for s in body.items} == {"GOOG"},
        "/signal/signals/GOOG",
    ),
    "/signal/signals/{symbol}/explain": Case(
        Explanation,
        lambda body, _: body.chains[0].run_id is not None and len(body.chains[0].steps) >= 3,
        "/signal/signals/GOOG/explain",
    ),
    "/signal/runs": Case(
        Page[Run],
        lambda body, _: {"concluded"} == {run.state for run in body.items},
    ),
    "/signal/runs/{id}": Case(RunDetail, lambda body, traded: body.id == traded.run, "/signal/runs/{run}"),
    "/signal/indicators/{symbol}": Case(
        Indicators, lambda body, _: body.symbol == "IBM", "/signal/indicators/IBM"
    ),
    "/risk/risk/limits": Case(RiskLimits, lambda body, _: body.trading_state == "ACTIVE"),
    "/risk/trading_state": Case(CurrentTradingState, lambda body, _: body.state == "ACTIVE"),
    "/market_data/chart/{symbol}": Case(
        Chart, lambda body, _: len(body.bars.time) > 50, "/market_data/chart/GOOG"
    ),
    "/market_data/quote/{symbol}": Case(
        Quote, lambda body, _: body.bid < body.ask, "/market_data/quote/GOOG"
    ),
    "/market_data/market-status": Case(MarketStatus, lambda body, _: not body.is_open),
    "/historical_data/historical/{symbol}": Case(
        History, lambda body, _: len(body.items) > 50, "/historical_data/historical/GOOG"
    ),
    "/historical_data/historical/{symbol}/gaps": Case(
        Gaps, lambda body, _: body.expected > 50, "/historical_data/historical/GOOG/gaps"
    ),
    "/historical_data/historical/ingest": Case(Page[Ingest], lambda body, _: body.next is None),
    "/historical_data/cache/stats": Case(CacheStatistics, lambda body, _: body.series >= 4),
    "/analytics/backtests": Case(Page[Backtest], lambda body, _: body.next is None),
    "/analytics/analytics/summary": Case(AnalyticsSummary, lambda body, _: body.trades >= 1),
    "/analytics/analytics/pnl": Case(Page[PnlRow], lambda body, _: len(body.items) > 0),
    "/analytics/analytics/distribution": Case(Distribution, lambda body, _: body.trades > 0),
    "/analytics/analytics/months": Case(MonthlyReturns, lambda body, _: len(body.months) > 0),
    "/analytics/analytics/trades": Case(Page[Trade], lambda body, _: len(body.items) > 0),
    "/analytics/analytics/pnl-history": Case(Page[EquityMark], lambda body, _: len(body.items) > 0),
    "/notification/notifications/settings": Case(
        NotificationSettings, lambda body, _: "OrderFilled" in body.events
    ),
    "/notification/notifications/log": Case(Page[NotificationDelivery], lambda body, _: len(body.items) > 0),
    "/configuration/config": Case(Configuration, lambda body, _: "GOOG" in body.settings["watchlist"]),
    "/configuration/config/history": Case(
        Page[ConfigurationChange],
        lambda body, _: "watchlist" in body.items[-2].changed and body.items[-1].version == 0,
    ),
    "/configuration/config/versions/{version}": Case(
        ConfigurationVersion,
        lambda body, _: body.version == 1 and "GOOG" in body.settings["watchlist"],
        "/configuration/config/versions/1",
    ),
    "/configuration/config/diff": Case(
        ConfigurationDiff,
        lambda body, _: ["watchlist"] == [change.setting for change in body.changes],
        "/configuration/config/diff?from=0&to=1",
    ),
    "/configuration/config/schema": Case(dict[str, Any], lambda body, _: "RiskLimits" in body["$defs"]),
    "/configuration/config/environment": Case(
        ConfigurationEnvironment,
        lambda body, _: (body.environment, body.parameters["AlpacaDataFeed"]) == ("local", "iex"),
    ),
    "/configuration/config/watchlists": Case(
        Page[Watchlist], lambda body, _: body.items[0].strategies == ["stochrsi_ema"]
    ),
    "/configuration/config/watchlists/{name}": Case(
        Watchlist,
        lambda body, _: "GOOG" in body.symbols,
        "/configuration/config/watchlists/default",
    ),
    "/configuration/config/preferences": Case(
        UserPreferences, lambda body, _: body.time_zone == "America/New_York"
    ),
    "/configuration/live-trading": Case(LiveTrading, lambda body, _: body.account is None),
    "/health_monitor/services": Case(
        Page[ServiceHealth], lambda body, _: len(body.items) == len(SERVICE_PORTS) + 1
    ),
    "/health_monitor/alerts": Case(
        Page[HealthAlert],
        lambda body, _: {f"probe:{name}" for name in SERVICE_PORTS} <= {one.name for one in body.items},
    ),
    "/health_monitor/usage": Case(Usage, lambda body, _: body.until is not None),
    "/health_monitor/metrics": Case(Metrics, lambda body, _: body.dead_letters >= 0 and body.fills > 0),
    **{f"/{service}/health": _health(service) for service in SERVICE_PORTS},
}
# Changes go the same way as on the public API, and the gateway's own health has no port of its own.
NOT_READ_HERE = {
    ("POST", "/trading/sync"),
    ("POST", "/trading/rebuild"),
    ("POST", "/trading/reconciliation"),
    ("GET", "/trading/reconciliation"),
    ("GET", "/analytics/analytics/tax-lots"),
    ("GET", "/analytics/analytics/slippage"),
    ("GET", "/analytics/analytics/report"),
    ("POST", "/analytics/analytics/exports"),
    ("GET", "/analytics/analytics/exports/{id}"),
    ("POST", "/trading/orders"),
    ("DELETE", "/trading/orders/{id}"),
    ("GET", "/trading/orders/{id}"),
    ("PATCH", "/trading/orders/{id}"),
    ("DELETE", "/trading/orders"),
    ("POST", "/trading/positions/close"),
    ("POST", "/trading/positions/{symbol}/close"),
    ("PUT", "/notification/notifications/settings"),
    ("POST", "/notification/notifications/send"),
    ("POST", "/configuration/config"),
    ("POST", "/configuration/config/roll-back"),
    ("PUT", "/configuration/config/watchlists/{name}"),
    ("DELETE", "/configuration/config/watchlists/{name}"),
    ("PUT", "/configuration/config/preferences"),
    ("POST", "/configuration/live-trading"),
    ("POST", "/analytics/backtests"),
    ("GET", "/analytics/backtests/{id}"),
    ("GET", "/analytics/backtests/{id}/result"),
    ("GET", "/analytics/backtests/{id}/report"),
    ("POST", "/historical_data/historical/ingest"),
    ("GET", "/historical_data/historical/ingest/{id}"),
    ("POST", "/risk/risk/assess"),
    ("POST", "/risk/trading_state"),
    ("GET", "/gateway/health"),
}


def _split(path: str) -> tuple[str, str]:
    _, service, rest = path.split("/", 2)
    return service, f"/{rest}"


def _refused(answer_status: int, content: bytes) -> None:
    assert (answer_status, json.loads(content)["error"]["code"]) == (403, "forbidden")


def test_every_route_of_the_template_has_a_case() -> None:
    """A new route of the services' API without a case here fails."""
    assert {("GET", path) for path in CASES} | NOT_READ_HERE == set(ROUTES)


@pytest.mark.usefixtures("probed")
@pytest.mark.parametrize("path", sorted(CASES))
def test_a_signed_request_is_answered(
    cloud: LaptopCloud, ports: dict[str, int], traded: Traded, path: str
) -> None:
    """Signed for the API's own host and full path, the service's port answers its body."""
    case = CASES[path]
    service, rest = _split(
        (case.path or path).replace("{symbol}", traded.symbol).replace("{run}", traded.run)
    )
    answer = Caller(ports[service]).ask("GET", rest, headers=signed(cloud, service, rest))
    assert answer.status_code == 200, answer.text
    body = msgspec.json.decode(answer.content, type=case.model)
    assert case.holds(body, traded), body


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route[1] != "/gateway/health"])
def test_an_unsigned_request_is_refused(ports: dict[str, int], method: str, path: str) -> None:
    """Without a signature no service answers, whatever its port is asked."""
    service, rest = _split(path.format(symbol="GOOG", id="x", name="x", version="1"))
    answer = Caller(ports[service]).ask(method, rest, body={} if method == "POST" else None)
    _refused(answer.status_code, answer.content)


@pytest.mark.parametrize("path", sorted(CASES))
def test_a_wrong_secret_is_refused(cloud: LaptopCloud, ports: dict[str, int], path: str) -> None:
    """A signature made with another secret is as good as none."""
    service, rest = _split(path.format(symbol="GOOG", id="x", name="x", version="1"))
    wrong = signed(cloud, service, rest, secret_key="not-the-secret")
    answer = Caller(ports[service]).ask("GET", rest, headers=wrong)
    assert answer.status_code == 403
    assert "error" in answer.json()


def test_a_token_opens_no_service(ports: dict[str, int], admin: Caller) -> None:
    """The dashboard's token is no signature: a service's port refuses it."""
    assert Caller(ports["position"], admin.token).ask("GET", "/positions").status_code == 403
