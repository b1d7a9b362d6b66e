"""Watchlists, by id and by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.models import Watchlist
from alpaca.trading.requests import CreateWatchlistRequest, UpdateWatchlistRequest

from .conftest import KEYS, NO_AUTHORITIES, RunningExchange, Serve

NOWHERE = UUID("00000000-0000-4000-8000-000000000000")


@pytest.fixture
def made(serve: Serve, prices: Callable[..., Path]) -> RunningExchange:
    """An exchange with three symbols."""
    return serve(prices({symbol: [(100, 101, 99, 100)] * 2 for symbol in ("AAA", "BBB", "CCC")}))


def create(exchange: RunningExchange, name: str, *symbols: str) -> Watchlist:
    """A new watchlist."""
    kept = exchange.trading.create_watchlist(CreateWatchlistRequest(name=name, symbols=list(symbols)))
    assert isinstance(kept, Watchlist)
    return kept


def symbols(kept: object) -> list[str]:
    """The symbols of a watchlist."""
    assert isinstance(kept, Watchlist)
    return [asset.symbol for asset in kept.assets or []]


def test_a_watchlist_is_made_and_found_by_id_and_by_name(made: RunningExchange) -> None:
    """With its assets in the order given, each once; the list of watchlists leaves the assets out."""
    kept = create(made, "mine", "BBB", "AAA", "BBB")
    assert ["BBB", "AAA"] == symbols(kept)
    assert kept == made.trading.get_watchlist_by_id(kept.id)
    assert (
        made.get(f"/v2/watchlists/{kept.id}").json() == made.get("/v2/watchlists:by_name", name="mine").json()
    )
    other = create(made, "other")
    listed = made.trading.get_watchlists()
    assert [(kept.id, None), (other.id, None)] == [
        (one.id, one.assets) for one in listed if isinstance(one, Watchlist)
    ]
    assert str(kept.account_id) == made.get("/v2/account").json()["id"]


def test_a_watchlist_is_changed_in_name_or_symbols(made: RunningExchange) -> None:
    """An update leaves alone what it does not name."""
    kept = create(made, "mine", "AAA")
    made.trading.update_watchlist_by_id(kept.id, UpdateWatchlistRequest(symbols=["CCC", "BBB"]))
    renamed = made.trading.update_watchlist_by_id(kept.id, UpdateWatchlistRequest(name="yours"))
    assert isinstance(renamed, Watchlist)
    assert ("yours", ["CCC", "BBB"]) == (renamed.name, symbols(renamed))


def test_assets_are_added_at_the_end_and_removed(made: RunningExchange) -> None:
    """By id, as alpaca-py does."""
    kept = create(made, "mine", "BBB")
    assert ["BBB", "AAA"] == symbols(made.trading.add_asset_to_watchlist_by_id(kept.id, "AAA"))
    assert ["AAA"] == symbols(made.trading.remove_asset_from_watchlist_by_id(kept.id, "BBB"))


def test_a_watchlist_is_changed_and_deleted_by_name_too(made: RunningExchange) -> None:
    """PUT, POST and DELETE of watchlists:by_name, which alpaca-py has no methods for."""
    create(made, "mine", "AAA")
    route = "/watchlists:by_name?name=mine"
    added = made.trading.post(route, {"symbol": "BBB"})
    assert isinstance(added, dict)
    assert ["AAA", "BBB"] == [asset["symbol"] for asset in added["assets"]]
    changed = made.trading.put(route, {"symbols": ["CCC"]})
    assert isinstance(changed, dict)
    assert ["CCC"] == [asset["symbol"] for asset in changed["assets"]]
    made.trading.delete(route)
    assert [] == made.trading.get_watchlists()


def test_a_deleted_watchlist_is_gone_and_its_id_is_never_used_again(made: RunningExchange) -> None:
    """Deleting answers 204, and a second time 404."""
    kept = create(made, "mine")
    made.trading.delete_watchlist_by_id(kept.id)
    with pytest.raises(APIError) as raised:
        made.trading.delete_watchlist_by_id(kept.id)
    assert (raised.value.status_code, raised.value.code) == (404, 40410000)
    assert kept.id != create(made, "mine").id


@pytest.mark.parametrize(
    ("call", "body", "refused"),
    [
        ("POST /watchlists", {"name": "mine", "symbols": []}, (422, 40010001)),
        ("POST /watchlists", {"name": ""}, (422, 40010001)),
        ("POST /watchlists", {"symbols": ["AAA"]}, (422, 40010001)),
        ("POST /watchlists", {"name": "n" * 65}, (422, 40010001)),
        ("POST /watchlists", {"name": "new", "symbols": ["NOPE"]}, (422, 40010001)),
        ("POST /watchlists", {"name": "new", "symbols": "AAA"}, (422, 40010001)),
        ("POST /watchlists:by_name?name=mine", {"symbol": "AAA"}, (422, 40010001)),
        ("POST /watchlists:by_name?name=mine", {}, (422, 40010001)),
        ("PUT /watchlists:by_name?name=mine", {}, (422, 40010001)),
        ("GET /watchlists:by_name?name=other", None, (404, 40410000)),
        ("GET /watchlists:by_name", None, (422, 40010001)),
        ("GET /watchlists/mine", None, (422, 40010001)),
        (f"GET /watchlists/{NOWHERE}", None, (404, 40410000)),
        (f"DELETE /watchlists/{NOWHERE}/AAA", None, (404, 40410000)),
    ],
)
def test_what_cannot_be_done_with_a_watchlist_is_refused(
    made: RunningExchange, call: str, body: dict[str, object] | None, refused: tuple[int, int]
) -> None:
    """With Alpaca's status and code, and nothing changes."""
    create(made, "mine", "AAA")
    before = made.get("/v2/watchlists:by_name", name="mine").json()
    method, path = call.split()
    with pytest.raises(APIError) as raised:
        made.trading._request(method, path, body)
    assert refused == (raised.value.status_code, raised.value.code)
    assert before == made.get("/v2/watchlists:by_name", name="mine").json()


def test_a_name_that_is_taken_is_refused_in_alpacas_words(made: RunningExchange) -> None:
    """For a new watchlist and for a new name of an old one; its own name it may keep."""
    create(made, "mine")
    other = create(made, "other")
    with pytest.raises(APIError, match="watchlist name must be unique"):
        create(made, "mine")
    with pytest.raises(APIError, match="watchlist name must be unique"):
        made.trading.update_watchlist_by_id(other.id, UpdateWatchlistRequest(name="mine"))
    assert made.trading.update_watchlist_by_id(other.id, UpdateWatchlistRequest(name="other"))


def test_a_body_that_is_no_json_answers_400(made: RunningExchange) -> None:
    """Alpaca tells a body it cannot read from one it does not take."""
    answer = httpx.post(
        f"{made.url}/v2/watchlists",
        content="{",
        headers={"APCA-API-KEY-ID": KEYS.key_id, "APCA-API-SECRET-KEY": KEYS.secret_key},
        trust_env=False,
        verify=NO_AUTHORITIES,
    )
    assert (400, 40010000) == (answer.status_code, answer.json()["code"])
