"""What the cloud holds, for tests that need something to sell."""

from __future__ import annotations

import time

import pytest

from tests.browser.conftest import Site

# The rule raises its first BUY in the second session; under load each session takes its time.
FIRST_FILL_SECONDS = 300


def held_of(site: Site, symbol: str) -> int:
    """How many shares of a symbol the API says are held."""
    found = [position for position in site.read("/api/positions")["items"] if position["symbol"] == symbol]
    return int(found[0]["quantity"]) if found else 0


def a_position(site: Site) -> dict[str, str]:
    """An open position, once the market gave one."""
    deadline = time.monotonic() + FIRST_FILL_SECONDS
    while time.monotonic() < deadline:
        held: list[dict[str, str]] = site.read("/api/positions")["items"]
        if held:
            return held[0]
        site.trade_session()
    pytest.fail(f"no position within {FIRST_FILL_SECONDS} s")
