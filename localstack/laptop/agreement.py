"""What books and paper exchange are compared by, after a demo, a campaign of faults or a bench.

Orders and fills of the books are given as their items' bodies, those of the exchange as its report has them.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from alpaquero.simulation.backtest import result
from laptop.exchange.admin_bodies import ReportedFill, ReportedPosition


def trades_sha256(fills: list[dict[str, Any]]) -> str:
    """The hash of the fills in the books, as a backtest has it of its own."""
    names = ("at", "client_order_id", "side", "quantity", "price")
    return result.trades_sha256(tuple(str(fill[name]) for name in names) for fill in fills)


def unknown_orders(orders: list[dict[str, Any]]) -> int:
    """Orders of which the books do not say whether the broker has them."""
    return sum(order["status"] in {"unknown", "intended"} for order in orders)


def duplicate_orders(client_order_ids: list[str]) -> int:
    """Orders at the exchange beyond one for each intent: same origin, symbol and key, another revision."""
    intents = Counter(
        identifier.rsplit("-", 1)[0] for identifier in client_order_ids if identifier.startswith("aq1-")
    )
    return sum(count - 1 for count in intents.values())


def missing_fills(known: list[dict[str, Any]], traded: list[ReportedFill]) -> list[str]:
    """The ids of the exchange's fills that the books lack, or have with other shares or another price."""
    booked = {fill["id"]: (Decimal(fill["quantity"]), Decimal(fill["price"])) for fill in known}
    return sorted(fill.id for fill in traded if booked.get(fill.id) != (fill.qty, fill.price))


def differing_positions(held: dict[str, Decimal], owned: list[ReportedPosition]) -> list[str]:
    """The symbols of which books and exchange have different quantities."""
    at_exchange = {position.symbol: position.qty for position in owned}
    symbols = held.keys() | at_exchange.keys()
    return sorted(symbol for symbol in symbols if held.get(symbol, 0) != at_exchange.get(symbol, 0))


def without_verdict(orders: list[dict[str, Any]]) -> list[str]:
    """Orders of ours, by their client order id, that no rule judged; the legs of a bracket came with it."""
    return sorted(
        order["client_order_id"]
        for order in orders
        if order["client_order_id"].startswith("aq1-") and not order["verdict"]
    )
