"""Runs functions outside the engine on the events of `events/`, against the tests' cloud, and judges answers.

`test_under_emulator.py` and `test_sam_local.py` call it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from laptop import owner
from laptop.sam.functions import event_file, filled
from laptop.stack import LaptopCloud
from laptop.template import functions
from tests.integration.asking import Caller
from tests.integration.dashboards import ticket
from tests.integration.sent_events import BACKTEST, TICKET, TOKEN, queue_backtest


def event_text(function: str, values: Mapping[str, str]) -> str:
    """A function's event with its placeholders filled."""
    return filled(event_file(function).read_text(), values)


def placeholders(cloud: LaptopCloud, admin: Caller, backtest: str) -> dict[str, str]:
    """What the placeholders stand for in this cloud now; a ticket is good once."""
    return {TOKEN: owner.access_token(cloud), TICKET: ticket(admin), BACKTEST: backtest}


def backtest_left_to_us(cloud: LaptopCloud, admin: Caller, symbol: str, *, key: str) -> str:
    """A queued backtest that the engine's own worker leaves alone, for a function outside to run."""
    client = cloud.client("lambda")
    name = cloud.physical("AnalyticsBacktest")
    (mapping,) = client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        identifier = queue_backtest(cloud, admin, symbol, key=key)
        cloud.client("sqs").purge_queue(QueueUrl=cloud.physical("BacktestQueue"))
    finally:
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    return identifier


def fault(function: str, answer: Any) -> str | None:
    """What is wrong with a function's answer to its own event, or None."""
    if not isinstance(answer, dict):
        return f"no object: {answer!r}"
    if "errorType" in answer or "errorMessage" in answer:
        return f"it raised: {answer.get('errorType')}: {answer.get('errorMessage')}"
    if functions()[function]["Handler"] == "api.app" or function == "GatewaySocket":
        return None if answer.get("statusCode") == 200 else f"not 200: {answer}"
    if function == "GatewayAuthorizer":
        effect = answer["policyDocument"]["Statement"][0]["Effect"]
        return None if effect == "Allow" else "the owner's token was refused"
    if "batchItemFailures" in answer:
        return f"messages failed: {answer}" if answer["batchItemFailures"] else None
    return None if answer else "an empty answer"
