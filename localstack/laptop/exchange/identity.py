"""Identifiers that follow from the seed, so that two runs with one seed are alike to the byte."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from uuid import UUID

from alpaquero.prices import NEW_YORK


def derived_id(seed: int, *parts: str) -> str:
    """A UUID that depends on the seed and the parts alone."""
    digest = sha256("/".join((str(seed), *parts)).encode()).digest()
    return str(UUID(bytes=digest[:16], version=4))


def account_number(seed: int) -> str:
    """An account number in the shape of Alpaca's paper accounts: PA and ten characters."""
    digest = sha256(f"{seed}/account number".encode()).hexdigest()
    return f"PA{int(digest, 16) % 10**10:010d}"


def activity_id(at: datetime, unique: str) -> str:
    """An activity's id: New York local time to the millisecond, `::`, a UUID; it sorts by time."""
    local = at.astimezone(NEW_YORK)
    return f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}::{unique}"


def account_id(seed: int) -> str:
    """The account's id."""
    return derived_id(seed, "account")
