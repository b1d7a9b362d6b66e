"""Backtests as jobs: asked for once, run from the store, kept in the archive, failures told."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from botocore.exceptions import EndpointConnectionError

from alpaquero import deadline
from alpaquero.backtests.outcome import Outcome, decoded
from alpaquero.errors import Conflict
from alpaquero.store import backtests
from alpaquero.store.backtests import Job, Status
from functions.analytics import api, backtest
from tests.fakes.queues import FakeQueues
from tests.unit.backtests.samples import START, days, outcome, prices

Call = Callable[..., tuple[int, Any]]
QUEUE = "backtest-queue"
ASKED = {"symbols": ["AAPL", "IBM"], "start": START.isoformat(), "end": days()[-1].isoformat()}
BUCKET = "archive"

pytestmark = pytest.mark.usefixtures("tables")


@pytest.fixture(autouse=True)
def archive(tables: None) -> Iterator[Any]:
    """The bucket, empty."""
    backtests.archive_client.cache_clear()
    client = backtests.archive_client()
    client.create_bucket(Bucket=BUCKET)
    yield client
    backtests.archive_client.cache_clear()


class Calendar:
    """A broker's calendar without sessions: the engine of these tests needs none."""

    def sessions(self, start: date, end: date) -> list[Any]:
        return []


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch, queues: FakeQueues) -> dict[str, Any]:
    """Stored bars of two symbols, and an engine that keeps what it is given and answers a made-up outcome."""
    seen: dict[str, Any] = {"stored": {"AAPL": prices("AAPL"), "IBM": prices("IBM")}, "queues": queues}

    def execute(request: Any, settings: Any, series: Any, sessions: Any, **more: Any) -> Outcome:
        seen.update(request=request, settings=settings, series=series, longer=more["longer"])
        for done in range(1, 101):
            more["show"](done, 100, START + timedelta(days=done))
        if "fails" in seen:
            raise seen["fails"]
        return outcome(notes=list(more["notes"]))

    def read(symbols: Any, first: datetime, last: datetime, **how: Any) -> dict[str, Any]:
        seen.update(read=(first, last), timeframe=how["timeframe"])
        return {s: seen["stored"][s] for s in symbols if s in seen["stored"]}

    monkeypatch.setattr("alpaquero.backtests.execution.execute", execute)
    monkeypatch.setattr(backtest, "_calendar", Calendar)
    monkeypatch.setattr("alpaquero.store.bars.read", read)
    return seen


def post(call: Call, body: Any = None, key: str = "k1", role: str = "trader") -> tuple[int, Any]:
    """Asks for a backtest."""
    return call(
        api.app, "/api/backtests", method="POST", body=ASKED | (body or {}), role=role,
        headers={"idempotency-key": key},
    )  # fmt: skip


def work(queues: FakeQueues) -> dict[str, Any]:
    """Has the worker take what waits in the queue; answers the failures."""
    records = [record | {"receiptHandle": "r1"} for record in queues.receive(QUEUE)]
    answer: dict[str, Any] = backtest.handler({"Records": records}, None)
    return answer


def only_job() -> Job:
    """The one job there is."""
    (job,), _ = backtests.newest(10)
    return job


def test_a_backtest_is_queued_run_and_kept(call: Call, queues: FakeQueues, archive: Any) -> None:
    """From the request to figures, result and report, each reachable by the id that was answered."""
    status, accepted = post(call)
    assert (202, "queued") == (status, accepted["status"])
    assert [accepted["id"]] == [body["id"] for body in queues.bodies(QUEUE)]
    assert {"batchItemFailures": []} == work(queues)
    status, told = call(api.app, "/api/backtests/{id}", path={"id": accepted["id"]})
    assert (200, "done", 100) == (status, told["status"], told["progress_percent"])
    assert outcome().trades_sha256 == told["figures"]["trades_sha256"]
    assert ("ana", ["AAPL", "IBM"]) == (told["requested_by"], told["request"]["symbols"])
    status, whole = call(api.app, "/api/backtests/{id}/result", path={"id": accepted["id"]})
    assert (200, 20) == (status, len(whole["round_trips"]))
    stored = archive.get_object(Bucket=BUCKET, Key=f"backtests/{accepted['id']}/result.json.gz")
    assert decoded(gzip.decompress(stored["Body"].read())).trades_sha256 == whole["trades_sha256"]
    assert b"<!doctype html>" in backtests.file(accepted["id"], backtests.REPORT)


def test_the_report_is_answered_as_a_page(call: Call, queues: FakeQueues) -> None:
    """The route gives HTML, the very file that was stored."""
    _, accepted = post(call)
    work(queues)
    answer = api.app(
        {
            "httpMethod": "GET",
            "headers": {},
            "multiValueHeaders": {},
            "multiValueQueryStringParameters": None,
            "pathParameters": {"id": accepted["id"]},
            "stageVariables": None,
            "body": None,
            "isBase64Encoded": False,
            "requestContext": {
                "resourcePath": "/api/backtests/{id}/report",
                "httpMethod": "GET",
                "authorizer": {"username": "ana", "role": "viewer"},
                "identity": {},
            },
        },
        None,
    )
    assert (200, "text/html; charset=utf-8") == (answer["statusCode"], answer["headers"]["Content-Type"])
    assert answer["body"].encode() == backtests.file(accepted["id"], backtests.REPORT)


def test_the_same_key_is_the_same_backtest(call: Call, queues: FakeQueues) -> None:
    """A repeat answers the first one's id and begins no other; another request under the key is refused."""
    _, first = post(call)
    work(queues)
    _, again = post(call)
    assert (first["id"], "done") == (again["id"], again["status"])
    assert [] == queues.bodies(QUEUE)
    status, refused = post(call, {"seed": 2})
    assert (409, "conflict") == (status, refused["error"]["code"])
    _, other = post(call, key="k2")
    assert other["id"] != first["id"]


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"symbols": []}, "symbols", "symbols is empty"),
        ({"start": "2030-01-01"}, None, "exchange them"),
        ({"timeframe": "2Min"}, "timeframe", "Invalid enum value"),
        ({"strategies": ["nothing"]}, "strategies", "there is no strategy 'nothing'"),
        ({"changes": {"strategy.rsi_period_bars": 1}}, "changes", "rsi_period_bars is 1"),
        ({"symbols": [f"S{n}" for n in range(5000)], "start": "2000-01-03"}, "symbols", "may read 2,000,000"),
        ({"timeframe": "1Min", "start": "1990-01-02"}, "symbols", "may read 2,000,000"),
        ({"fills": {"partial_fills": "2"}}, None, "partial_fills is 2"),
        ({"nothing": 1}, None, "unknown field"),
    ],
)
def test_what_cannot_be_run_is_refused_at_once(
    call: Call, queues: FakeQueues, body: Any, field: str | None, said: str
) -> None:
    """A 400 with the fix, and nothing in the queue."""
    status, answer = post(call, body)
    assert 400 == status
    assert said in answer["error"]["message"]
    assert field is None or field == answer["error"]["details"].get("field", field)
    assert [] == queues.bodies(QUEUE)


def test_who_may_only_look_begins_none(call: Call) -> None:
    """A viewer may list backtests and not begin one; a key is required."""
    assert 403 == post(call, role="viewer")[0]
    assert 200 == call(api.app, "/api/backtests")[0]
    status, answer = call(api.app, "/api/backtests", method="POST", body=ASKED, role="trader")
    assert (400, "Idempotency-Key") == (status, answer["error"]["details"]["field"])


def test_the_list_pages_from_the_newest(call: Call) -> None:
    """Following `next` gives each job once, newest first."""
    request = msgspec.convert(ASKED, backtests.BacktestRequest)
    at = datetime(2026, 11, 23, tzinfo=UTC)
    made = [
        backtests.begin(request, key=str(n), requested_by="ana", now=at + timedelta(seconds=n))[0].id
        for n in range(5)
    ]
    seen: list[str] = []
    query = {"limit": "2"}
    while True:
        _, page = call(api.app, "/api/backtests", query=query)
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert made[::-1] == seen


def test_missing_bars_fail_with_the_command_that_fetches_them(
    call: Call, queues: FakeQueues, world: dict[str, Any]
) -> None:
    """The message names the symbols and `alpaquero history` with them; the job is not tried again."""
    del world["stored"]["IBM"]
    _, accepted = post(call)
    assert {"batchItemFailures": []} == work(queues)
    job = only_job()
    assert (Status.FAILED, accepted["id"]) == (job.status, job.id)
    assert "alpaquero history ingest --symbols IBM" in job.message
    status, answer = call(api.app, "/api/backtests/{id}/result", path={"id": job.id})
    assert 404 == status
    assert "alpaquero history" in answer["error"]["message"]


def test_bars_that_a_split_made_wrong_fail_as_missing_ones_do(
    call: Call, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Years that were taken out and not fetched again would leave a symbol out of them unseen."""
    monkeypatch.setattr("alpaquero.store.bars.retired", lambda *_, **__: ["IBM"])
    post(call)
    work(queues)
    assert Status.FAILED is only_job().status
    assert "alpaquero history ingest --symbols IBM" in only_job().message


def test_the_store_is_read_from_before_the_warm_up(
    call: Call, queues: FakeQueues, world: dict[str, Any]
) -> None:
    """250 bars before the first session are some 400 calendar days."""
    post(call)
    work(queues)
    first, last = world["read"]
    assert 390 < (datetime(2011, 1, 3, tzinfo=UTC) - first).days < 450
    assert days()[-1] <= last.date() <= days()[-1] + timedelta(days=1)


def test_a_job_of_shorter_bars_reads_those_and_the_calendar_around_them(
    call: Call, queues: FakeQueues, world: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """250 bars of 5 minutes are some days; the calendar begins with them and goes on past the end."""
    asked: list[tuple[date, date]] = []

    class Recorded(Calendar):
        def sessions(self, start: date, end: date) -> list[Any]:
            asked.append((start, end))
            return []

    monkeypatch.setattr(backtest, "_calendar", Recorded)
    assert 202 == post(call, {"timeframe": "5Min"})[0]
    assert {"batchItemFailures": []} == work(queues)
    first, _ = world["read"]
    assert ("5Min", "5Min") == (world["timeframe"], world["settings"].timeframe)
    assert 10 < (datetime(2011, 1, 3, tzinfo=UTC) - first).days < 25
    ((begin, end),) = asked
    assert begin <= first.date()
    assert days()[-1] + timedelta(days=30) < end


def test_a_job_of_two_timeframes_reads_the_bars_of_both(
    call: Call, queues: FakeQueues, world: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with the warm-up of its own strategies; the longer ones are given beside the shortest."""
    read: dict[str, datetime] = {}
    counts = {"5Min": 300, "1Hour": 280}

    def reads(symbols: Any, first: datetime, last: datetime, **how: Any) -> dict[str, Any]:
        read[how["timeframe"]] = first
        return {symbol: prices(symbol, counts[how["timeframe"]]) for symbol in symbols}

    monkeypatch.setattr("alpaquero.store.bars.read", reads)
    mixed = {
        "strategies": ["stochrsi_ema", "ema_cross"],
        "changes": {"strategies.ema_cross.timeframe": "5Min", "strategies.stochrsi_ema.timeframe": "1Hour"},
    }
    assert 202 == post(call, mixed)[0]
    assert {"batchItemFailures": []} == work(queues)
    assert Status.DONE is only_job().status
    given = {"5Min": world["series"], **world["longer"]}
    assert counts == {timeframe: len(series["IBM"]) for timeframe, series in given.items()}
    start = datetime(2011, 1, 3, tzinfo=UTC)
    assert (start - read["5Min"]).days < 30 < (start - read["1Hour"]).days - 60


def test_what_went_wrong_here_is_told_without_its_text(
    call: Call, queues: FakeQueues, world: dict[str, Any]
) -> None:
    """A defect fails the job with the correlation id to look for, and is not tried again."""
    world["fails"] = KeyError("inner secret")
    post(call)
    assert {"batchItemFailures": []} == work(queues)
    assert Status.FAILED is only_job().status
    assert "correlation id" in only_job().message
    assert "inner secret" not in only_job().message


def test_an_outage_brings_the_job_again_in_a_minute(
    call: Call, queues: FakeQueues, world: dict[str, Any]
) -> None:
    """The message goes back with a short delay, and the next try ends it."""
    world["fails"] = EndpointConnectionError(endpoint_url="https://s3")
    _, accepted = post(call)
    assert 1 == len(work(queues)["batchItemFailures"])
    assert [(QUEUE, "r1", backtest.TRY_AGAIN_SECONDS)] == queues.delayed
    assert Status.QUEUED is only_job().status
    del world["fails"]
    _send(queues, accepted["id"])
    assert {"batchItemFailures": []} == work(queues)
    assert (Status.DONE, 2) == (only_job().status, only_job().attempts)


def test_a_job_that_ran_out_of_time_twice_fails_with_the_fix(call: Call, queues: FakeQueues) -> None:
    """Killed by Lambda twice, it is not begun a third time."""
    _, accepted = post(call)
    queues.receive(QUEUE)
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    backtests.save(only_job(), status=Status.RUNNING, attempts=2, started_at=long_ago)
    _send(queues, accepted["id"])
    assert {"batchItemFailures": []} == work(queues)
    assert Status.FAILED is only_job().status
    assert "fewer symbols or a shorter period" in only_job().message


def test_a_job_without_time_left_ends_with_the_fix(
    call: Call, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker stops by itself before Lambda would, and says what to ask for instead."""
    monkeypatch.setattr(deadline, "seconds_left", lambda: 5.0)
    post(call)
    work(queues)
    assert Status.FAILED is only_job().status
    assert "15 minutes" in only_job().message


def test_a_message_that_came_twice_waits_for_its_own_worker(call: Call, queues: FakeQueues) -> None:
    """It comes again when the first worker must have ended, for no other message brings the job."""
    post(call)
    _run_by("0")
    assert 1 == len(work(queues)["batchItemFailures"])
    assert Status.RUNNING is only_job().status
    assert 960 == queues.delayed[0][2]


def test_a_repeated_request_leaves_no_message_behind(
    call: Call, queues: FakeQueues, world: dict[str, Any]
) -> None:
    """Its message is done with at once when that of the first request has its job run."""
    post(call)
    post(call)
    assert 2 == len(queues.bodies(QUEUE))
    _run_by("the first message")
    assert {"batchItemFailures": []} == work(queues)
    assert [] == queues.delayed
    assert "request" not in world


def test_of_two_workers_that_begin_at_once_one_runs_the_job(
    call: Call, queues: FakeQueues, world: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slower one sees that the other was quicker, and its message is done with."""
    post(call)
    read, waiting = backtests.get, [None]

    def as_the_other_begins(identifier: str) -> Job:
        job = read(identifier)
        if waiting:
            waiting.pop()
            _run_by("the other message")
        return job

    monkeypatch.setattr(backtests, "get", as_the_other_begins)
    assert {"batchItemFailures": []} == work(queues)
    assert ("the other message", 1) == (only_job().run_by, only_job().attempts)
    assert "request" not in world


def _run_by(message: str) -> None:
    """Has the only job begun by the worker of a message."""
    backtests.save(
        only_job(), status=Status.RUNNING, attempts=1, started_at=datetime.now(UTC), run_by=message
    )


def test_a_finished_job_is_not_run_again(call: Call, queues: FakeQueues, world: dict[str, Any]) -> None:
    """A message that comes again after the end changes nothing."""
    _, accepted = post(call)
    work(queues)
    before = only_job()
    world.pop("request")
    _send(queues, accepted["id"])
    work(queues)
    assert before == only_job()
    assert "request" not in world


def test_two_writers_of_a_job_are_told_apart() -> None:
    """Who writes over a version that is no longer there is refused."""
    request = msgspec.convert(ASKED, backtests.BacktestRequest)
    job, _ = backtests.begin(request, key="k", requested_by="ana", now=datetime.now(UTC))
    backtests.save(job, progress_percent=5)
    with pytest.raises(Conflict):
        backtests.save(job, progress_percent=10)


def test_a_job_that_does_not_exist_is_not_found(call: Call) -> None:
    """The answer says where those that exist are listed."""
    status, answer = call(api.app, "/api/backtests/{id}", path={"id": "nothing"})
    assert 404 == status
    assert "GET /api/backtests" in answer["error"]["message"]


def _send(queues: FakeQueues, identifier: str) -> None:
    queues.send_message(QueueUrl=QUEUE, MessageBody=f'{{"id": "{identifier}", "correlation_id": "c1"}}')
