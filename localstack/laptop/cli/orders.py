"""``alpaquero orders``: list, place, replace and cancel orders, close positions; thin over the public API."""

from __future__ import annotations

import uuid
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from alpaquero.orders.kinds import OrderClass, OrderType, Side, TimeInForce
from laptop.cli.common import Group, json_option, limit_option, print_json, print_table, state_option


def _words(kind: type[StrEnum]) -> list[str]:
    return [one.value for one in kind]


_COLUMNS = {
    "client_order_id": "id",
    "symbol": "symbol",
    "side": "side",
    "quantity": "shares",
    "status": "status",
    "filled_quantity": "filled",
}
_SYMBOL = click.option("--symbol", help="Of one symbol only.")
_STATUS = click.option("--status", type=click.Choice(["open", "closed", "all"]), help="All by default.")
_LIMIT = limit_option(200)
_KEY = click.option("--key", help="The Idempotency-Key; give the one of a call whose answer was lost.")
_REASON = click.option("--reason", help="Why; kept with the order.")
_FORCE = click.option("--force", is_flag=True, help="Also take the place of another exit under way.")


@click.group(cls=Group, invoke_without_command=True)
@_SYMBOL
@_STATUS
@_LIMIT
@state_option
@json_option
@click.pass_context
def orders(
    context: click.Context,
    *,
    symbol: str | None,
    status: str | None,
    limit: int,
    state: Path | None,
    as_json: bool,
) -> int:
    """Show the last orders, or place, replace, cancel and close."""
    if context.invoked_subcommand is None:
        return _list(symbol, status, limit, state, as_json=as_json)
    if symbol or status or state or as_json:
        raise click.UsageError(f"write the options behind {context.invoked_subcommand}")
    return 0


@orders.command("list")
@_SYMBOL
@_STATUS
@_LIMIT
@state_option
@json_option
def list_(symbol: str | None, status: str | None, limit: int, state: Path | None, as_json: bool) -> int:
    """Show the last orders."""
    return _list(symbol, status, limit, state, as_json=as_json)


@orders.command()
@click.argument("order_id")
@state_option
def show(order_id: str, state: Path | None) -> int:
    """Show one order with its whole log, as JSON."""
    print_json(_ask(state, "GET", f"/api/orders/{quote(order_id, safe='')}"))
    return 0


@orders.command()
@click.argument("side", type=click.Choice(["buy", "sell"]))
@click.argument("symbol")
@click.argument("quantity", required=False)
@click.option("--notional", help="Dollars instead of shares; needs --class simple.")
@click.option(
    "--type", "order_type", type=click.Choice(_words(OrderType)), default="market", show_default=True,
    help="When it may fill.",
)  # fmt: skip
@click.option(
    "--class", "order_class", type=click.Choice(_words(OrderClass)),
    help="A purchase is a bracket, a sale simple, unless this says otherwise.",
)  # fmt: skip
@click.option(
    "--time-in-force",
    type=click.Choice(_words(TimeInForce)),
    help="How long it waits; gtc for a bracket, whose stop and target end with it, else day.",
)
@click.option("--limit-price", help="Dollars a share, of a limit or stop_limit order.")
@click.option("--stop-price", help="Dollars a share, of a stop or stop_limit order.")
@click.option("--trail-price", help="Dollars below the highest price, of a trailing_stop.")
@click.option("--trail-percent", help="The same in per cent.")
@click.option("--take-profit", "take_profit_price", help="A bracket's target; else the settings say it.")
@click.option("--stop-loss", "stop_loss_price", help="A bracket's stop; else the settings say it.")
@click.option("--extended-hours", is_flag=True, help="Before the open and after the close too.")
@_REASON
@_KEY
@state_option
@json_option
def place(*, key: str | None, state: Path | None, as_json: bool, **terms: Any) -> int:
    """Place an order; without QUANTITY a purchase is sized by risk and a sale is the whole position."""
    terms["time_in_force"] = terms["time_in_force"] or _force_of(terms)
    return _tell(
        _ask(state, "POST", "/api/orders", body=_given(terms), key=key or _new_key()), as_json=as_json
    )


def _force_of(terms: dict[str, Any]) -> str:
    """A day's stop would leave the shares bare at the close."""
    is_alone = terms["order_class"] == OrderClass.SIMPLE or (
        terms["order_class"] is None and terms["side"] == Side.SELL
    )
    return (TimeInForce.DAY if is_alone else TimeInForce.GTC).value


@orders.command()
@click.argument("order_id")
@click.option("--quantity", help="Shares in all, those that are filled included.")
@click.option("--limit-price", help="Dollars a share.")
@click.option("--stop-price", help="Dollars a share.")
@click.option("--trail", help="Dollars or per cent, as the order has it.")
@click.option("--time-in-force", type=click.Choice(_words(TimeInForce)), help="How long it waits.")
@_REASON
@state_option
@json_option
def replace(*, order_id: str, state: Path | None, as_json: bool, **change: Any) -> int:
    """Put a changed order in the place of an open one."""
    return _tell(
        _ask(state, "PATCH", f"/api/orders/{quote(order_id, safe='')}", body=_given(change)), as_json=as_json
    )


@orders.command()
@click.argument("order_id")
@state_option
@json_option
def cancel(order_id: str, state: Path | None, as_json: bool) -> int:
    """Cancel an open order."""
    return _tell(_ask(state, "DELETE", f"/api/orders/{quote(order_id, safe='')}"), as_json=as_json)


@orders.command("cancel-all")
@_SYMBOL
@click.option("--protection", is_flag=True, help="The stops and targets of positions too.")
@state_option
@json_option
def cancel_all(symbol: str | None, protection: bool, state: Path | None, as_json: bool) -> int:
    """Cancel every open order, or those of one symbol."""
    query = _given({"symbol": symbol, "protection": "true" if protection else None})
    return _tell(_ask(state, "DELETE", "/api/orders", query=query), as_json=as_json)


@orders.command()
@click.argument("symbol")
@click.option("--quantity", help="Shares; all of them by default.")
@click.option("--percentage", help="Of the position.")
@_FORCE
@_REASON
@_KEY
@state_option
@json_option
def close(*, symbol: str, key: str | None, state: Path | None, as_json: bool, **body: Any) -> int:
    """Sell a position at market, or a part of it."""
    path = f"/api/positions/{quote(symbol, safe='')}/close"
    return _tell(_ask(state, "POST", path, body=_given(body), key=key or _new_key()), as_json=as_json)


@orders.command("close-all")
@_FORCE
@_REASON
@_KEY
@state_option
@json_option
def close_all(*, key: str | None, state: Path | None, as_json: bool, **body: Any) -> int:
    """Sell every position at market."""
    path = "/api/positions/close"
    return _tell(_ask(state, "POST", path, body=_given(body), key=key or _new_key()), as_json=as_json)


def _list(symbol: str | None, status: str | None, limit: int, state: Path | None, *, as_json: bool) -> int:
    query = _given({"symbol": symbol, "status": status, "limit": limit})
    items = _ask(state, "GET", "/api/orders", query=query)["items"]
    if as_json:
        print_json(items)
    else:
        rows = [["" if item.get(c) is None else item[c] for c in _COLUMNS] for item in items]
        print_table("Orders", list(_COLUMNS.values()), rows)
    return 0


def _ask(state: Path | None, method: str, path: str, *, key: str | None = None, **content: Any) -> Any:
    from laptop.calls import public_call
    from laptop.layout import StateFolder
    from laptop.stack import Stack

    headers = {"idempotency-key": key} if key else {}
    return public_call(Stack.find(StateFolder.at(state)), method, path, headers=headers, **content)


def _tell(answer: dict[str, Any], *, as_json: bool) -> int:
    """What is queued now; `orders show ID` tells what became of it."""
    if as_json:
        print_json(answer)
        return 0
    for identifier in answer.get("client_order_ids", [answer.get("client_order_id")]):
        print(f"{answer['status']}: {identifier}")
    return 0


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None and value is not False}


def _new_key() -> str:
    return uuid.uuid4().hex
