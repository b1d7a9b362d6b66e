"""Orders are placed from the command line with terms that a person means."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from laptop.cli import commands, orders


@pytest.fixture
def placed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The bodies that are sent to the API."""
    bodies: list[Any] = []

    def answer(_state: object, _method: str, _path: str, *, body: Any, key: str) -> Any:
        assert key
        bodies.append(body)
        return {"client_order_id": "aq1-man-AAPL-a-0", "status": "queued"}

    monkeypatch.setattr(orders, "_ask", answer)
    return bodies


@pytest.mark.parametrize(
    ("arguments", "force"),
    [
        (["buy", "AAPL"], "gtc"),
        (["buy", "AAPL", "--class", "oto", "--stop-loss", "90"], "gtc"),
        (["buy", "AAPL", "--class", "simple", "--notional", "50"], "day"),
        (["sell", "AAPL"], "day"),
        (["sell", "AAPL", "1", "--class", "oco", "--stop-loss", "90", "--take-profit", "120"], "gtc"),
        (["buy", "AAPL", "--time-in-force", "day"], "day"),
    ],
)
def test_a_stop_outlives_the_day_unless_told_otherwise(
    arguments: list[str], force: str, placed: list[Any]
) -> None:
    """The legs of a bracket end with it, so it is good till cancelled; an order alone is for the day."""
    done = CliRunner().invoke(
        commands, ["orders", "place", *arguments], catch_exceptions=False, standalone_mode=False
    )
    assert done.stdout == "queued: aq1-man-AAPL-a-0\n"
    assert [force] == [body["time_in_force"] for body in placed]
