"""CloudWatch's figures of the day by logical name; what it does not have is unknown and says why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from alpaquero.monitoring.costs import Memory
from alpaquero.store import usage

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)


class CloudWatch:
    """Two functions of ours, one of another stack; no metric of any table."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def get_paginator(self, name: str) -> Any:
        class Pages:
            paginate = staticmethod(getattr(self, name))

        return Pages

    def list_metrics(self, Namespace: str, MetricName: str) -> list[dict[str, Any]]:  # noqa: N803 - boto3's names
        names = ["bot-TradingSync-A1B2C3D4E5F6", "bot-SignalPlan-A1B2C3D4E5F6", "other-TradingSync-A1B2C3D4"]
        found = names if Namespace == "AWS/Lambda" else []
        return [
            {"Metrics": [{"Dimensions": [{"Name": "FunctionName", "Value": name}]} for name in found]},
            {"Metrics": [{"Dimensions": []}]},
        ]

    def get_metric_data(self, **asked: Any) -> list[dict[str, Any]]:
        self.asked.append(asked)
        values = {"Invocations": [10.0, 2.0], "Errors": [1.0], "Throttles": [], "Duration": [6000.0]}
        return [
            {
                "MetricDataResults": [
                    {"Id": query["Id"], "Values": values[query["MetricStat"]["Metric"]["MetricName"]]}
                    for query in asked["MetricDataQueries"]
                ]
            }
        ]


def test_figures_are_those_of_our_functions_today() -> None:
    """Sums since midnight UTC by the template's names, and the GB-seconds they are billed for."""
    cloudwatch = CloudWatch()
    found = usage.read(cloudwatch, "bot", "logs", NOW, Memory())
    assert set(found.functions) == {"TradingSync", "SignalPlan"}
    assert found.functions["TradingSync"]["Invocations"] == 12
    assert found.functions["TradingSync"]["Throttles"] == 0
    assert (found.quantities["lambda_requests"], found.quantities["lambda_compute"]) == (24, 6.0)
    assert found.quantities["metrics_read"] == 8
    assert cloudwatch.asked[0]["StartTime"] == NOW.replace(hour=0)
    twice = usage.read(cloudwatch, "bot", "logs", NOW, Memory(worker=1024))
    assert twice.quantities["lambda_compute"] == 12.0


def test_what_is_not_there_is_unknown_and_says_why() -> None:
    """No table metric is no nought, and neither is a CloudWatch that does not answer."""
    found = usage.read(CloudWatch(), "bot", "logs", NOW, Memory())
    assert (found.tables, found.quantities["dynamodb_reads"]) == ({}, None)
    assert "no such metrics" in found.missing["AWS/DynamoDB"]

    class Away:
        def get_paginator(self, name: str) -> Any:
            raise ConnectionError("away")

    found = usage.read(Away(), "bot", "logs", NOW, Memory())
    assert (found.functions, found.quantities["lambda_requests"]) == ({}, None)
    assert "ConnectionError" in found.missing["AWS/Lambda"]


def test_requests_to_fifo_queues_are_counted_apart() -> None:
    """They cost more; which queue is one is seen by its name."""

    class Queues(CloudWatch):
        def list_metrics(self, Namespace: str, MetricName: str) -> list[dict[str, Any]]:  # noqa: N803
            names = ["bot-OrderQueue-1A2B3C4D.fifo", "bot-SyncQueue-1A2B3C4D", "bot-PushQueue-1A2B3C4D"]
            found = names if Namespace == "AWS/SQS" else []
            return [{"Metrics": [{"Dimensions": [{"Name": "QueueName", "Value": name}]} for name in found]}]

        def get_metric_data(self, **asked: Any) -> list[dict[str, Any]]:
            return [
                {
                    "MetricDataResults": [
                        {"Id": query["Id"], "Values": [2.0]} for query in asked["MetricDataQueries"]
                    ]
                }
            ]

    found = usage.read(Queues(), "bot", "logs", NOW, Memory())
    assert (found.quantities["sqs_requests"], found.quantities["sqs_fifo_requests"]) == (16, 8)


@pytest.mark.parametrize(
    ("physical", "logical"),
    [("bot-TradingSync-A1B2C3D4E5F6", "TradingSync"), ("bot-Books-1XYZ2ABC3", "Books"), ("bot-Runs", "Runs")],
)
def test_the_logical_name_is_found_again(physical: str, logical: str) -> None:
    """Without the stack before it and the letters behind it."""
    assert usage.logical(physical, "bot-") == logical
