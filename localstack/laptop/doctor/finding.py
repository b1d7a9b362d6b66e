"""What one check found, how it looked and what to do; every check of ``laptop.doctor`` gives one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

_MARKS: Final = {"ok": "ok  ", "fail": "FAIL", "warn": "warn", "skipped": "-   "}


class Outcome(StrEnum):
    """`warn` is worth knowing and stops nothing; `skipped` could not be looked at, and says why."""

    OK = "ok"
    FAIL = "fail"
    WARN = "warn"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """`how` it was looked at, what was `found`, and the `fix`, empty where nothing is to be mended."""

    name: str
    outcome: Outcome
    how: str
    found: str
    fix: str = ""


Check = Callable[[], Finding]


def ok(name: str, how: str, found: str) -> Finding:
    """All is well."""
    return Finding(name, Outcome.OK, how, found)


def fail(name: str, how: str, found: str, fix: str) -> Finding:
    """It must be mended."""
    return Finding(name, Outcome.FAIL, how, found, fix)


def warn(name: str, how: str, found: str, fix: str) -> Finding:
    """It should be mended, or known."""
    return Finding(name, Outcome.WARN, how, found, fix)


def skipped(name: str, how: str, why: str, fix: str = "") -> Finding:
    """It could not be looked at."""
    return Finding(name, Outcome.SKIPPED, how, why, fix)


def judged(name: str, how: str, found: str, fix: str, *, good: bool) -> Finding:
    """Ok when `good`, else a failure with its fix."""
    return ok(name, how, found) if good else fail(name, how, found, fix)


_DENIED: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}
)


def run(checks: Iterable[tuple[str, Check]]) -> Iterator[Finding]:
    """Every check in turn; one that raises is a finding too, a refused look is skipped with the reason."""
    from botocore.exceptions import BotoCoreError, ClientError

    for name, check in checks:
        try:
            yield check()
        except ClientError as error:
            told, operation = error.response["Error"], error.operation_name
            if told.get("Code") in _DENIED:
                yield skipped(
                    name, operation, "these credentials may not look", f"allow {operation}, or look by hand"
                )
            else:
                yield fail(name, operation, str(told.get("Message") or told.get("Code")), "see the message")
        except (BotoCoreError, OSError) as error:
            yield fail(name, "a call", str(error), "check credentials, region and network")


def printed(findings: Sequence[Finding], only: set[Outcome] | None = None) -> Iterator[str]:
    """Lines for people: what was found, how, and under what is not well its fix."""
    for one in findings:
        if only is None or one.outcome in only:
            yield f"{_MARKS[one.outcome]} {one.name}: {one.found} ({one.how})"
            if one.fix and one.outcome != Outcome.OK:
                yield f"     fix: {one.fix}"


def as_objects(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """For ``--json``."""
    return [asdict(one) for one in findings]
