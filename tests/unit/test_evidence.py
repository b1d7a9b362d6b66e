"""What a failed test's report tells of its clouds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

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
        5: '{"level":"ERROR","message":"five"}',
        4: "Task timed out after 29.00 seconds",
        3: '{"level":"INFO","message":"answered","status":502}',
        2: '{"level":"INFO","message":"answered","status":200}',
        1: "START RequestId: 1",
        0: '{"_aws": {}, "Runs": 1}',
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
    assert [lines[n] for n in (3, 4, 5)] == told["functions of cloud"].splitlines()


def test_a_cloud_that_is_down_spoils_no_report(tmp_path: Path) -> None:
    """Its section says why there is nothing."""
    (tmp_path / "cloud").mkdir()
    (tmp_path / "cloud" / "stack.json").write_text("no record")
    told = dict(evidence.sections(tmp_path, since=100))
    assert "not to be had" in told["functions of cloud"]
