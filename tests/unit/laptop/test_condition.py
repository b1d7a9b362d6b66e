"""`alpaquero status` tells how the bot is from its Health table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import boto3
import pytest

from alpaquero.monitoring.alerts import Alert
from alpaquero.store import health
from laptop.condition import condition
from laptop.stack import Stack

AT = datetime(2026, 11, 20, 15, tzinfo=UTC)


class Here:
    """A stack whose Health table is the tests' own."""

    outputs = {"Health": "health"}  # noqa: RUF012 - as the stack has it

    def client(self, service: str) -> Any:
        return cast("Any", boto3).client(service, region_name="us-east-1")


@pytest.mark.usefixtures("tables")
def test_alerts_that_stand_and_the_age_of_work_are_told() -> None:
    """Unknown before the first look; then ok, and degraded with what is wrong."""
    stack = cast("Stack", Here())
    assert condition(stack) == {"status": "unknown", "alerts": [], "seconds_since_work": {}}
    health.record_alerts([Alert(name="drift", service="trading")])
    health.record_work("trading", detail="sync")
    assert condition(stack)["status"] == "ok"
    assert 0 <= condition(stack)["seconds_since_work"]["trading"] < 60
    health.record_alerts([Alert(name="drift", service="trading", raised=True, since=AT, message="AAPL: 3")])
    told = condition(stack)
    assert (told["status"], told["alerts"]) == (
        "degraded",
        [{"name": "drift", "since": "2026-11-20T15:00:00Z", "message": "AAPL: 3"}],
    )
