"""The functions behind the dashboard's first page are started ahead, one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

from laptop import first_page
from laptop.errors import LaptopError

if TYPE_CHECKING:
    from laptop.stack import Stack

STACK = cast("Stack", object())


def answering(watchlist: list[str], asked: list[str], failure: Exception | None = None) -> Any:
    """A public API that answers the settings, notes each path, and may fail from the second one on."""

    def public_get(_stack: object, path: str, _query: object) -> Any:
        asked.append(path)
        if failure and len(asked) > 1:
            raise failure
        return {"settings": {"watchlist": watchlist}}

    return public_get


def test_each_route_is_asked_once_and_the_chart_is_the_first_symbols(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page shows first comes first; of the watchlist its first symbol alone is asked."""
    asked: list[str] = []
    monkeypatch.setattr(first_page, "public_get", answering(["BRK.B", "IBM"], asked))
    first_page.start(STACK, pytest.fail)
    assert ["/health", "/api/account"] == asked[:2]
    assert asked.index("/api/chart/BRK.B") < asked.index("/api/trading_state")
    assert len(asked) == len(set(asked))
    assert not any("IBM" in path for path in asked)


def test_an_empty_watchlist_has_no_chart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other functions are started all the same."""
    asked: list[str] = []
    monkeypatch.setattr(first_page, "public_get", answering([], asked))
    first_page.start(STACK, pytest.fail)
    assert "/api/orders" in asked
    assert not any(path.startswith("/api/chart") for path in asked)


@pytest.mark.parametrize("failure", [LaptopError("answered 503"), httpx.ConnectError("answered 503")])
def test_a_failure_is_told_and_ends_it(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    """A stack that goes down meanwhile is asked no more, and one line says what it means."""
    asked: list[str] = []
    told: list[str] = []
    monkeypatch.setattr(first_page, "public_get", answering(["IBM"], asked, failure))
    first_page.start(STACK, told.append)
    assert len(asked) == 2
    assert told == ["the dashboard's functions start when they are first asked: answered 503"]
