"""An explanation is printed as a person reads it."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from laptop.cli import main

TOLD = {
    "symbol": "AAPL",
    "answer": "it did not trade",
    "chains": [
        {
            "strategy": "stochrsi_ema",
            "mode": "trade",
            "timeframe": "1Day",
            "bar_close": "2012-04-05T20:00:00Z",
            "answer": "it did not trade: BUY failed on K",
            "steps": [
                {"name": "schedule", "result": "planned in time", "at": "2012-04-08T11:30:21.944892Z"},
                {"name": "values", "result": "BUY failed on K", "passed": False},
            ],
        }
    ],
}


def test_times_are_told_to_the_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each step has its mark, and its time in UTC where it has one."""

    def asked(*_: object) -> Any:
        return TOLD

    monkeypatch.setattr(importlib.import_module("laptop.cli.explain"), "_asked", asked)
    assert 0 == main(["explain", "AAPL"])
    first, answer, *steps = [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert first == "AAPL by stochrsi_ema (trade), 1Day, bar closed 2012-04-05 20:00 UTC"
    assert answer == "it did not trade: BUY failed on K"
    assert [" ".join(line.split()) for line in steps] == [
        "ok schedule planned in time (2012-04-08 11:30 UTC)",
        "no values BUY failed on K",
    ]
