"""A change set is told so that what would lose state is seen first, and refused unless it was named."""

from __future__ import annotations

from typing import Any

from laptop.aws.changes import Change, changes_of, lines, refused


def entry(action: str, name: str, kind: str, replacement: str | None = None, **target: str) -> dict[str, Any]:
    """One change as CloudFormation describes it."""
    change: dict[str, Any] = {"Action": action, "LogicalResourceId": name, "ResourceType": kind}
    if replacement:
        change["Replacement"] = replacement
    if target:
        change["Details"] = [{"Target": target}]
    return {"Type": "Resource", "ResourceChange": change}


class Pages:
    """CloudFormation with a change set of two pages."""

    def __init__(self, *pages: list[dict[str, Any]]) -> None:
        self.pages = pages

    def get_paginator(self, name: str) -> Pages:
        assert name == "describe_change_set"
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        return [{"Changes": page} for page in self.pages]


TABLE, FUNCTION = "AWS::DynamoDB::Table", "AWS::Lambda::Function"
FOUND = changes_of(
    Pages(
        [entry("Modify", "Api", FUNCTION, "False"), entry("Add", "New", TABLE)],
        [
            entry("Modify", "Books", TABLE, "True", Name="KeySchema"),
            entry("Modify", "Bars", TABLE, "Conditional", Name="SSESpecification"),
            entry("Remove", "OrderQueue", "AWS::SQS::Queue"),
            entry("Modify", "PublicApi", "AWS::ApiGateway::RestApi", "True"),
            entry("Modify", "Runs", TABLE, "False"),
        ],
    ),
    "alpaquero-paper",
    "change-1",
)


def test_what_loses_state_comes_first_and_loud() -> None:
    """A table replaced, perhaps replaced, a queue removed; then an address; then what keeps its state."""
    told = lines(FOUND)
    assert [line.split(":")[0] for line in told[:3]] == [
        "!! perhaps REPLACE Bars (AWS",
        "!! REPLACE Books (AWS",
        "!! REMOVE OrderQueue (AWS",
    ]
    assert told[1].endswith("for its KeySchema")
    assert told[3].startswith("!  REPLACE PublicApi")
    assert "   change Runs (AWS::DynamoDB::Table)" in told
    assert told[-1] == "   change 1 of AWS::Lambda::Function"


def test_only_what_was_named_may_lose_state() -> None:
    """Each loss is refused but those allowed by name; a change that keeps state needs no leave."""
    assert ["Bars", "Books", "OrderQueue"] == [one.name for one in refused(FOUND, [])]
    assert ["OrderQueue"] == [one.name for one in refused(FOUND, ["Books", "Bars", "Runs"])]


def test_a_replacement_of_another_word_is_doubted() -> None:
    """A word of CloudFormation's that we do not know counts as perhaps replaced."""
    page = [entry("Modify", "Books", TABLE, "Sometimes")]
    assert changes_of(Pages(page), "s", "c") == [Change("Modify", "Books", TABLE, "perhaps", ())]
