"""Gives a new stack its first watchlist, through the settings' own store: what the exchange has prices of."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from laptop.errors import LaptopError
from laptop.stack import Stack


def ensure(stack: Stack, symbols: Sequence[str] | None, *, reason: str) -> None:
    """Saves `symbols` (all that the exchange has, by default) as the watchlist, unless one is set.

    Raises `LaptopError` naming a symbol the exchange has no prices of.
    """
    known = stack.exchange.status().symbols
    wanted = tuple(symbols) if symbols else tuple(known)
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise LaptopError(
            f"the exchange has no prices of {', '.join(unknown)}: name some of {', '.join(known)}"
        )
    _use(stack)
    from alpaquero.store import trading_settings

    current = trading_settings.current()
    if current.settings.watchlist:
        return
    trading_settings.save(
        msgspec.structs.replace(current.settings, watchlist=wanted),
        author="laptop",
        reason=reason,
        after_version=current.version,
        now=datetime.now(UTC),
    )


def _use(stack: Stack) -> None:
    """Points the shared package's store, which reads its environment as a function does, at this stack."""
    keys = stack.credentials
    os.environ |= {
        "SETTINGS_TABLE": stack.outputs["Settings"],
        "AWS_ENDPOINT_URL": stack.endpoint,
        "AWS_ACCESS_KEY_ID": keys.key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
