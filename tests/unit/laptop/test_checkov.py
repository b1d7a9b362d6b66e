"""What a scanner finds is mended or has its reason; it sees the templates as AWS does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from laptop import checkov
from laptop.checkov import Finding, Reason, as_on_aws, judged, reasons
from laptop.errors import LaptopError
from laptop.layout import REPOSITORY
from laptop.template import read

OPEN = Finding("CKV_1", "Table", "tables are encrypted")


def test_a_finding_without_a_reason_is_told() -> None:
    """A reason speaks of its own check, and of the resources it names alone."""
    assert judged([OPEN], []) == ["CKV_1 Table: tables are encrypted"]
    assert judged([OPEN], [Reason("CKV_1", "Tab.*", "why")]) == []
    left = judged([OPEN], [Reason("CKV_1", "Tab", "why"), Reason("CKV_2", ".*", "why")])
    assert [line.split(":")[0] for line in left] == ["CKV_1 Table", "CKV_1 Tab", "CKV_2 .*"]


def test_a_reason_that_nothing_needs_is_told() -> None:
    """Once a finding is mended, its reason goes too."""
    assert "nothing needs this reason" in judged([], [Reason("CKV_1", ".*", "why")])[0]


def test_every_reason_of_the_repository_is_one() -> None:
    """Each says why in a sentence, and no check is there twice for the same resources."""
    known = reasons()
    assert all(len(one.why) > 40 and one.why.endswith(".") for one in known)
    assert len({(one.check, one.resources) for one in known}) == len(known)


def test_conditions_are_decided_as_on_aws() -> None:
    """Tables have their recovery, APIs traces and access logs; what only the laptop has is not there."""
    found = as_on_aws(read(REPOSITORY / "template.yaml"), {"Environment": "paper"})["Resources"]
    books, api = found["Books"]["Properties"], found["PublicApi"]["Properties"]
    assert books["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert (books["DeletionProtectionEnabled"], api["TracingEnabled"]) == (True, True)
    assert "SSESpecification" not in books
    assert api["AccessLogSetting"]["DestinationArn"] == {"Fn::GetAtt": "AccessLog.Arn"}
    local = as_on_aws(read(REPOSITORY / "template.yaml"), {"Environment": "local"})["Resources"]
    assert "AlarmTopic" in found
    assert not {"AlarmTopic", "AccessLog", "ApiLogs", "ApiLogsRole"} & local.keys()
    assert "Fn::If" not in json.dumps([found, local])


def test_an_unreadable_answer_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scanner that breaks off, or cannot read a template, never counts as one that found nothing."""
    answers: list[Any] = ["no JSON", json.dumps({"passed": 0}), json.dumps(_answer(errors=1))]
    for answer in answers:
        monkeypatch.setattr(checkov, "TOOL", _tool(tmp_path, answer))
        with pytest.raises(LaptopError, match="checkov"):
            checkov.scan(tmp_path / "scan")
    failed = {
        "check_id": "CKV_1",
        "resource": "AWS::DynamoDB::Table.Table",
        "check_name": "tables are encrypted",
    }
    monkeypatch.setattr(checkov, "TOOL", _tool(tmp_path, json.dumps(_answer(failed))))
    assert checkov.scan(tmp_path / "scan") == [OPEN]


def _answer(*failed: dict[str, str], errors: int = 0) -> dict[str, Any]:
    results = {"failed_checks": list(failed), "parsing_errors": []}
    return {"summary": {"parsing_errors": errors}, "results": results}


def _tool(folder: Path, answer: str) -> Path:
    tool = folder / "checkov"
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")
    tool.chmod(0o755)
    return tool
