"""Workers that events drive note when they last worked: not of failures, not for every message."""

from __future__ import annotations

import pytest
from pynamodb.exceptions import PutError

from alpaquero import last_work, wall
from alpaquero.store import health

pytestmark = pytest.mark.usefixtures("tables")


@pytest.fixture(autouse=True)
def not_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has noted no work yet."""
    monkeypatch.setattr(last_work, "_noted", {})


def test_work_of_which_all_failed_is_not_noted() -> None:
    """One record that was done is work; the answer to the queue comes back as it was."""
    event = {"Records": [{}, {}]}
    failed = {"batchItemFailures": [{"itemIdentifier": "1"}, {"itemIdentifier": "2"}]}
    assert last_work.worked_through("position", event, failed, detail="project") is failed
    assert health.last_work_of("position") is None
    half = {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert last_work.worked_through("position", event, half, detail="project") is half
    noted = health.last_work_of("position")
    assert noted is not None
    assert noted.detail == "project"


def test_work_that_events_bring_is_noted_twice_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy worker does not write for each message."""
    kept = []
    for after, detail in ((0, "first"), (29, "second"), (30, "third")):
        monkeypatch.setattr(wall, "seconds", lambda at=1_000_000.0 + after: at)
        last_work.note_work("gateway", detail=detail)
        kept.append(getattr(health.last_work_of("gateway"), "detail", None))
    assert kept == ["first", "first", "third"]


def test_a_health_table_that_is_away_does_not_fail_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was done is done, whether or not it is noted when."""

    def away(*_: object, **__: object) -> None:
        raise PutError("the table is away")

    monkeypatch.setattr(health.HealthItem, "save", away)
    last_work.note_work("gateway", detail="push")
