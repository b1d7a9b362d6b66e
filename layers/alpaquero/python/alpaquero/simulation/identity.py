"""Identifiers of simulated orders and fills: they follow from the seed, so that two runs are alike."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256

from alpaquero.prices.sessions import NEW_YORK

_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}  # the 17th digit of a UUID


def derived_id(seed: int, *parts: str) -> str:
    """A UUID that depends on the seed and the parts alone."""
    text = sha256("/".join((str(seed), *parts)).encode()).hexdigest()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"


def activity_id(at: datetime, unique: str) -> str:
    """An activity's id: New York local time to the millisecond, `::`, a UUID; it sorts by time."""
    local = at.astimezone(NEW_YORK)
    day = (local.year * 100 + local.month) * 100 + local.day
    second = (local.hour * 100 + local.minute) * 100 + local.second
    return f"{(day * 1_000_000 + second) * 1000 + local.microsecond // 1000:017}::{unique}"


def order_id(seed: int, client_order_id: str, role: str = "parent") -> str:
    """The broker's id of an order, or of the leg of an order in that role."""
    return derived_id(seed, "order", client_order_id, role)


def leg_client_order_id(seed: int, client_order_id: str, role: str) -> str:
    """The client order id that the broker gives the leg of an order."""
    return derived_id(seed, "client order id", client_order_id, role)


def fill_id(seed: int, client_order_id: str, filled_before: str, at: datetime) -> str:
    """The activity id of a fill of an order of which `filled_before` shares were filled."""
    return activity_id(at, derived_id(seed, "fill", client_order_id, filled_before))
