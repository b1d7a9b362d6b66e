"""Runs functions outside the engine on the events of `events/`, against the tests' cloud, and judges answers.

`test_under_emulator.py` and `test_sam_local.py` call it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from laptop import owner
from laptop.sam.functions import event_file, filled
from laptop.stack import LaptopCloud
from laptop.template import functions
from tests.integration.asking import Caller
from tests.integration.dashboards import ticket
from tests.integration.sent_events import TICKET, TOKEN, queue_backtest
from tests.waiting import wait_for


@dataclass(frozen=True)
class Replay:
    """The events as one round of functions is given them.

    ``values`` fill the placeholders; ``bodies`` are messages that the cloud's own workers left alone, for the
    functions whose work is there only once.
    """

    values: Mapping[str, str]
    bodies: Mapping[str, str]

    def event(self, function: str) -> str:
        """A function's event, its message a live one where it has one."""
        event = json.loads(filled(event_file(function).read_text(), self.values))
        if function in self.bodies:
            event["Records"][0]["body"] = self.bodies[function]
        return json.dumps(event)


def replay(cloud: LaptopCloud, admin: Caller, symbol: str, day: str) -> Replay:
    """A round of its own: a fresh token and ticket, a backtest and an ingest (of ``day``) left to it."""
    token = owner.access_token(cloud)
    admin = admin.having(token)  # these tests come late, and a token lasts 15 minutes
    asked = {"symbols": [symbol], "start": day, "end": day}

    def ingest() -> None:
        answer = admin.ask("POST", "/api/historical/ingest", body=asked)
        assert answer.status_code == 202, answer.text

    def backtest() -> None:
        queue_backtest(cloud, admin, symbol, key=f"a backtest for the round of {day}")

    return Replay(
        {TOKEN: token, TICKET: ticket(admin)},
        {
            "AnalyticsBacktest": _left_to_us(cloud, "AnalyticsBacktest", "BacktestQueue", backtest),
            "HistoricalDataIngest": _left_to_us(cloud, "HistoricalDataIngest", "IngestQueue", ingest),
        },
    )


def _left_to_us(cloud: LaptopCloud, function: str, queue: str, ask: Callable[[], None]) -> str:
    """The message that ``ask`` has sent, taken before the cloud's own worker sees it."""
    client, sqs, address = cloud.client("lambda"), cloud.client("sqs"), cloud.physical(queue)
    (mapping,) = client.list_event_source_mappings(FunctionName=cloud.physical(function))[
        "EventSourceMappings"
    ]
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        ask()
        (message,) = wait_for(
            lambda: sqs.receive_message(QueueUrl=address).get("Messages"), what=f"a message in {queue}"
        )
        sqs.delete_message(QueueUrl=address, ReceiptHandle=message["ReceiptHandle"])
    finally:
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    return str(message["Body"])


def work_was_done(cloud: LaptopCloud, admin: Caller) -> bool:
    """Whether the newest backtest and the newest ingest are done: nobody but a replayed function did them."""
    admin = admin.having(owner.access_token(cloud))
    backtest = admin.ask("GET", "/api/backtests").json()["items"][0]
    ingest = admin.ask("GET", "/api/historical/ingest").json()["items"][0]
    return bool(backtest["status"] == "done" and ingest["state"] == "done")


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
