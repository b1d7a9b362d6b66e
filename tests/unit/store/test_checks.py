"""What can go wrong while every service answers, each look for itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from alpaquero.broker.breaker import Breaker
from alpaquero.monitoring.settings import MonitoringSettings
from alpaquero.store import checks, health
from alpaquero.store.books import Books, BrokerFigures, SyncNotes
from alpaquero.store.broker_state import OutboundState, SharedBrokerState
from alpaquero.store.usage import MemoryUse, Usage, after

LIMITS = MonitoringSettings(sync_lag_seconds=300, queue_depth=5)
SCOPES = checks.broker_scopes("https://paper-api.alpaca.markets", "https://data.alpaca.markets")


@pytest.mark.usefixtures("tables")
def test_work_that_is_late_is_bad() -> None:
    """Who ran within the lag is well, who has never run is not late, who is older is named."""
    health.record_work("trading", detail="sync")
    now = datetime.now(UTC)
    assert [one.is_bad for one in checks.work_findings(LIMITS, now)] == [False, False]
    late = checks.work_findings(LIMITS, now + timedelta(minutes=7))[0]
    assert (late.name, late.service, late.is_bad) == ("work:trading", "trading", True)
    assert "7 minutes ago" in late.message


@pytest.mark.usefixtures("tables")
def test_a_drift_is_bad_while_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the last sync could not explain is named with its amount."""
    books = Books("paper")
    assert [one.is_bad for one in checks.books_findings(books)] == [False, False, False]
    monkeypatch.setattr(Books, "notes", lambda self: SyncNotes(drift={"AAPL": Decimal(3)}))
    drift = checks.books_findings(books)[0]
    assert (drift.is_bad, "AAPL: 3" in drift.message) == (True, True)


@pytest.mark.usefixtures("tables")
def test_an_account_that_the_broker_blocks_is_bad() -> None:
    """By the broker's own word for it, as the last sync read it, until a sync reads otherwise."""
    books = Books("paper")
    for blocks in ((), ("trade_suspended_by_user",), ()):
        books.keep_broker_figures(
            BrokerFigures(
                cash=Decimal(1),
                equity=Decimal(1),
                buying_power=Decimal(1),
                positions=(),
                at=datetime(2026, 1, 5, 15, tzinfo=UTC),
                blocks=blocks,
            )
        )
        account = checks.books_findings(books)[1]
        assert (account.name, account.is_bad) == ("account", bool(blocks))
        assert "".join(blocks) in account.message


def test_queues_that_pile_up_and_dead_letters_are_bad() -> None:
    """A queue may hold what the setting says; one dead letter is one too many."""
    piled, lost = checks.queue_findings(lambda: {"A": 6, "B": 5}, lambda: {"A": 0, "B": 1}, LIMITS)
    assert (piled.is_bad, "A: 6" in piled.message, "B" in piled.message) == (True, True, False)
    assert (lost.is_bad, "B: 1" in lost.message) == (True, True)
    well = checks.queue_findings(lambda: {"A": 5}, lambda: {"A": 0}, LIMITS)
    assert [one.is_bad for one in well] == [False, False]


@pytest.mark.usefixtures("tables")
def test_a_way_to_people_that_keeps_failing_is_bad() -> None:
    """It is named; one that failed a few times, or answers again, is not."""
    assert checks.outbound_finding().is_bad is False
    is_open = Breaker(failures=5, open_until=9e9, opened=1, version=1)
    OutboundState().swap("webhook:team", Breaker(), is_open)
    OutboundState().swap("mail", Breaker(), Breaker(failures=2, version=1))
    found = checks.outbound_finding()
    assert (found.name, found.is_bad) == ("breaker:outbound", True)
    assert "webhook:team" in found.message
    assert "mail" not in found.message


@pytest.mark.usefixtures("tables")
def test_an_open_breaker_is_bad() -> None:
    """Only that of the API which keeps failing."""
    SharedBrokerState().swap(SCOPES[1], Breaker(), Breaker(failures=5, open_until=9e9, opened=1, version=1))
    trading, data = checks.breaker_findings(SCOPES)
    assert (trading.name, trading.is_bad, data.name, data.is_bad) == (
        "breaker:trading",
        False,
        "breaker:data",
        True,
    )


def test_a_look_that_cannot_be_made_is_neither_good_nor_bad() -> None:
    """A table that is away turns no other alert, and the finding says what happened."""

    def away() -> dict[str, int]:
        raise ConnectionError("the table is away")

    found = checks.queue_findings(away, dict, LIMITS)
    assert [one.is_bad for one in found] == [None, False]
    assert msgspec.to_builtins(found[0])["message"] == "could not look (ConnectionError)"


MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)


def usage_at(hour: int, *, errors: float, invocations: float = 100, throttles: float = 0) -> Usage:
    """A day's reading: one function and one table."""
    return Usage(
        since=MIDNIGHT,
        until=MIDNIGHT + timedelta(hours=hour),
        functions={"TradingSync": {"Invocations": invocations, "Errors": errors, "Throttles": throttles}},
        tables={"Books": {"ReadThrottleEvents": 0.0, "WriteThrottleEvents": throttles}},
    )


@pytest.mark.parametrize(
    ("errors", "invocations", "is_bad"), [(7, 100, True), (5, 100, False), (2, 3, False), (3, 3, True)]
)
def test_a_function_that_keeps_failing_is_bad(errors: float, invocations: float, is_bad: bool) -> None:
    """More than the setting's share of its invocations, and three at least: one of two says nothing."""
    found = after(None, usage_at(1, errors=errors, invocations=invocations))
    failing, throttled = checks.usage_findings(found, LIMITS)
    assert (failing.name, failing.is_bad, throttled.is_bad) == ("errors", is_bad, False)
    assert is_bad == ("TradingSync" in failing.message)


def test_failures_before_the_last_reading_are_over() -> None:
    """The day's sums go on, what was added since the reading before is judged; a new day begins anew."""
    morning = after(None, usage_at(1, errors=50))
    noon = after(morning, usage_at(2, errors=50, invocations=300, throttles=2))
    failing, throttled = checks.usage_findings(noon, LIMITS)
    assert (failing.is_bad, throttled.is_bad) == (False, True)
    assert "TradingSync: 2 times" in throttled.message
    assert "Books: 2 times" in throttled.message
    tomorrow = replace(usage_at(1, errors=9), since=MIDNIGHT + timedelta(days=1))
    assert checks.usage_findings(after(noon, tomorrow), LIMITS)[0].is_bad


def test_a_function_near_its_limit_of_memory_is_bad() -> None:
    """Above nine tenths it is named with both figures; where no limit is known nothing is near it."""
    memory = {
        "SignalEvaluate": MemoryUse(470.0, 512),
        "TradingSync": MemoryUse(460.0, 512),
        "Other": MemoryUse(9e9, None),
    }
    (found,) = checks.usage_findings(Usage(since=MIDNIGHT, until=MIDNIGHT, memory=memory), LIMITS)
    assert (found.name, found.is_bad) == ("memory", True)
    assert "(SignalEvaluate: 470 of 512 MB)" in found.message
    del memory["SignalEvaluate"]
    (found,) = checks.usage_findings(Usage(since=MIDNIGHT, until=MIDNIGHT, memory=memory), LIMITS)
    assert not found.is_bad


def test_where_nobody_counts_nothing_is_said() -> None:
    """The laptop's engine counts no invocations, and before the first reading there are none."""
    nobody = Usage(since=MIDNIGHT, until=MIDNIGHT)
    assert [] == checks.usage_findings(None, LIMITS) == checks.usage_findings(after(None, nobody), LIMITS)


def test_a_reading_that_fails_neither_clears_an_alert_nor_makes_the_day_count_as_lately() -> None:
    """What was known stays until CloudWatch answers again: errors of the morning are not those of now."""
    morning = after(None, usage_at(1, errors=50))
    mute = after(morning, replace(usage_at(2, errors=0), functions={}, missing={"AWS/Lambda": "no answer"}))
    assert checks.usage_findings(mute, LIMITS)[0].is_bad
    noon = after(mute, usage_at(3, errors=50, invocations=300))
    assert not checks.usage_findings(noon, LIMITS)[0].is_bad
