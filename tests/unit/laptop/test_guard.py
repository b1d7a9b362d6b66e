"""The guard before the engine: programs of this machine pass, web pages reach the APIs alone."""

from __future__ import annotations

import pytest

from laptop.guard import refusal

HOST = {"host": "127.0.0.1:4566"}
PAGE = {"origin": "http://evil.example"}
API = "/_aws/execute-api/abc/v1/api/orders"

PASSES = {
    "a client of this machine": ("/", HOST),
    "the health route": ("/_localstack/health", {"host": "localhost:4566"}),
    "an API by its path, from the dashboard": (API, HOST | {"origin": "http://localhost:9100"}),
    "an API by its host": ("/v1/position/positions", {"host": "abc.execute-api.localhost:4566"} | PAGE),
    "mail read by a program": ("/_ministack/ses/messages", HOST),
}
REFUSED = {
    "a page wipes the engine": ("/_ministack/reset", HOST | PAGE),
    "a program wipes the engine": ("/_ministack/reset", HOST),
    "a page changes the engine": ("/_ministack/config", HOST | PAGE),
    "a page posts to a service": ("/", HOST | PAGE),
    "a rebound name reads mail": ("/_ministack/ses/messages", {"host": "evil.example:4566"}),
    "a name that only begins like ours": ("/", {"host": "localhost.evil.example"}),
    "no host at all": ("/", {}),
}


@pytest.mark.parametrize("case", PASSES)
def test_passes(case: str) -> None:
    """What the bot, its command line and the dashboard ask is let through."""
    assert refusal(*PASSES[case]) is None


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused(case: str) -> None:
    """What a page could do to the engine is refused with a reason."""
    assert refusal(*REFUSED[case])
