"""A service's health tells when it last did its work, where it has any."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alpaquero.store import health
from alpaquero.web.app import service_app

Call = Callable[..., tuple[int, Any]]


@pytest.mark.usefixtures("tables")
def test_a_service_that_works_tells_when(call: Call) -> None:
    """Before its first work there is none; then its time and what it was; memory is what the system says."""
    app = service_app("trading", works=True)
    body = call(app, "/trading/health")[1]
    assert (body["status"], body["last_work_at"], body["dependencies"]) == ("ok", None, {"work": "ok"})
    health.record_work("trading", detail="sync")
    body = call(app, "/trading/health")[1]
    assert (body["last_work"], body["last_work_at"] is None) == ("sync", False)
    assert body["memory_mb"] > 10


def test_a_service_that_cannot_look_says_so(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """A health table that does not answer makes the service degraded, not silent."""

    def away(service: str) -> None:
        raise ConnectionError("the table is away")

    monkeypatch.setattr(health, "last_work_of", away)
    body = call(service_app("trading", works=True), "/trading/health")[1]
    assert (body["status"], body["dependencies"]) == ("degraded", {"work": "failed: ConnectionError"})
