"""The token of the faults opens the exchange's switchboard and nothing else of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import httpx
import msgspec
import pytest
from starlette.applications import Starlette

from alpaquero.simulation import MatchingTerms
from alpaquero.web.bodies.health_monitor import Faults
from laptop.exchange import admin_api
from laptop.exchange.app import build_app
from laptop.exchange.faults import GROUPS, FaultKind
from laptop.exchange.gate import Keys
from laptop.exchange.history import shipped_history
from laptop.exchange.opening import open_venue
from laptop.exchange.venue import Venue

KEYS: Final = Keys("key", "secret", "admin-token", "faults-token")
SWITCHBOARD: Final = "/admin/faults"
OTHERS: Final = sorted(
    (method, route.path)
    for route in admin_api.ROUTES
    for method in (route.methods or set()) - {"HEAD"}
    if not route.path.startswith(SWITCHBOARD)
)
TRADING: Final = [
    ("GET", "/v2/account"),
    ("POST", "/v2/orders"),
    ("DELETE", "/v2/positions"),
    ("GET", "/v2/clock"),
]
SLIPS: Final = [
    f"{SWITCHBOARD}s",
    f"{SWITCHBOARD}/../step",
    f"{SWITCHBOARD}/%2e%2e/step",
    "/admin//faults",
    "/admin",
]


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """A venue on the shipped prices; no test of this module changes it."""
    with ExitStack() as stack:
        opened = open_venue(shipped_history(), tmp_path_factory.mktemp("venue"), MatchingTerms(1), count=5)
        stack.callback(opened.close)
        yield opened


@pytest.fixture
def app(venue: Venue) -> Starlette:
    """An exchange with both tokens, without a rule."""
    return build_app(venue, KEYS)


def ask(
    app: Starlette, method: str, path: str, body: object = None, *, token: str = KEYS.faults_token
) -> httpx.Response:
    """One request with a token."""

    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://exchange") as client:
            shown = {"Authorization": f"Bearer {token}"}
            return await client.request(method, path, json=body, headers=shown)

    return asyncio.run(call())


def test_the_token_reads_and_sets_faults(app: Starlette) -> None:
    """A rule and a mix come into force, one goes, then all; the board tells each time."""
    assert ask(app, "POST", SWITCHBOARD, {"rules": [{"kind": "500", "id": "mine"}]}).status_code == 200
    assert ask(app, "POST", SWITCHBOARD, {"mix": "light", "seed": 3}).status_code == 200
    assert ask(app, "DELETE", f"{SWITCHBOARD}/mine").status_code == 200
    board = msgspec.json.decode(ask(app, "GET", f"{SWITCHBOARD}/board").content, type=Faults)
    [light] = [mix for mix in board.mixes if mix.name == "light"]
    assert [one.rule.id for one in board.rules] == [rule.id for rule in light.rules]
    assert {one.rule.seed for one in board.rules} == {3}
    assert (board.kinds, board.routes) == ([kind.value for kind in FaultKind], list(GROUPS))
    assert ask(app, "GET", f"{SWITCHBOARD}/injected").status_code == 200
    assert ask(app, "DELETE", SWITCHBOARD).json() == {"rules": []}
    assert ask(app, "GET", SWITCHBOARD).json() == {"rules": []}


@pytest.mark.parametrize(("method", "path"), [*OTHERS, *TRADING])
def test_the_token_opens_nothing_else(app: Starlette, method: str, path: str) -> None:
    """Neither the clock, the book, its copy and the streams, nor any route that trades."""
    before = ask(app, "GET", "/admin/status", token=KEYS.admin_token).content
    assert ask(app, method, path, {} if method == "POST" else None).status_code == 401
    assert ask(app, "GET", "/admin/status", token=KEYS.admin_token).content == before


@pytest.mark.parametrize("path", SLIPS)
def test_no_path_slips_through(app: Starlette, path: str) -> None:
    """What only looks like the switchboard's path steps no clock."""
    assert ask(app, "POST", path, {}).status_code in {401, 404, 405}
    assert ask(app, "GET", "/admin/status", token=KEYS.admin_token).json()["sessions_done"] == 0


@pytest.mark.parametrize("shown", ["", "admin-token", "faults-token", "key"])
def test_without_such_a_token_none_is_taken(venue: Venue, shown: str) -> None:
    """An exchange that was given none takes the admin's alone, and never an empty one."""
    answer = ask(build_app(venue, Keys("key", "secret", "admin-token")), "GET", SWITCHBOARD, token=shown)
    assert answer.status_code == (200 if shown == "admin-token" else 401)


def test_the_board_stays_of_a_size_that_can_be_read(app: Starlette) -> None:
    """At most 100 rules are in force; the one too many is refused, and the rest stands."""
    rules = [{"kind": "latency", "id": f"r{number}"} for number in range(100)]
    assert ask(app, "POST", SWITCHBOARD, {"rules": rules}).status_code == 200
    refused = ask(app, "POST", SWITCHBOARD, {"rules": [{"kind": "html"}]})
    assert (refused.status_code, "at most 100 rules" in refused.json()["message"]) == (422, True)
    assert len(ask(app, "GET", SWITCHBOARD).json()["rules"]) == 100
