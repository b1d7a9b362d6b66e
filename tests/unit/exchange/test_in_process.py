"""The whole exchange inside a process, without a socket: how a campaign of faults drives it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from alpaquero.simulation import MatchingTerms
from laptop.exchange.app import build_app
from laptop.exchange.fault_gate import ConnectionCutError
from laptop.exchange.faults import FaultKind, FaultRule, Switchboard
from laptop.exchange.gate import Keys
from laptop.exchange.history import shipped_history
from laptop.exchange.ledger import Ledger
from laptop.exchange.opening import open_venue
from laptop.exchange.venue import Venue

KEYS = Keys("key", "secret", "token")
HEADERS = {"APCA-API-KEY-ID": KEYS.key_id, "APCA-API-SECRET-KEY": KEYS.secret_key}


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    """A venue on the shipped prices."""
    with ExitStack() as stack:
        opened = open_venue(shipped_history(), tmp_path, MatchingTerms(1), count=5)
        stack.callback(opened.close)
        yield opened


def ask(app: Starlette, method: str, path: str, body: object = None) -> httpx.Response:
    """One request through the app."""

    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://exchange") as client:
            return await client.request(method, path, json=body, headers=HEADERS)

    return asyncio.run(call())


def order(name: str) -> dict[str, Any]:
    """The body of a market order."""
    shares = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market"}
    return {**shares, "time_in_force": "day", "client_order_id": name}


def test_latency_waits_by_the_sleep_that_is_given(venue: Venue) -> None:
    """No wall time passes: the seconds go to the given function."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    faults = Switchboard()
    faults.add(FaultRule(kind=FaultKind.LATENCY, milliseconds=60_000))
    assert ask(build_app(venue, KEYS, faults, sleep=sleep), "GET", "/v2/account").status_code == 200
    assert waited == [60]


@pytest.mark.parametrize(("kind", "orders"), [(FaultKind.CUT_BEFORE, 0), (FaultKind.CUT_AFTER, 1)])
def test_a_cut_connection_is_an_error_of_the_call(venue: Venue, kind: FaultKind, orders: int) -> None:
    """Without a socket the cut is raised, before or after the effect."""
    faults = Switchboard()
    faults.add(FaultRule(kind=kind, route="submit"))
    with pytest.raises(ConnectionCutError, match="the effect"):
        ask(build_app(venue, KEYS, faults), "POST", "/v2/orders", order("cut"))
    assert len(venue.book.orders) == orders
    assert faults.injected()[0].client_order_id == "cut"
    assert [row.fault for row in venue.requests(0, 10)] == ["cut_after"] * orders


def test_the_same_rules_and_requests_go_wrong_alike(tmp_path: Path) -> None:
    """Two exchanges of one seed: the same statuses in the same order, the same list of faults."""

    def run(state: str) -> tuple[list[int], list[tuple[str, str | None]]]:
        venue, faults = (
            open_venue(shipped_history(), tmp_path / state, MatchingTerms(1), count=5),
            Switchboard(),
        )
        for kind in (FaultKind.SERVER_ERROR, FaultKind.TIMEOUT_AFTER):
            faults.add(FaultRule(id=kind, kind=kind, route="submit", probability=0.4, seed=3))
        app = build_app(venue, KEYS, faults)
        statuses = [ask(app, "POST", "/v2/orders", order(str(n))).status_code for n in range(20)]
        venue.close()
        return statuses, [(fault.kind, fault.client_order_id) for fault in faults.injected()]

    statuses, injected = run("one")
    assert (statuses, injected) == run("other")
    assert set(statuses) == {200, 500, 504}


def test_nothing_is_answered_that_is_not_on_disk(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that cannot write fails the request and leaves no order; then all goes on."""
    app = build_app(venue, KEYS)

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "append", full)
        with pytest.raises(OSError, match="no space left"):
            ask(app, "POST", "/v2/orders", order("lost"))
    assert venue.book.orders == {}
    assert ask(app, "POST", "/v2/orders", order("lost")).status_code == 200
    assert [row.path for row in venue.requests(0, 10)] == ["/v2/orders"]


def test_a_request_and_its_changes_are_one_transaction(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelling three orders appends once, with the status that the caller gets."""
    app = build_app(venue, KEYS)
    for name in "abc":
        ask(app, "POST", "/v2/orders", order(name))
    appended: list[tuple[int, object]] = []
    append = Ledger.append

    def counting(ledger: Ledger, changes: Any, now: Any, request: Any = None, status: Any = None) -> None:
        appended.append((len(changes), status))
        append(ledger, changes, now, request, status)

    monkeypatch.setattr(Ledger, "append", counting)
    assert ask(app, "DELETE", "/v2/orders").status_code == 207
    assert appended == [(3, 207)]
