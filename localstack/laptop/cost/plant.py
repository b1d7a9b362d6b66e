"""What of the template costs money whether or not anything is traded: schedules, queues, alarms, secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from alpaquero.monitoring.costs import Memory
from laptop.errors import LaptopError
from laptop.layout import REPOSITORY
from laptop.template import template

_RATE: Final = re.compile(r"rate\((\d+) minutes?\)")
_ALARMS: Final = frozenset({"AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"})
_SECRETS: Final = ("TradingSecret", "DataSecret")  # made outside the stack


@dataclass(frozen=True)
class Consumer:
    """A function that a queue starts; `by_bus` says that the queue is filled by bus or topic, not by code."""

    function: str
    fifo: bool
    by_bus: bool


@dataclass(frozen=True)
class Plant:
    """What the model takes from the template; `schedules` are minutes between two ticks, by job."""

    schedules: Mapping[str, tuple[str, int]]
    consumers: tuple[Consumer, ...]
    tables: int
    alarms: int  # in metrics that they read
    dashboards: int
    secrets: int
    log_days: int
    memory: Memory = field(default_factory=Memory)


def plant(given: Mapping[str, str] | None = None) -> Plant:
    """That of template.yaml, with the alarms and dashboards of further stacks in infra/.

    `given` are parameters other than their defaults.

    Raises
    ------
    LaptopError
        When the template has none of such a name.
    """
    document = template()
    resources = document["Resources"]
    defaults = {name: one.get("Default") for name, one in document["Parameters"].items()}
    unknown = sorted(set(given or {}) - set(defaults))
    if unknown:
        raise LaptopError(f"the template has no parameter {', '.join(unknown)}: see template.yaml")
    defaults |= given or {}
    everything = [*resources.values(), *(one for stack in _other_stacks() for one in stack.values())]
    kinds = [one["Type"] for one in everything]
    return Plant(
        schedules=dict(_schedules(resources, defaults)),
        consumers=tuple(_consumers(resources)),
        tables=kinds.count("AWS::DynamoDB::Table"),
        alarms=sum(_alarm_metrics(one) for one in everything if one["Type"] in _ALARMS),
        dashboards=kinds.count("AWS::CloudWatch::Dashboard"),
        secrets=sum(name in defaults for name in _SECRETS),
        log_days=int(defaults["LogsKeptDays"]),
        memory=Memory(
            worker=int(defaults["WorkerMemory"]),
            api=int(defaults["ApiMemory"]),
            backtest=int(defaults["BacktestMemory"]),
        ),
    )


def _alarm_metrics(alarm: Mapping[str, Any]) -> int:
    """What CloudWatch charges an alarm as: one for each metric that its expression reads."""
    return sum("MetricStat" in one for one in alarm["Properties"].get("Metrics", ())) or 1


def _other_stacks() -> Iterable[Mapping[str, Any]]:
    for path in sorted((REPOSITORY / "infra").glob("*.yaml")):
        document = yaml.load(path.read_text(), _Plain)  # noqa: S506 - a SafeLoader that knows tags
        if isinstance(document, dict) and "Resources" in document:
            yield document["Resources"]


class _Plain(yaml.SafeLoader):
    """YAML with CloudFormation's tags, which say nothing to a count."""


_Plain.add_multi_constructor("!", lambda _loader, _suffix, _node: None)


def _schedules(
    resources: Mapping[str, Any], defaults: Mapping[str, Any]
) -> Iterable[tuple[str, tuple[str, int]]]:
    for resource in resources.values():
        expression = resource.get("Properties", {}).get("ScheduleExpression")
        if resource["Type"] != "AWS::Events::Rule" or expression is None:
            continue
        if isinstance(expression, dict):
            expression = defaults[expression["Ref"]]
        rate = _RATE.fullmatch(expression)
        if rate is None:
            raise ValueError(
                f"the schedule {expression} is not in minutes: teach laptop.cost.plant to read it"
            )
        for target in resource["Properties"]["Targets"]:
            function = target["Arn"]["Fn::GetAtt"].partition(".")[0]
            yield json.loads(target["Input"])["job"], (function, int(rate[1]))


def _consumers(resources: Mapping[str, Any]) -> Iterable[Consumer]:
    filled = set(_filled_by_bus(resources))
    for name, resource in resources.items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        for event in resource["Properties"].get("Events", {}).values():
            if event["Type"] == "SQS":
                queue = event["Properties"]["Queue"]["Fn::GetAtt"].partition(".")[0]
                fifo = bool(resources[queue].get("Properties", {}).get("FifoQueue"))
                yield Consumer(name, fifo, queue in filled)


def _filled_by_bus(resources: Mapping[str, Any]) -> Iterable[str]:
    for resource in resources.values():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Events::Rule":
            arns = [target["Arn"] for target in properties.get("Targets", [])]
        elif resource["Type"] == "AWS::SNS::Subscription":
            arns = [properties["Endpoint"]]
        else:
            continue
        for arn in arns:
            if "Fn::GetAtt" in arn:
                yield arn["Fn::GetAtt"].partition(".")[0]
