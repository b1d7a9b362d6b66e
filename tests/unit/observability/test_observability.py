"""What the log says of an invocation, and what it never says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from alpaquero import observability
from alpaquero.observability import correlation, correlation_id, count, observed, record_failed
from alpaquero.store import health, settings_items

record = health.record_peak


def test_a_handler_logs_one_line_with_its_correlation_id(log_lines: list[dict[str, Any]]) -> None:
    """Each invocation leaves a line with service, correlation id and duration."""

    @observed("signal")
    def handler(event: Any, _context: Any) -> Any:
        correlation(event["correlation_id"])
        return {"batchItemFailures": [{"itemIdentifier": "1"}]}

    handler({"correlation_id": "run-17"}, None)
    assert [
        (line["message"], line["service"], line["correlation_id"], line["failed"]) for line in log_lines
    ] == [("handled", "signal", "run-17", 1)]
    assert log_lines[0]["milliseconds"] >= 0


def test_an_exception_is_told_and_raised_again(
    log_lines: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The trace is in the log, the failure is counted, and the caller still sees it."""

    @observed("signal")
    def handler(_event: Any, _context: Any) -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        handler({}, None)
    assert "ValueError: broken" in log_lines[0]["exception"]
    metric = json.loads(capsys.readouterr().out)
    assert (metric["Failures"], metric["service"], metric["error"]) == ([1.0], "signal", "ValueError")


def test_one_invocation_does_not_inherit_from_the_last(log_lines: list[dict[str, Any]]) -> None:
    """A warm function begins with a correlation id of its own and without the keys of the one before."""

    @observed("signal")
    def handler(event: Any, _context: Any) -> None:
        if event:
            observability.logger.append_keys(symbol="AAPL")
            correlation("first")

    handler({"first": True}, None)
    handler({}, None)
    assert log_lines[0]["symbol"] == "AAPL"
    assert "symbol" not in log_lines[1]
    assert log_lines[1]["correlation_id"] != "first"


@pytest.mark.parametrize("given", ["", "a b", "x\ny", "{}", "é", "a" * 65, None, "-a"])
def test_an_unsound_correlation_id_is_replaced(given: str | None) -> None:
    """What a caller sends goes into logs and headers, so only a short plain word is kept."""
    assert correlation(given) != given
    assert correlation_id() == observability.logger.get_correlation_id()


def test_a_sound_correlation_id_is_kept() -> None:
    """An id that another service or API Gateway gave goes on."""
    assert correlation("1-5759e988-bd862e3fe1be46a994272793") == "1-5759e988-bd862e3fe1be46a994272793"


def test_a_failed_record_is_told(log_lines: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    """A record that goes back to its queue leaves its id and trace, not its body."""
    record = {"messageId": "m1", "eventSourceARN": "arn:queue", "body": "hush"}
    record_failed(record, RuntimeError("no table"))
    assert (log_lines[0]["message_id"], log_lines[0]["source"]) == ("m1", "arn:queue")
    assert "RuntimeError: no table" in log_lines[0]["exception"]
    assert "hush" not in json.dumps(log_lines) + capsys.readouterr().out


def test_a_count_is_an_embedded_metric(capsys: pytest.CaptureFixture[str]) -> None:
    """CloudWatch reads the metric out of the log line."""
    count("OrdersPlaced", 2, symbol="AAPL")
    metric = json.loads(capsys.readouterr().out)
    definition = metric["_aws"]["CloudWatchMetrics"][0]
    assert (definition["Namespace"], definition["Metrics"][0]["Name"]) == ("Alpaquero", "OrdersPlaced")
    assert (metric["OrdersPlaced"], metric["symbol"]) == ([2.0], "AAPL")


def test_logs_are_cheap_to_import() -> None:
    """Neither the tracer nor boto3 nor pydantic comes with the logger."""
    program = (
        "import sys, alpaquero.observability; print({'aws_xray_sdk', 'boto3', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "set()"


class LambdaContext:
    """What tells an invocation from a plain call."""

    function_name = "signal-plan"
    aws_request_id = "request-1"


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str | Exception | None]]:
    """The answers of the settings' log level, first one first; the logger is put back afterwards."""
    answers: list[str | Exception | None] = []

    def log_level() -> str | None:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(settings_items, "log_level", log_level)
    monkeypatch.setattr(observability, "_looked_at", -observability.LOOK_AGAIN_SECONDS)
    before = observability.logger.log_level
    yield answers
    observability.logger.setLevel(before)


@observed("signal")
def logging_handler(_event: Any, _context: Any) -> None:
    observability.logger.debug("fine grained")


def test_the_level_of_the_settings_takes_effect_at_an_invocation(
    looked: list[str | Exception | None],
    log_lines: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A level that was set is logged at without a deploy; once it is unset the deployed one is back."""
    monkeypatch.setattr(observability, "tell_memory", lambda _context: None)
    looked += ["DEBUG", None]
    logging_handler({}, LambdaContext())
    assert ["fine grained", "handled"] == [line["message"] for line in log_lines]
    monkeypatch.setattr(observability, "_looked_at", -observability.LOOK_AGAIN_SECONDS)
    logging_handler({}, LambdaContext())
    assert ["handled"] == [line["message"] for line in log_lines[2:]]


def test_the_level_is_looked_at_once_a_minute_and_only_in_lambda(
    looked: list[str | Exception | None],
) -> None:
    """A second invocation within the minute, or a call without a Lambda context, reads nothing."""
    looked += ["DEBUG", "ERROR"]
    logging_handler({}, None)
    assert 2 == len(looked)
    for _ in range(2):
        logging_handler({}, LambdaContext())
    assert ["ERROR"] == looked


def test_a_level_that_cannot_be_read_is_told_and_changes_nothing(
    looked: list[str | Exception | None], log_lines: list[dict[str, Any]]
) -> None:
    """The invocation goes on at the level it had."""
    looked.append(ConnectionError("no table"))
    logging_handler({}, LambdaContext())
    assert ["ERROR", "INFO"] == [line["level"] for line in log_lines]
    assert "could not be read" in log_lines[0]["message"]


def test_a_handler_may_log_as_deployed(looked: list[str | Exception | None]) -> None:
    """One that reads no table is not made to."""
    looked.append("DEBUG")

    @observed("gateway", follows_settings=False)
    def handler(_event: Any, _context: Any) -> None:
        """Does nothing."""

    handler({}, LambdaContext())
    assert ["DEBUG"] == looked


class Lambda:
    """The context of an invocation on Lambda."""

    function_name = "bot-SignalPlan-AAAAAAAA"
    memory_limit_in_mb = "512"


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the process has used, as the test says; nothing was told of it yet."""
    used = [100.0]
    monkeypatch.setattr(observability, "memory_mb", lambda: used[0])
    monkeypatch.setattr(observability, "_told_memory", (date.min, 0.0))
    return used


@pytest.mark.usefixtures("tables")
def test_a_worker_tells_its_memory_once_and_when_it_has_grown(
    memory: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write a process and day, one more for each tenth; the highest of all processes is kept."""
    kept: list[health.Peak] = []

    def keep(peak: health.Peak) -> None:
        kept.append(peak)
        record(peak)

    monkeypatch.setattr(health, "record_peak", keep)

    @observed("signal")
    def handler(_event: Any, _context: Any) -> None:
        """Does nothing."""

    for memory[0] in (100.0, 105.0, 120.0, 120.0):
        handler({}, Lambda())
    assert [peak.memory_mb for peak in kept] == [100.0, 120.0]
    today = datetime.now(UTC).date()
    peak = health.Peak(function="bot-SignalPlan-AAAAAAAA", day=today, memory_mb=120.0, limit_mb=512)
    record(health.Peak(function=peak.function, day=today, memory_mb=90.0, limit_mb=512))
    assert health.peaks(today) == [peak]
    assert health.peaks(today + timedelta(days=1)) == []
    tomorrow = health.Peak(function=peak.function, day=today + timedelta(days=1), memory_mb=9.0, limit_mb=512)
    record(tomorrow)
    assert health.peaks(tomorrow.day) == [tomorrow]


def test_memory_that_cannot_be_kept_fails_nothing(
    memory: list[float], log_lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work is done; the log says what could not be kept, once."""

    def lost(_peak: health.Peak) -> None:
        raise ConnectionError("the table is away")

    monkeypatch.setattr(health, "record_peak", lost)
    for _ in range(2):
        observability.tell_memory(Lambda())
    assert ["the memory used could not be kept; the log has it"] == [one["message"] for one in log_lines]
