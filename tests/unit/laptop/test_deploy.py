"""The template's way to the engine: only the paths of code and layers change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from laptop.deploy import Prepared, carry_out, declared_parameters, packaged
from laptop.errors import DeployError, LaptopError, RolledBackError
from laptop.layout import TEMPLATE

ZIPS = {"functions/trading": Path("/b/functions-trading-1.zip"), "layers/api": Path("/b/layers-api-2.zip")}


def test_paths_become_addresses_and_nothing_else_changes() -> None:
    """Each CodeUri and ContentUri names its zip in the bucket; every other byte stays."""
    body = (
        "# CodeUri of each\nA: {CodeUri: functions/trading/, X: 1}\nB:\n  ContentUri: build/aws/layers/api/\n"
    )
    assert packaged(body, ZIPS) == (
        "# CodeUri of each\nA: {CodeUri: s3://alpaquero-artifacts/functions-trading-1.zip, X: 1}\n"
        "B:\n  ContentUri: s3://alpaquero-artifacts/layers-api-2.zip\n"
    )


def test_a_path_that_was_not_built_is_named() -> None:
    """A template that names an unknown folder is refused with the fix."""
    with pytest.raises(LaptopError, match=r"functions/nothing, which was not built: run `make build`"):
        packaged("CodeUri: functions/nothing/", ZIPS)


def test_declared_parameters_are_the_templates_own() -> None:
    """The names under Parameters are found, and no others."""
    found = declared_parameters(TEMPLATE)
    assert {"Environment", "Schedules", "SignalRate", "DashboardOrigin"} <= found
    assert "Books" not in found
    assert "Type" not in found


def _event(name: str, status: str, reason: str = "") -> dict[str, Any]:
    kind = "AWS::CloudFormation::Stack" if name == "one" else "AWS::SQS::Queue"
    told = {"ResourceStatusReason": reason} if reason else {}
    physical = "arn:one" if name == "one" else name.lower()
    return {
        "StackId": "arn:one",
        "LogicalResourceId": name,
        "PhysicalResourceId": physical,
        "ResourceType": kind,
        "ResourceStatus": status,
        **told,
    }


class Stacks:
    """A CloudFormation whose stack `one` ends in a status; its events come in pages, the newest first."""

    def __init__(self, status: str) -> None:
        self._status = status

    def client(self, _: str) -> Any:
        return self

    def execute_change_set(self, **_: str) -> None:
        """It has ended by the time one looks."""

    def describe_stacks(self, **_: str) -> Any:
        return {"Stacks": [{"StackStatus": self._status}]}

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **_: str) -> Iterator[Any]:
        yield {"StackEvents": [_event("one", self._status), _event("Work", "UPDATE_COMPLETE")]}
        yield {
            "StackEvents": [
                _event("Other", "UPDATE_FAILED", "Resource update cancelled"),
                _event("Work", "UPDATE_FAILED", "no such name"),
                _event("one", "UPDATE_IN_PROGRESS", "User Initiated"),
                _event("Work", "UPDATE_FAILED", "what failed last week"),
            ]
        }


def test_a_failed_upgrade_names_what_failed_this_time() -> None:
    """Those of an earlier deploy and what was only stopped are left out; the first may be pages back."""
    with pytest.raises(RolledBackError) as refused:
        carry_out(Stacks("UPDATE_ROLLBACK_COMPLETE"), Prepared("one", "change", changed=True, creates=False))
    assert str(refused.value) == (
        "one was refused:\nWork (AWS::SQS::Queue): no such name\n"
        "one was rolled back to what it was: mend this and deploy again"
    )


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("ROLLBACK_COMPLETE", "what there was of one is removed again: mend this and deploy again"),
        ("UPDATE_ROLLBACK_FAILED", "one is left in UPDATE_ROLLBACK_FAILED: docs/deploy.md"),
    ],
)
def test_what_was_not_rolled_back_is_not_called_so(status: str, told: str) -> None:
    """A stack that could not be made, or not be rolled back, is told apart from one that is as before."""
    with pytest.raises(DeployError, match=told) as refused:
        carry_out(Stacks(status), Prepared("one", "change", changed=True, creates=False))
    assert not isinstance(refused.value, RolledBackError)
