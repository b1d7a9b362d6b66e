"""Alerts with hysteresis: raised after some bad looks in a row, cleared after some good ones.

Called by `health_monitor/probe` with what each look found. One look that goes wrong, such as a cold
start on a loaded machine, raises nothing, and a service that flickers is told once.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from alpaquero.quickly_made import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one look at one thing found; `is_bad` is None when nobody could look, and `message` says why."""

    name: str
    service: str
    is_bad: bool | None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Whether `name` of `service` is in trouble (`raised`), `since` when (wall time; None at first).

    `contrary` looks in a row, the first at `contrary_since`, have found it otherwise.
    """

    name: str
    service: str
    raised: bool = False
    since: datetime | None = None
    message: str = ""
    contrary: int = 0
    contrary_since: datetime | None = None

    @property
    def turned_by(self) -> str:
        """The moment of the first look of those that turned it: the same however often it is told."""
        return self.since.isoformat() if self.since else "the beginning"


def judged(
    before: Alert | None, finding: Finding, now: datetime, *, raise_after: int, clear_after: int
) -> Alert:
    """The alert after `finding`; the very same when nothing is new.

    >>> from datetime import UTC
    >>> bad = Finding(name="probe:risk", service="risk", is_bad=True, message="no answer")
    >>> at = datetime(2026, 11, 20, tzinfo=UTC)
    >>> first = judged(None, bad, at, raise_after=2, clear_after=1)
    >>> first.raised, judged(first, bad, at, raise_after=2, clear_after=1).raised
    (False, True)
    """
    before = before or Alert(name=finding.name, service=finding.service)
    if finding.is_bad is None:
        return before
    if finding.is_bad == before.raised:
        message = finding.message if finding.is_bad else ""
        return replace(before, message=message, contrary=0, contrary_since=None)
    contrary, since = before.contrary + 1, before.contrary_since or now
    if contrary < (raise_after if finding.is_bad else clear_after):
        return replace(before, contrary=contrary, contrary_since=since)
    return Alert(
        name=before.name,
        service=before.service,
        raised=finding.is_bad,
        since=since,
        message=finding.message if finding.is_bad else "",
    )
