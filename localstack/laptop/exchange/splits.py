"""What a split does to the account: shares, exits and entries of its symbol, as changes of the book.

The venue records them on the morning of the split. A whole forward split multiplies shares and divides
prices, in the position and in every working order. Any other ratio can break a share: what is broken
is paid out at the opening price, and working orders are cancelled, as Alpaca does on a reverse split.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from alpaquero.prices import Direction, round_price
from alpaquero.simulation.matching import Status
from laptop.exchange.book import Book, Changed, Order, SharesSplit

_NONE = Decimal(0)


def split_changes(
    book: Book, symbol: str, ratio: Decimal, price: Decimal, at: datetime
) -> Iterator[SharesSplit | Changed]:
    """The changes of a split of `ratio` new shares for an old one, at market time `at`.

    `price` is what a share costs after the split, in dollars.
    """
    whole = ratio == ratio.to_integral_value()
    position = book.positions.get(symbol)
    if position is not None:
        shares = position.quantity * ratio
        yield SharesSplit(symbol, ratio, _NONE if whole else (shares - int(shares)) * price)
    for order in book.open_orders(symbol):
        if whole:
            yield Changed(_divided(order, ratio, at))
        else:
            yield Changed(replace(order, status=Status.CANCELED, canceled_at=at, updated_at=at))


def _divided(order: Order, ratio: Decimal, at: datetime) -> Order:
    return replace(
        order,
        updated_at=at,
        quantity=order.quantity * ratio,
        filled_quantity=order.filled_quantity * ratio,
        worth=order.worth / ratio,
        limit_price=_price(order.limit_price, ratio),
        stop_price=_price(order.stop_price, ratio),
        trail_price=_price(order.trail_price, ratio),
        high_water_mark=None if order.high_water_mark is None else order.high_water_mark / ratio,
    )


def _price(price: Decimal | None, ratio: Decimal) -> Decimal | None:
    return None if price is None else round_price(price / ratio, Direction.NEAREST)
