"""An ingest fetches whole periods in steps, goes on where it stopped, and stores nothing twice."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from alpaquero.broker.protocol import Adjustment
from alpaquero.errors import BrokerError, BrokerRejected, BrokerUnavailable
from alpaquero.prices.bars import Bar, Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.store import bars, ingests
from alpaquero.store.ingests import Ingest, IngestRequest, IngestState
from functions.historical_data import api, ingest
from tests.fakes.broker import FakeBroker, FakeMarketData
from tests.fakes.queues import FakeQueues

Call = Callable[..., tuple[int, Any]]
ROUTE = "/api/historical/ingest"
QUEUE = "ingest-queue"
NOW = datetime(2024, 1, 5, 22, tzinfo=UTC)  # Friday, an hour after the close
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


def weekdays(first: date, last: date) -> list[date]:
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [day for day in days if day.weekday() < 5]


def daily(first: date, last: date, scale: float = 1.0) -> list[Bar]:
    return [
        Bar(bars.midnight(day).astimezone(UTC), scale, 2 * scale, 0.5 * scale, scale, 10)
        for day in weekdays(first, last)
    ]


class Broker(FakeBroker):
    """A clock that stands, and a calendar of weekdays."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW


class Data(FakeMarketData):
    """Market data that notes what it was asked, and fails when told to."""

    def __init__(self) -> None:
        super().__init__(history={s: daily(date(2022, 6, 1), date(2024, 1, 8)) for s in ("AAPL", "IBM")})
        self.asked: list[tuple[tuple[str, ...], date, date]] = []
        self.failures: list[BrokerError | None] = []

    def bars(
        self,
        symbols: Sequence[str],
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
        adjustment: Adjustment = "split",
    ) -> dict[str, Columns]:
        self.asked.append(
            (tuple(symbols), start.astimezone(NEW_YORK).date(), end.astimezone(NEW_YORK).date())
        )
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        return super().bars(symbols, timeframe, start, end, adjustment)


@pytest.fixture
def data(tables: None, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch) -> Data:
    """Two symbols from mid 2022 on, Monday's bar still forming on Friday evening."""
    data, broker = Data(), Broker()
    monkeypatch.setattr(ingest, "market_data", lambda: data)
    monkeypatch.setattr(ingest, "reader", lambda: broker)
    monkeypatch.setattr(api, "reader", lambda: broker)
    return data


def wanted(**changes: Any) -> IngestRequest:
    given: dict[str, Any] = {
        "symbols": ("AAPL", "IBM", "NONE"),
        "timeframe": Timeframe.DAY,
        "adjustment": "split",
        "first": date(2022, 3, 7),
        "last": date(2024, 6, 30),
    }
    return IngestRequest(**{**given, **changes})


def begun(queues: FakeQueues, request: IngestRequest) -> Ingest:
    job, _ = ingests.begin(request, requested_by="ana", now=BEGUN)
    send(queues, job)
    return job


def send(queues: FakeQueues, job: Ingest) -> None:
    body = {"id": job.id, "begun": job.begun.isoformat(), "correlation_id": "c"}
    queues.send_message(QueueUrl=QUEUE, MessageBody=json.dumps(body))


def work(queues: FakeQueues) -> int:
    """Takes the messages off the queue and handles them; answers how many there were."""
    records = queues.receive(QUEUE)
    assert {"batchItemFailures": []} == ingest.handler({"Records": records}, None)
    return len(records)


def now_of(job: Ingest) -> Ingest:
    found = ingests.get(job.id)
    assert found is not None
    return found


def test_whole_periods_are_stored_up_to_the_last_closed_bar(data: Data, queues: FakeQueues) -> None:
    """The bar that forms is not stored, and a symbol without any bar is named."""
    job = begun(queues, wanted())
    work(queues)
    done = now_of(job)
    closed = daily(date(2022, 6, 1), date(2024, 1, 5))
    assert (IngestState.DONE, 2 * len(closed), ("NONE",)) == (done.state, done.bars, done.without_bars)
    assert [(("AAPL", "IBM", "NONE"), date(2022, 1, 1), date(2024, 1, 5))] == data.asked
    kept = bars.read(["AAPL", "IBM"], bars.midnight(date(2022, 1, 1)), NOW + timedelta(days=9))
    assert {"AAPL": Columns.of(closed), "IBM": Columns.of(closed)} == kept


def test_years_that_a_split_made_wrong_are_retired_when_the_newest_are_fetched(
    data: Data, queues: FakeQueues
) -> None:
    """A backtest over both would see the price halved overnight; raw bars are right as they are."""
    for adjustment in ("split", "raw"):
        begun(queues, wanted(symbols=("AAPL", "IBM"), adjustment=adjustment, last=date(2023, 12, 31)))
        work(queues)
    data.history["AAPL"] = daily(date(2022, 6, 1), date(2024, 1, 8), scale=0.5)
    data.asked.clear()
    for adjustment in ("split", "raw"):
        begun(queues, wanted(adjustment=adjustment, first=date(2024, 1, 1)))
        work(queues)
    assert 3 == len(data.asked)  # one bar each of before, in the series that may have moved
    first, split = bars.midnight(date(2022, 1, 1)), {"AAPL": 0.5, "IBM": 1.0}
    kept = bars.read(split, first, NOW)
    assert split == {symbol: columns.open[-1] for symbol, columns in kept.items()}
    assert {"AAPL": 2024, "IBM": 2022} == {s: columns.start_at(0).year for s, columns in kept.items()}
    assert ["AAPL"] == bars.retired(split, first, NOW)
    assert 2022 == bars.read(["AAPL"], first, NOW, adjustment="raw")["AAPL"].start_at(0).year


def test_newer_years_that_a_split_made_wrong_are_retired_when_older_ones_are_fetched(
    data: Data, queues: FakeQueues
) -> None:
    """The older years come at the new scale, so the newer ones no longer fit; those of others stay."""
    for adjustment in ("split", "raw"):
        begun(queues, wanted(symbols=("AAPL", "IBM"), adjustment=adjustment, first=date(2023, 1, 1)))
        work(queues)
    data.history["AAPL"] = daily(date(2022, 6, 1), date(2024, 1, 8), scale=0.5)
    data.asked.clear()
    told = []
    for adjustment in ("split", "raw"):
        job = begun(queues, wanted(adjustment=adjustment, last=date(2022, 12, 31)))
        work(queues)
        told.append(now_of(job).message.partition(" were")[0])
    assert ["stored bars of AAPL", ""] == told
    assert 3 == len(data.asked)  # one bar each of behind, in the series that may have moved
    first, both = bars.midnight(date(2022, 1, 1)), ("AAPL", "IBM")
    kept = bars.read(both, first, NOW)
    assert {"AAPL": 0.5, "IBM": 1.0} == {symbol: columns.open[-1] for symbol, columns in kept.items()}
    assert {"AAPL": 2022, "IBM": 2024} == {s: columns.start_at(-1).year for s, columns in kept.items()}
    assert ["AAPL"] == bars.retired(both, first, NOW)
    assert 2024 == bars.read(["AAPL"], first, NOW, adjustment="raw")["AAPL"].start_at(-1).year


def test_a_split_between_two_steps_is_noticed(
    data: Data, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that waits for its budget over a night finds the scale changed in the middle of a symbol."""
    monkeypatch.setattr(ingests, "BARS_A_STEP", 300)
    job = begun(queues, wanted(symbols=("AAPL",)))
    left = itertools.cycle([100.0, 5.0])
    monkeypatch.setattr("alpaquero.deadline.seconds_left", lambda: next(left))
    work(queues)
    data.history["AAPL"] = daily(date(2022, 6, 1), date(2024, 1, 8), scale=0.5)
    while work(queues):
        pass
    first = bars.midnight(date(2022, 1, 1))
    assert IngestState.DONE is now_of(job).state
    assert "bars of AAPL were from before a split and are taken out; fetch" in now_of(job).message
    assert {0.5} == set(bars.read(["AAPL"], first, NOW)["AAPL"].open)
    assert ["AAPL"] == bars.retired(["AAPL"], first, NOW)


def test_a_bar_that_was_published_again_is_no_split(data: Data, queues: FakeQueues) -> None:
    """The newest stored bar may have moved by a cent since; the one before it says whether all has."""
    begun(queues, wanted(symbols=("AAPL",), last=date(2023, 12, 31)))
    work(queues)
    first, newest = bars.midnight(date(2022, 1, 1)), bars.midnight(date(2023, 12, 29))
    moved = Bar(newest.astimezone(UTC), 1.0, 2.0, 0.5, 1.01, 10)
    bars.merge({"AAPL": Columns.of([moved])}, newest, newest)
    begun(queues, wanted(symbols=("AAPL",), first=date(2024, 1, 1)))
    work(queues)
    assert [] == bars.retired(["AAPL"], first, NOW)
    assert 2022 == bars.read(["AAPL"], first, NOW)["AAPL"].start_at(0).year


def test_a_job_goes_on_in_the_next_message_before_its_time_is_up(
    data: Data, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One step an invocation, when there is no time for two; none is left out or done twice."""
    request = wanted(symbols=tuple(f"S{n:03}" for n in range(40)))
    data.history = {symbol: daily(date(2023, 1, 2), date(2023, 2, 1)) for symbol in request.symbols}
    job = begun(queues, request)
    assert 4 == job.steps
    left = itertools.cycle([100.0, 5.0])
    monkeypatch.setattr("alpaquero.deadline.seconds_left", lambda: next(left))
    invocations = 0
    while work(queues):
        invocations += 1
    assert (4, 4, IngestState.DONE) == (invocations, len(data.asked), now_of(job).state)
    assert list(request.symbols) == [symbol for symbols, _, _ in data.asked for symbol in symbols]


def test_a_broker_that_does_not_answer_is_asked_again_later(data: Data, queues: FakeQueues) -> None:
    """The message comes again when the broker said, the step is not counted."""
    data.failures = [BrokerUnavailable("busy", 42.0)]
    job = begun(queues, wanted())
    work(queues)
    assert (IngestState.RUNNING, 0, 1) == (now_of(job).state, now_of(job).steps_done, now_of(job).troubles)
    assert [43] == [m["DelaySeconds"] for m in queues.messages[QUEUE]]
    work(queues)
    assert (IngestState.DONE, 0) == (now_of(job).state, now_of(job).troubles)


def test_troubles_without_end_end_the_job(data: Data, queues: FakeQueues) -> None:
    """Somebody has to look, and is told that what is stored is kept."""
    data.failures = [BrokerUnavailable("down") for _ in range(30)]
    job = begun(queues, wanted())
    while work(queues):
        pass
    assert IngestState.FAILED == now_of(job).state
    assert "ask for it again" in now_of(job).message


def test_a_refusal_fails_the_job_at_once(data: Data, queues: FakeQueues) -> None:
    """A 403 for a feed that the keys may not read will not pass."""
    data.failures = [BrokerRejected(403, None, "subscription does not permit", {})]
    job = begun(queues, wanted())
    work(queues)
    assert IngestState.FAILED == now_of(job).state
    assert "subscription" in now_of(job).message


def test_a_message_that_comes_twice_does_no_harm(data: Data, queues: FakeQueues) -> None:
    """The second worker finds the job done."""
    job = begun(queues, wanted())
    send(queues, job)
    work(queues)
    assert 1 == len(data.asked)


def test_a_message_of_an_earlier_beginning_is_dropped(data: Data, queues: FakeQueues) -> None:
    """Asked for again, the job has one line of messages, the new one."""
    job = begun(queues, wanted())
    work(queues)
    again, is_new = ingests.begin(job.request, requested_by="ana", now=BEGUN + timedelta(days=1))
    assert is_new
    send(queues, job)
    work(queues)
    assert IngestState.QUEUED == now_of(again).state


def test_two_workers_do_not_count_one_step_twice(data: Data, queues: FakeQueues) -> None:
    """Who is late sees that the job has moved."""
    job = begun(queues, wanted())
    work(queues)
    assert not ingests.advance(job, job)


@pytest.mark.parametrize("timeframe", list(Timeframe))
def test_the_steps_of_a_job_cover_all_of_it_once(timeframe: Timeframe) -> None:
    """Every symbol has every day of the periods, in stretches that begin with a period."""
    request = wanted(symbols=tuple(f"S{n:03}" for n in range(250)), timeframe=timeframe)
    covered: dict[str, list[tuple[date, date]]] = {}
    for step in ingests.steps(request):
        assert step.first == bars.bounds(bars.period(timeframe, bars.midnight(step.first)))[0]
        for symbol in step.symbols:
            covered.setdefault(symbol, []).append((step.first, step.last))
    assert set(request.symbols) == set(covered)
    for spans in covered.values():
        assert spans[0][0] <= request.first
        assert spans[-1][1] >= request.last
        assert all(b[0] - a[1] == timedelta(days=1) for a, b in itertools.pairwise(spans))


def test_minutes_are_stored_by_the_day_without_those_outside_of_the_session(
    data: Data, queues: FakeQueues
) -> None:
    """Only closed minutes of the regular session, and only so far."""
    start = bars.midnight(date(2024, 1, 4)).astimezone(UTC)
    data.history["AAPL"] = [
        Bar(start + timedelta(minutes=n), 1.0, 2.0, 0.5, 1.5, 10) for n in range(2 * 1440)
    ]
    request = wanted(
        symbols=("AAPL",), timeframe=Timeframe.MINUTE, first=date(2024, 1, 4), last=date(2024, 1, 5)
    )
    job = begun(queues, request)
    work(queues)
    assert (IngestState.DONE, 2 * 390) == (now_of(job).state, now_of(job).bars)


def test_an_ingest_is_asked_for_once_and_followed(call: Call, data: Data, queues: FakeQueues) -> None:
    """The same request is the same job, whatever the order of its symbols; its id shows the progress."""
    body = {"symbols": ["ibm", "AAPL"], "start": "2022-03-07", "end": "2024-01-05"}
    status, first = call(api.app, ROUTE, method="POST", body=body, role="trader")
    assert (202, "queued", ["AAPL", "IBM"]) == (status, first["state"], first["symbols"])
    again = call(api.app, ROUTE, method="POST", body={**body, "symbols": ["AAPL", "IBM"]}, role="trader")
    assert (202, first) == again
    assert 1 == work(queues)
    status, shown = call(api.app, ROUTE + "/{id}", path={"id": first["id"]})
    assert (200, "done", 1, 1) == (status, shown["state"], shown["steps"], shown["steps_done"])
    assert [shown] == call(api.app, ROUTE)[1]["items"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"symbols": []}, "symbols"),
        ({"symbols": ["A B"]}, "symbols"),
        ({"start": "2025-01-01"}, "start"),
        ({"start": "1970-01-01"}, "start"),
        ({"timeframe": "2Min"}, "timeframe"),
        ({"adjustment": "none"}, "adjustment"),
    ],
)
def test_a_wrong_request_is_named(call: Call, data: Data, change: dict[str, Any], field: str) -> None:
    """Nothing is queued for it."""
    body = {"symbols": ["AAPL"], "start": "2022-03-07", "end": "2024-01-05", **change}
    status, answer = call(api.app, ROUTE, method="POST", body=body, role="trader")
    assert (400, field) == (status, answer["error"]["details"]["field"])


def test_an_ingest_ends_today_at_the_latest(call: Call, data: Data) -> None:
    """There are no bars of later days; the last day of all time is as good as today."""
    body = {"symbols": ["AAPL"], "start": "2022-03-07"}
    _, to_today = call(api.app, ROUTE, method="POST", body=body, role="trader")
    body["end"] = "9999-12-31"
    assert (202, to_today) == call(api.app, ROUTE, method="POST", body=body, role="trader")


def test_a_viewer_begins_no_ingest(call: Call, data: Data) -> None:
    """It spends the request budget."""
    assert 403 == call(api.app, ROUTE, method="POST", body={"symbols": ["A"], "start": "2022-01-01"})[0]


def test_the_gap_report_names_what_the_calendar_promises(call: Call, data: Data) -> None:
    """Days in a row are one gap; today's session counts once it has closed."""
    kept = Columns.of(
        [b for b in daily(date(2023, 12, 1), date(2024, 1, 4)) if b.start.day not in {13, 14, 20}]
    )
    bars.merge({"AAPL": kept}, bars.midnight(date(2023, 1, 1)), NOW)
    status, report = call(api.app, "/api/historical/{symbol}/gaps", path={"symbol": "AAPL"})
    assert 200 == status
    assert [("2023-12-13T05:00:00Z", 2), ("2023-12-20T05:00:00Z", 1), ("2024-01-05T05:00:00Z", 1)] == [
        (gap["first"], gap["bars"]) for gap in report["items"]
    ]
    assert (4, 3, "2023-12-01", "2024-01-05") == (
        report["missing"], report["gaps"], report["start"], report["end"],
    )  # fmt: skip


def test_a_gap_report_that_would_check_too_much_ends_earlier(
    call: Call, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bar at the start and one at the end promise all that is between: it says up to where it looked."""
    monkeypatch.setattr(api, "MOST_CHECKED", 3)
    two = [b for b in daily(date(2023, 12, 1), date(2024, 1, 4)) if b.start.day in {1, 28}]
    bars.merge({"AAPL": Columns.of(two)}, bars.midnight(date(2023, 1, 1)), NOW)
    _, report = call(api.app, "/api/historical/{symbol}/gaps", path={"symbol": "AAPL"})
    assert (3, 2, "2023-12-05") == (report["expected"], report["missing"], report["end"])


def test_a_job_is_forgotten_in_the_end(data: Data, queues: FakeQueues) -> None:
    """The list of jobs is read whole, so it must not grow for ever."""
    job = begun(queues, wanted())
    item = ingests.IngestItem.get(ingests.INGEST, job.id)
    assert (BEGUN + timedelta(days=90)).timestamp() == item.expires_at
