"""What a failed test's report tells of its clouds."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from laptop.errors import NotRunningError
from tests import evidence


def test_the_ends_of_logs_written_meanwhile_are_told(tmp_path: Path) -> None:
    """Of each process's log the last lines; not of one that is empty, nor of one from before."""
    for state, text in {"a": "one\ntwo", "b/state": "three", "empty": "", "old": "before"}.items():
        log = tmp_path / state / "logs" / "engine.log"
        log.parent.mkdir(parents=True)
        log.write_text(text)
        os.utime(log, (50, 50) if state == "old" else (200, 200))
    told = {"a/logs/engine.log": "one\ntwo", "b/state/logs/engine.log": "three"}
    assert told == dict(evidence.sections(tmp_path, since=100))


def test_what_functions_logged_in_trouble_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Warnings, errors, answers of 500 and what is no JSON, in order of time; nothing else."""
    (tmp_path / "cloud").mkdir()
    (tmp_path / "cloud" / "stack.json").write_text("{}")
    lines = {
        100_005: '{"level":"ERROR","message":"five"}',
        100004: "Task timed out after 29.00 seconds",
        100003: '{"level":"INFO","message":"answered","status":502}',
        100002: '{"level":"INFO","message":"answered","status":200}',
        100001: "START RequestId: 1",
        100000: '{"_aws": {}, "Runs": 1}',
    }

    class Logs:
        def describe_log_groups(self) -> dict[str, Any]:
            return {"logGroups": [{"logGroupName": "all"}]}

        def get_paginator(self, _: str) -> Logs:
            return self

        def paginate(self, **asked: Any) -> list[dict[str, Any]]:
            assert asked == {"logGroupName": "all", "startTime": 100_000}
            return [{"events": [{"timestamp": at, "message": text} for at, text in lines.items()]}]

    class Found:
        def client(self, _: str) -> Logs:
            return Logs()

    monkeypatch.setattr("tests.evidence.Stack.find", lambda _: Found())
    told = dict(evidence.sections(tmp_path, since=100))
    assert [lines[100_000 + n] for n in (3, 4, 5)] == told["functions of cloud"].splitlines()


def test_of_a_cloud_that_was_stopped_the_saved_log_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the engine wrote at its end, of the time asked for, and once though pytest links to the folder."""

    def down(_: object) -> None:
        raise NotRunningError("nothing is up")

    monkeypatch.setattr("tests.evidence.Stack.find", down)
    saved = tmp_path / "cloud0" / "engine" / "state" / "cloudwatch_logs.json"
    saved.parent.mkdir(parents=True)
    events = [{"timestamp": at, "message": f"at {at}"} for at in (99_000, 101_000, 100_500)]
    saved.write_text(json.dumps({"groups": {"all": {"streams": {"one": {"events": events}}}}}))
    (tmp_path / "cloud0" / "stack.json").write_text("{}")
    (tmp_path / "cloudcurrent").symlink_to(tmp_path / "cloud0")
    assert {"functions of cloud0": "at 100500\nat 101000"} == dict(evidence.sections(tmp_path, since=100))


def test_a_record_that_cannot_be_read_spoils_no_report(tmp_path: Path) -> None:
    """Its section says why there is nothing."""
    (tmp_path / "cloud").mkdir()
    (tmp_path / "cloud" / "stack.json").write_text("no record")
    assert "not to be had" in dict(evidence.sections(tmp_path, since=100))["functions of cloud"]
