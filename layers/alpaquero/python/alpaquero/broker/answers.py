"""Turns the broker's JSON into our values; used by the adapters beside it.

alpaca-py runs with `raw_data`, so its pydantic models never see an answer: they read decimals as
floats in places, refuse order statuses they do not know, and cost ten times the JSON parse.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, TypeVar

from alpaquero.broker.protocol import (
    BrokerAccount,
    BrokerActivity,
    BrokerAsset,
    BrokerClock,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    BrokerQuote,
    BrokerTrade,
    CorporateAction,
)
from alpaquero.errors import BrokerUnclear
from alpaquero.prices.bars import Bar
from alpaquero.prices.sessions import NEW_YORK, Session

Row = dict[str, Any]

_BLOCKS = ("trading_blocked", "account_blocked", "trade_suspended_by_user")
_SPLIT_KINDS = frozenset({"forward_split", "reverse_split", "unit_split"})
_CASH_KINDS = frozenset({"cash_dividend", "cash_merger"})
_MODELLED_CLASSES = frozenset({"", "simple", "bracket", "oco", "oto"})
T = TypeVar("T")


def understood(read: Callable[[Any], T], answer: Any) -> T:
    """`read(answer)`; an answer of another shape is unclear, whatever it says.

    Raises `BrokerUnclear`.
    """
    try:
        return read(answer)
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise BrokerUnclear(
            f"the broker's answer is not {read.__name__.replace('_', ' ')}: {type(error).__name__} {error}"
        ) from error


def every(read: Callable[[Any], T]) -> Callable[[Any], list[T]]:
    """A reader of a list of what `read` reads."""

    def read_list(rows: Any) -> list[T]:
        if not isinstance(rows, list):
            raise TypeError(f"a list was expected, not {type(rows).__name__}")
        return [read(row) for row in rows]

    read_list.__name__ = f"a_list_of_{read.__name__}"
    return read_list


def an_account(row: Row) -> BrokerAccount:
    return BrokerAccount(
        account_number=_text(row, "account_number"),
        cash=_decimal(row["cash"]),
        equity=_decimal(row["equity"]),
        buying_power=_decimal(row["buying_power"]),
        multiplier=_decimal(row["multiplier"]),
        blocks=tuple(flag for flag in _BLOCKS if row.get(flag, False)),
        shorting_enabled=bool(row.get("shorting_enabled", False)),
        last_equity=_decimal_or_none(row.get("last_equity")),
        initial_margin=_decimal_or_none(row.get("initial_margin")),
        maintenance_margin=_decimal_or_none(row.get("maintenance_margin")),
        regt_buying_power=_decimal_or_none(row.get("regt_buying_power")),
        non_marginable_buying_power=_decimal_or_none(row.get("non_marginable_buying_power")),
    )


def a_clock(row: Row) -> BrokerClock:
    if not isinstance(row["is_open"], bool):
        raise TypeError("is_open must be true or false")
    return BrokerClock(
        now=_moment(row["timestamp"]),
        is_open=row["is_open"],
        next_open=_moment(row["next_open"]),
        next_close=_moment(row["next_close"]),
    )


def a_session(row: Row) -> Session:
    """A calendar row; its times are New York's, such as `09:30`."""
    day = date.fromisoformat(row["date"])
    edges = [
        datetime.combine(day, time.fromisoformat(row[edge]), tzinfo=NEW_YORK).astimezone(UTC)
        for edge in ("open", "close")
    ]
    return Session(day, *edges)


def an_asset(row: Row) -> BrokerAsset:
    """An asset; one that is not `active` may not be traded, whatever its flag says."""
    return BrokerAsset(
        symbol=_text(row, "symbol"),
        tradable=row["tradable"] is True and row["status"] == "active",
        fractionable=row.get("fractionable") is True,
        shortable=row.get("shortable") is True,
    )


def a_position(row: Row) -> BrokerPosition:
    quantity = _decimal(row["qty"])
    available = row.get("qty_available")
    # A delisted holding may have no price at all; at cost it still counts as exposure.
    prices = (row["current_price"], row["lastday_price"])
    price = next((price for price in prices if price is not None), row["avg_entry_price"])
    return BrokerPosition(
        symbol=_text(row, "symbol"),
        quantity=quantity,
        available=quantity if available is None else _decimal(available),
        average_entry_price=_decimal(row["avg_entry_price"]),
        market_value=quantity * _decimal(price)
        if row["market_value"] is None
        else _decimal(row["market_value"]),
        current_price=_decimal(price),
    )


def an_order(row: Row) -> BrokerOrder:
    submitted_at = _moment(row.get("submitted_at") or row["created_at"])
    # A class that we do not model may lack what ours have; it must not hide the orders beside it.
    text = _text if (row.get("order_class") or "") in _MODELLED_CLASSES else _text_if_any
    return BrokerOrder(
        id=_text(row, "id"),
        client_order_id=_text(row, "client_order_id"),
        symbol=text(row, "symbol"),
        side=text(row, "side"),
        order_type=str(row.get("type") or row.get("order_type") or text(row, "type")),
        order_class="" if row.get("order_class") in (None, "simple") else str(row["order_class"]),
        time_in_force=_text(row, "time_in_force"),
        quantity=_decimal_or_none(row["qty"]),
        notional=_decimal_or_none(row.get("notional")),
        limit_price=_decimal_or_none(row.get("limit_price")),
        stop_price=_decimal_or_none(row.get("stop_price")),
        status=_text(row, "status"),
        filled_quantity=_decimal(row["filled_qty"]),
        filled_average_price=_decimal_or_none(row.get("filled_avg_price")),
        submitted_at=submitted_at,
        updated_at=_moment(row["updated_at"]) if row.get("updated_at") else submitted_at,
        replaced_by=row.get("replaced_by") or None,
        legs=tuple(an_order(leg) for leg in row.get("legs") or ()),
        replaces=row.get("replaces") or None,
        trail_price=_decimal_or_none(row.get("trail_price")),
        trail_percent=_decimal_or_none(row.get("trail_percent")),
        high_water_mark=_decimal_or_none(row.get("hwm")),
        extended_hours=bool(row.get("extended_hours", False)),
        asset_class=str(row.get("asset_class") or "us_equity"),
        expires_at=_moment(row["expires_at"]) if row.get("expires_at") else None,
    )


def a_fill(row: Row) -> BrokerFill:
    return BrokerFill(
        id=_text(row, "id"),
        order_id=_text(row, "order_id"),
        symbol=_text(row, "symbol"),
        side=_side_of_execution(_text(row, "side")),
        quantity=_decimal(row["qty"]),
        price=_decimal(row["price"]),
        at=_moment(row["transaction_time"]),
    )


def an_activity(row: Row) -> BrokerActivity:
    """One that is no trade; a plan of a deposit has no date yet but its creation's."""
    return BrokerActivity(
        id=_text(row, "id"),
        kind=_text(row, "activity_type"),
        day=_date_of(str(row.get("date") or row["created_at"])),
        amount=_decimal_or_none(row.get("net_amount")) or Decimal(0),
        symbol=row.get("symbol") or None,
        quantity=_decimal_or_none(row.get("qty")),
        description=_text_if_any(row, "description"),
    )


def _date_of(text: str) -> date:
    return date.fromisoformat(text) if len(text) == len("2026-01-01") else _moment(text).date()


def _side_of_execution(kind: str) -> str:
    """Activities name kinds of execution, such as `sell_short`; an order is a buy or a sale."""
    return next((side for side in ("buy", "sell") if kind.startswith(f"{side}_")), kind)


def a_bar(row: Row) -> Bar:
    return Bar(
        _moment(row["t"]),
        float(row["o"]),
        float(row["h"]),
        float(row["l"]),
        float(row["c"]),
        round(row["v"]),
    )


def a_quote(symbol: str, row: Row) -> BrokerQuote:
    return BrokerQuote(symbol, _decimal(row["bp"]), _decimal(row["ap"]), _moment(row["t"]))


def a_trade(symbol: str, row: Row) -> BrokerTrade:
    return BrokerTrade(symbol, _decimal(row["p"]), _moment(row["t"]))


def a_corporate_action(kind: str, row: Row) -> CorporateAction:
    """One row of the list `kind` of `/v1/corporate-actions`, whose fields differ by kind."""
    symbol = next(
        (row[name] for name in ("symbol", "old_symbol", "source_symbol", "acquiree_symbol") if row.get(name)),
        None,
    )
    if symbol is None:
        raise TypeError(f"a {kind} names no symbol")
    ex_date = row.get("ex_date") or row.get("effective_date") or row.get("process_date")
    return CorporateAction(
        id=_text(row, "id"),
        kind=kind,
        symbol=str(symbol),
        ex_date=date.fromisoformat(ex_date) if ex_date else None,
        share_ratio=_share_ratio(kind, row),
        new_symbol=row.get("new_symbol") or None,
        cash=_decimal_or_none(row.get("rate")) if kind in _CASH_KINDS else None,
    )


def _share_ratio(kind: str, row: Row) -> Decimal | None:
    """How many shares one share becomes: a split tells both sides, a stock dividend what is added."""
    if kind in _SPLIT_KINDS:
        return _decimal(row["new_rate"]) / _decimal(row["old_rate"])
    return 1 + _decimal(row["rate"]) if kind == "stock_dividend" else None


def _text_if_any(row: Row, name: str) -> str:
    return str(row.get(name) or "")


def _text(row: Row, name: str) -> str:
    value = row[name]
    if not isinstance(value, str) or not value:
        raise TypeError(f"{name} must be a text")
    return value


def _decimal(value: Any) -> Decimal:
    """A decimal text, or a JSON number by its shortest text; never NaN or infinite."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise TypeError(f"a number was expected, not {type(value).__name__}")
    number = Decimal(str(value))
    if not number.is_finite():
        raise ValueError("a finite number was expected")
    return number


def _decimal_or_none(value: Any) -> Decimal | None:
    return None if value is None else _decimal(value)


def _moment(text: str) -> datetime:
    """An RFC 3339 time in UTC; digits below a microsecond are cut."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"the time {text!r} has no offset")
    return at.astimezone(UTC)
