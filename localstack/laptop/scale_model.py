"""Which limit of AWS or Alpaca breaks first when there are many symbols or accounts; pure arithmetic.

`docs/scale.md` shows it (`python -m laptop.scale_model` writes its table, a test keeps it true). It is a
simulation on paper: arrivals within a bar's minute are drawn from a seed, work is what was measured on the
laptop's engine (`infra/measurements.json`), quotas are AWS's defaults. Nothing of it was run on AWS.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from alpaquero.broker.market_data import SYMBOLS_A_REQUEST
from laptop.cost.model import each_of
from laptop.cost.work import SHARD_SYMBOLS, Measurements, Stretch
from laptop.layout import REPOSITORY
from laptop.marked import begin, page_with, table
from laptop.template import functions, template

PAGE: Final = REPOSITORY / "docs" / "scale.md"
BEGIN: Final = begin("python -m laptop.scale_model")
SEED: Final = 1
MINUTE: Final = 60
EXECUTE_SECONDS: Final = 1.0  # an order: gathering, the broker's answer, two commits; an assumption
RAISED: Final = 0.02  # of the symbols judged become an order in one bar; an assumption, and a bad minute
EVENTS_AN_ORDER: Final = 4
TARGETS_AN_EVENT: Final = 2
RUN_UNITS: Final = 3  # of a run's item, each time a shard reports
BROKER_LOOKS: Final = 6  # what sync, monitor and plan ask the trading API each minute
DASHBOARD_READS: Final = 12  # a minute, of one dashboard for each account
PROBE_CALLS: Final = 11  # a minute, of the health monitor to the APIs


@dataclass(frozen=True, kw_only=True)
class Case:
    """So many accounts, each with its own key and so many symbols, judged once each minute."""

    name: str
    accounts: int
    symbols: int


CASES: Final = (
    Case(name="11,000 symbols, one account", accounts=1, symbols=11_000),
    Case(name="1,000 accounts of 50 symbols", accounts=1_000, symbols=50),
)


@dataclass(frozen=True, kw_only=True)
class Quota:
    """A limit, by default, for one key, queue or account of AWS; `looked_up` in a stored copy of the page."""

    what: str
    limit: float
    unit: str
    source: str
    looked_up: str = "2026-11-23"


_EVALUATE: Final = functions()["SignalEvaluate"]["Events"]["Queue"]["Properties"]
ALPACA_SEEN: Final = "second hand: api-evangelist/alpaca-markets, 2026-07-11"
EVENTBRIDGE_SEEN: Final = "2026-11-23, on docs.amazonaws.cn, which lists all regions"
OURS: Final = "ours"
QUOTAS: Final = {
    "alpaca_free": Quota(
        what="Alpaca's data requests, free plan, a key",
        limit=200,
        unit="a minute",
        source="https://docs.alpaca.markets/docs/about-market-data-api",
        looked_up=ALPACA_SEEN,
    ),
    "alpaca_paid": Quota(
        what="Alpaca's data requests, Algo Trader Plus, a key",
        limit=10_000,
        unit="a minute",
        source="https://docs.alpaca.markets/docs/about-market-data-api",
        looked_up=ALPACA_SEEN,
    ),
    "alpaca_orders": Quota(
        what="Alpaca's trading requests, an account",
        limit=200,
        unit="a minute",
        source="https://docs.alpaca.markets/docs/api-rate-limits",
        looked_up=ALPACA_SEEN,
    ),
    "evaluations": Quota(
        what="evaluations at once, a stack's own MaximumConcurrency",
        limit=_EVALUATE["ScalingConfig"]["MaximumConcurrency"],
        unit="at once",
        source="template.yaml",
        looked_up=OURS,
    ),
    "concurrency": Quota(
        what="Lambda's concurrent executions, an account and region",
        limit=1_000,
        unit="at once",
        source="https://docs.aws.amazon.com/lambda/latest/dg/limits.html",
    ),
    "fifo_group": Quota(
        what="orders of one FIFO group, one after another",
        limit=MINUTE / EXECUTE_SECONDS,
        unit="a minute",
        source="docs/architecture.md, Orders: a command that fails",
        looked_up=OURS,
    ),
    "fifo_queue": Quota(
        what="requests to one FIFO queue, each action, not in high throughput",
        limit=300,
        unit="a second",
        source=(
            "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/"
            "troubleshooting-fifo-throttling-issues.html"
        ),
    ),
    "partition_writes": Quota(
        what="write units of one DynamoDB partition (Books: an account is one key)",
        limit=1_000,
        unit="a second",
        source=(
            "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput-scenarios.html"
        ),
    ),
    "run_partition_writes": Quota(
        what="write units of one DynamoDB partition (Runs: one run's item)",
        limit=1_000,
        unit="a second",
        source=(
            "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput-scenarios.html"
        ),
    ),
    "table_writes": Quota(
        what="write units of a new on-demand table (Bars), before it has grown",
        limit=4_000,
        unit="a second",
        source="https://repost.aws/knowledge-center/on-demand-table-throttling-dynamodb",
    ),
    "table_writes_most": Quota(
        what="write units of one table (Bars), an account's default",
        limit=40_000,
        unit="a second",
        source="https://repost.aws/knowledge-center/on-demand-table-throttling-dynamodb",
    ),
    "events": Quota(
        what="EventBridge's PutEvents, us-east-1",
        limit=10_000,
        unit="a second",
        source="https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html",
        looked_up=EVENTBRIDGE_SEEN,
    ),
    "invocations": Quota(
        what="EventBridge's invocations of targets, us-east-1",
        limit=18_750,
        unit="a second",
        source="https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html",
        looked_up=EVENTBRIDGE_SEEN,
    ),
    "gateway": Quota(
        what="API Gateway's requests, all APIs of an account and region",
        limit=10_000,
        unit="a second",
        source="https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html",
    ),
}

NOT_SEEN: Final = "not seen; the default as we know it"
STACK_QUOTAS: Final = {
    "roles": Quota(
        what="IAM roles of an account",
        limit=1_000,
        unit="",
        source="https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html",
        looked_up=NOT_SEEN,
    ),
    "tables": Quota(
        what="DynamoDB tables of an account and region",
        limit=2_500,
        unit="",
        source="https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Limits.html",
        looked_up=NOT_SEEN,
    ),
    "rules": Quota(
        what="EventBridge rules of one bus (schedules: the default bus)",
        limit=300,
        unit="",
        source="https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html",
    ),
    "rest_apis": Quota(
        what="REST APIs of an account and region",
        limit=600,
        unit="",
        source="https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html",
        looked_up=NOT_SEEN,
    ),
    "buses": Quota(
        what="event buses of an account and region",
        limit=100,
        unit="",
        source="https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html",
    ),
}

LEVERS: Final = {
    "alpaca_free": "larger shards, so that a request is full (200 symbols, not 50); the paid plan",
    "alpaca_paid": "larger shards, as above",
    "alpaca_orders": "fewer, larger orders; `orders_per_minute_limit` holds the bot below it already",
    "evaluations": "MaximumConcurrency, a line of the template (up to 1,000); larger shards",
    "concurrency": "a quota increase (tens of thousands; new accounts begin with less than 1,000); an AWS "
    "account for each group of tenants",
    "fifo_group": "groups by account and symbol, with reservations by symbol: a group an account is what "
    "keeps the risk book simple",
    "fifo_queue": "high throughput for FIFO (a property of the queue), which scales by groups",
    "partition_writes": "fewer copies of an order (two local indexes), the verdict apart, as it is",
    "run_partition_writes": "reports in partitions of their own, counted by a sum of several counters",
    "table_writes": "warm throughput set before the open; the table grows by itself within half an hour",
    "table_writes_most": "a quota increase; chunks of an hour rather than of a day: the tail is smaller",
    "events": "events in batches of ten, as they are; a bus for each group of accounts",
    "invocations": "rules that match less; several buses do not help, the limit is the account's",
    "gateway": "a slower pace of polling while the socket lives; a quota increase",
}


@dataclass(frozen=True, kw_only=True)
class Use:
    """What a case takes of one quota."""

    key: str
    used: float

    @property
    def share(self) -> float:
        """Of the quota; above 1 it breaks."""
        return self.used / QUOTAS[self.key].limit


def uses(case: Case, measured: Measurements) -> list[Use]:
    """Every quota with what the case takes of it, the fullest first."""
    each = each_of(measured)
    shards = ceil(case.symbols / SHARD_SYMBOLS)
    in_shard = min(case.symbols, SHARD_SYMBOLS)
    orders = case.symbols * RAISED
    all_orders = round(orders * case.accounts)
    evaluation = _seconds(each.shard) + _seconds(each.symbol) * in_shard
    one_group = min(orders, MINUTE / EXECUTE_SECONDS)  # more cannot be executed one after another
    data_requests = shards * ceil(in_shard / SYMBOLS_A_REQUEST)
    bar_writes = _writes(each.symbol) * case.symbols * case.accounts / MINUTE
    taken = {
        "alpaca_free": data_requests,
        "alpaca_paid": data_requests,
        "alpaca_orders": one_group + BROKER_LOOKS,
        "evaluations": shards * evaluation / MINUTE,
        "concurrency": (
            _most_at_once(shards * case.accounts, evaluation)
            + min(case.accounts, all_orders) * min(one_group * EXECUTE_SECONDS / MINUTE, 1)
            + case.accounts * sum(_seconds(one.each()) for one in measured.ticks.values()) / MINUTE
        ),
        "fifo_group": orders,
        # One stack an account, so one queue an account.
        "fifo_queue": _fullest_second(round(orders)),
        "partition_writes": _writes(each.order) * one_group / MINUTE,
        "run_partition_writes": _fullest_second(shards) * RUN_UNITS,
        "table_writes": bar_writes / case.accounts,
        "table_writes_most": bar_writes / case.accounts,
        "events": _fullest_second(all_orders) * EVENTS_AN_ORDER + case.accounts * 2 / MINUTE,
        "invocations": _fullest_second(all_orders) * EVENTS_AN_ORDER * TARGETS_AN_EVENT,
        "gateway": case.accounts * (DASHBOARD_READS + PROBE_CALLS) / MINUTE,
    }
    return sorted(
        (Use(key=key, used=used) for key, used in taken.items()), key=lambda use: use.share, reverse=True
    )


def _seconds(stretch: Stretch) -> float:
    return sum(work.milliseconds for work in stretch.done.values()) / 1000


def _writes(stretch: Stretch) -> float:
    return sum(work.writes for work in stretch.done.values())


def _fullest_second(count: int) -> float:
    """The fullest second, when so many things happen at random seconds of a minute, drawn from the seed."""
    draw = random.Random(SEED)  # noqa: S311 - a simulation
    seconds = [0] * MINUTE
    for _ in range(count):
        seconds[draw.randrange(MINUTE)] += 1
    return max(seconds)


def _most_at_once(shards: int, seconds: float) -> float:
    """Evaluations at one moment when all shards come within a second of the bar's close, none held back."""
    draw = random.Random(SEED)  # noqa: S311 - a simulation
    begins = sorted(draw.random() for _ in range(shards))
    ends = [moment + seconds for moment in begins]
    most = finished = 0
    for number, moment in enumerate(begins):
        while ends[finished] <= moment:
            finished += 1
        most = max(most, number + 1 - finished)
    return most


def stacks_that_fit() -> list[tuple[Quota, int, float]]:
    """How many stacks, one an account of the broker, fit into one account and region of AWS.

    By quota, how much of it a stack takes, and how many fit; the tightest first.
    """
    kinds = [one["Type"] for one in template()["Resources"].values()]
    functions = kinds.count("AWS::Serverless::Function")
    takes = {
        "roles": functions + kinds.count("AWS::IAM::Role"),
        "tables": kinds.count("AWS::DynamoDB::Table"),
        # Schedules stand on the default bus, which all stacks share; events have a bus of their own.
        "rules": sum(
            "ScheduleExpression" in one.get("Properties", {}) for one in template()["Resources"].values()
        ),
        "rest_apis": kinds.count("AWS::Serverless::Api"),
        "buses": kinds.count("AWS::Events::EventBus"),
    }
    found = [
        (STACK_QUOTAS[key], taken, STACK_QUOTAS[key].limit // taken) for key, taken in takes.items() if taken
    ]
    return sorted(found, key=lambda one: one[2])


def generated(measured: Measurements) -> str:
    """The page's tables."""
    sections: list[str] = []
    for case in CASES:
        sections += [f"### {case.name}, each minute", _uses_table(uses(case, measured))]
    fit = [
        [quota.what, f"{taken}", f"{quota.limit:,.0f}", f"{stacks:,.0f}"]
        for quota, taken, stacks in stacks_that_fit()
    ]
    sections += [
        "### Stacks in one account and region of AWS",
        table(["limit", "a stack takes", "limit is", "stacks that fit"], fit),
        "### Where the limits are from",
        table(
            ["limit", "source", "looked up in a stored copy"],
            [
                [one.what, _link(one.source), one.looked_up]
                for one in (*QUOTAS.values(), *STACK_QUOTAS.values())
            ],
        ),
    ]
    return "\n\n".join(sections)


def _uses_table(found: Sequence[Use]) -> str:
    rows = []
    for use in found:
        quota = QUOTAS[use.key]
        share = f"**{use.share:.0%}**" if use.share > 1 else f"{use.share:.1%}"
        rows.append(
            [quota.what, f"{use.used:,.1f}", f"{quota.limit:,.0f} {quota.unit}", share, LEVERS[use.key]]
        )
    return table(["limit", "taken", "limit is", "share", "lever"], rows)


def _link(source: str) -> str:
    return f"[{source.removeprefix('https://')}]({source})" if source.startswith("https://") else source


def main(arguments: Iterable[str]) -> int:
    """Writes the tables of docs/scale.md; with `print` shows them."""
    part = generated(Measurements.load())
    if "print" in arguments:
        sys.stdout.write(f"{part}\n")
    else:
        PAGE.write_text(page_with(PAGE.read_text(), BEGIN, part))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
