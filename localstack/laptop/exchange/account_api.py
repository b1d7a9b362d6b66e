"""Alpaca's account routes: the account, its configuration, its activities."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alpaquero.prices import NEW_YORK
from laptop.exchange import order_wire, wire
from laptop.exchange.account import figures
from laptop.exchange.answers import (
    body,
    choice,
    identifier,
    json_answer,
    moment,
    newest_first,
    venue_of,
    whole,
    words,
)
from laptop.exchange.book import Trade
from laptop.exchange.errors import malformed
from laptop.exchange.identity import account_id, account_number
from laptop.exchange.preferences import Configuration, Configured

_DAY = timedelta(days=1)
_FILL = "FILL"
_CATEGORIES = ("trade_activity", "non_trade_activity")
_MULTIPLIERS = ("1", "2", "4")
_CONFIRMATIONS = ("all", "none")
_OPTION_LEVELS = range(4)
# Every activity type Alpaca has. On this exchange fills alone happen.
ACTIVITY_TYPES = frozenset(
    {"FILL", "TRANS", "MISC", "ACATC", "ACATS", "CFEE", "CGD", "CSD", "CSW", "DIV", "DIVCGL", "DIVCGS"}
    | {"DIVFEE", "DIVFT", "DIVNRA", "DIVROC", "DIVTW", "DIVTXEX", "FEE", "INT", "INTNRA", "INTTW"}
    | {"JNL", "JNLC", "JNLS", "MA", "NC", "OPASN", "OPCA", "OPCSH", "OPEXC", "OPEXP", "OPTRD", "PTC"}
    | {"PTR", "REO", "REORG", "SPIN", "SPLIT", "FOPT", "OCT"}
)


class ConfigurationPatch(msgspec.Struct, frozen=True):
    """The body of PATCH /v2/account/configurations; what is left out or null stays."""

    disable_overnight_trading: bool | None = None
    fractional_trading: bool | None = None
    max_margin_multiplier: str | None = None
    max_options_trading_level: int | None = None
    no_shorting: bool | None = None
    ptp_no_exception_entry: bool | None = None
    suspend_trade: bool | None = None
    trade_confirm_email: str | None = None


async def account(request: Request) -> Response:
    """GET /v2/account."""
    venue = venue_of(request)
    now, settings = venue.now, venue.book.configuration
    shown = figures(venue.book, venue.market, now)
    closings = venue.book.closings
    as_of = closings[-1].date if closings else venue.sessions[0].date - _DAY
    answer: wire.Json = {
        "id": account_id(venue.seed),
        "account_number": account_number(venue.seed),
        "status": "ACTIVE",
        "crypto_status": "INACTIVE",
        "currency": "USD",
        "cash": wire.text(shown.cash),
        "equity": wire.text(shown.equity),
        "last_equity": wire.text(shown.last_equity),
        "portfolio_value": wire.text(shown.equity),
        "long_market_value": wire.text(shown.long_value),
        "short_market_value": wire.text(shown.short_value),
        "position_market_value": wire.text(shown.long_value - shown.short_value),
        "buying_power": wire.text(shown.buying_power),
        "regt_buying_power": wire.text(shown.regulation_t_power),
        "non_marginable_buying_power": wire.text(shown.cash_power),
        "options_buying_power": "0",
        "options_approved_level": 0,
        "options_trading_level": 0,
        "initial_margin": wire.text(shown.initial_margin),
        "maintenance_margin": wire.text(shown.maintenance_margin),
        "last_maintenance_margin": wire.text(shown.last_maintenance_margin),
        "sma": "0",
        "multiplier": wire.text(shown.multiplier),
        "accrued_fees": "0",
        "pending_reg_taf_fees": "0",
        "intraday_adjustments": "0",
        "pending_transfer_in": "0",
        "pending_transfer_out": "0",
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": settings.suspend_trade,
        "shorting_enabled": shown.shorting,
        "balance_asof": as_of.isoformat(),
        "created_at": wire.stamp(venue.sessions[0].open),
    }
    return json_answer(answer)


async def configuration(request: Request) -> Response:
    """GET /v2/account/configurations."""
    return json_answer(venue_of(request).book.configuration)


async def configure(request: Request) -> Response:
    """PATCH /v2/account/configurations."""
    patch = await body(request, ConfigurationPatch)
    given = {name: value for name, value in msgspec.structs.asdict(patch).items() if value is not None}
    venue = venue_of(request)
    changed = msgspec.structs.replace(venue.book.configuration, **given)
    _check_configuration(changed)
    if changed != venue.book.configuration:
        venue.keep(Configured(changed))
    return json_answer(changed)


def _check_configuration(wanted: Configuration) -> None:
    if wanted.max_margin_multiplier not in _MULTIPLIERS:
        raise malformed(f"max_margin_multiplier must be one of {', '.join(_MULTIPLIERS)}")
    if wanted.trade_confirm_email not in _CONFIRMATIONS:
        raise malformed(f"trade_confirm_email must be one of {', '.join(_CONFIRMATIONS)}")
    if wanted.max_options_trading_level not in _OPTION_LEVELS:
        raise malformed("max_options_trading_level must be 0, 1, 2 or 3")


async def activities(request: Request) -> Response:
    """GET /v2/account/activities and /{type}: in pages that go on after the activity `page_token`."""
    kinds = _kinds(request)
    descending = newest_first(request)
    size = whole(request, "page_size", 100, 100)
    token = request.query_params.get("page_token")
    fills = sorted(_fills(request), key=lambda trade: trade.id, reverse=descending)
    if token:
        fills = [fill for fill in fills if (fill.id < token if descending else fill.id > token)]
    page = fills[:size] if _FILL in kinds else []
    return json_answer([order_wire.activity_body(fill) for fill in page])


def _kinds(request: Request) -> set[str]:
    """The activity types asked for, in the path, by name or by category."""
    category = request.query_params.get("category")
    named = [kind.upper() for kind in words(request, "activity_types")]
    if "kind" in request.path_params:
        named = [request.path_params["kind"].upper()]
    elif category and named:
        raise malformed("category cannot be combined with activity_types")
    elif category:
        trades = choice(request, "category", _CATEGORIES, "") == _CATEGORIES[0]
        return {_FILL} if trades else set(ACTIVITY_TYPES - {_FILL})
    for kind in named:
        if kind not in ACTIVITY_TYPES:
            raise malformed(f"invalid activity type: {kind}")
    return set(named) or set(ACTIVITY_TYPES)


def _fills(request: Request) -> Iterator[Trade]:
    """The fills of the order and in the time that the request asks for."""
    after, until, on = moment(request, "after"), moment(request, "until"), moment(request, "date")
    if on and (after or until):
        raise malformed("date cannot be combined with after or until")
    order = request.query_params.get("order_id")
    order_id = identifier(order, "order_id") if order else None
    for trade in venue_of(request).book.trades:
        if (
            (after is None or trade.at > after)
            and (until is None or trade.at <= until)
            and (on is None or _new_york_date(trade.at) == _new_york_date(on))
            and order_id in {None, trade.order_id}
        ):
            yield trade


def _new_york_date(at: datetime) -> str:
    return at.astimezone(NEW_YORK).date().isoformat()


ROUTES = [
    Route("/v2/account", account),
    Route("/v2/account/configurations", configuration),
    Route("/v2/account/configurations", configure, methods=["PATCH"]),
    Route("/v2/account/activities", activities),
    Route("/v2/account/activities/{kind}", activities),
]
