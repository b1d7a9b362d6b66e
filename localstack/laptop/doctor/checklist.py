"""From paper to live: what must hold before real money is traded, each item looked at and none asked for.

``alpaquero doctor --live`` walks through it; ``alpaquero deploy --env live`` refuses while an item fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from alpaquero.broker.keys import LIVE_HOST
from laptop.aws.environments import Target, outputs_of, parameters_now
from laptop.deploy import Clients
from laptop.doctor.finding import Check, Finding, fail, judged, skipped

_LEAST_DAYS: Final = 28  # about twenty sessions
_NEWEST_DAYS: Final = 7


@dataclass(frozen=True)
class Checklist:
    """The live environment, and the paper stack before it, which may lie in an account of its own."""

    clients: Clients
    live: Target
    paper: Target
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    paper_clients: Clients | None = None

    def of_paper(self, service: str) -> Any:
        """A client where the paper stack is."""
        return (self.paper_clients or self.clients).client(service)


def checks(on: Checklist) -> list[tuple[str, Check]]:
    """Every item, by name."""
    return [
        ("live settings", lambda: settings(on)),
        ("two stacks", lambda: two_stacks(on)),
        ("weeks on paper", lambda: weeks_on_paper(on)),
        ("paper books", lambda: paper_books(on)),
        ("paper queues", lambda: paper_queues(on)),
        ("watchdog of live", lambda: watchdog(on)),
    ]


def settings(on: Checklist) -> Finding:
    """Live is live in all three places, or in none."""
    told = on.live.parameters
    wrong = [
        name
        for name, good in (
            ("Environment", told.get("Environment") == "live"),
            ("AlpacaTradingUrl", urlsplit(told.get("AlpacaTradingUrl", "")).hostname == LIVE_HOST),
            ("Account", told.get("Account", "paper") != "paper"),
        )
        if not good
    ]
    return judged(
        "live settings",
        "samconfig.toml, [live]",
        f"not live: {', '.join(wrong)}" if wrong else "live",
        "put them back as the repository has them",
        good=not wrong,
    )


def two_stacks(on: Checklist) -> Finding:
    """Live shares neither stack nor secrets with paper."""
    shared = [
        name
        for name in ("TradingSecret", "Account")
        if on.live.parameters.get(name) == on.paper.parameters.get(name)
    ]
    shared += ["stack"] if on.live.stack == on.paper.stack else []
    return judged(
        "two stacks",
        "samconfig.toml, [live] beside [paper]",
        f"shared: {', '.join(shared)}" if shared else "apart",
        "give live its own",
        good=not shared,
    )


def weeks_on_paper(on: Checklist) -> Finding:
    """The paper stack has traded this long, before your eyes."""
    how, cloudformation = "cloudformation DescribeStacks", on.of_paper("cloudformation")
    if not outputs_of(cloudformation, on.paper.stack):
        return fail(
            "weeks on paper",
            how,
            "no paper stack here",
            "alpaquero deploy --env paper, and four weeks; in another account: --paper-profile",
        )
    made = cloudformation.describe_stacks(StackName=on.paper.stack)["Stacks"][0]["CreationTime"]
    days = (on.now() - made).days
    return judged(
        "weeks on paper",
        how,
        f"{on.paper.stack} is {days} days old",
        f"let it trade {_LEAST_DAYS} days, some twenty sessions",
        good=days >= _LEAST_DAYS,
    )


def paper_books(on: Checklist) -> Finding:
    """The paper stack's books agreed with the broker's statement, to the cent, this week."""
    from alpaquero.broker.statement import Reconciliation
    from alpaquero.store.tables import from_body, unpacked

    title, how = "paper books", "the last reconciliation in the paper stack's Books"
    cloudformation = on.of_paper("cloudformation")
    outputs = outputs_of(cloudformation, on.paper.stack)
    if "Books" not in outputs:
        return skipped(title, how, "no paper stack here")
    account = parameters_now(cloudformation, on.paper.stack).get("Account", "paper")
    key = {"pk": {"S": account}, "sk": {"S": "RECONCILIATION"}}
    fix = "POST /api/analytics/reconciliation on paper, and look at each difference"
    answer = on.of_paper("dynamodb").get_item(TableName=outputs["Books"], Key=key)
    if "Item" not in answer:
        return fail(title, how, "never reconciled", fix)
    found = from_body(unpacked(answer["Item"]["packed"]["B"]), Reconciliation)
    age = (on.now() - found.wall_at).days
    words = f"{found.differences_found} differences, {age} days ago"
    return judged(title, how, words, fix, good=found.agrees and age <= _NEWEST_DAYS)


def paper_queues(on: Checklist) -> Finding:
    """Nothing was given up on paper."""
    how, outputs = "sqs GetQueueAttributes", outputs_of(on.of_paper("cloudformation"), on.paper.stack)
    names = sorted(name for name in outputs if name.endswith("DeadLetters"))
    if not names:
        return skipped("paper queues", how, "no paper stack here")
    sqs, held = on.of_paper("sqs"), []
    for name in names:
        told = sqs.get_queue_attributes(
            QueueUrl=outputs[name], AttributeNames=["ApproximateNumberOfMessages"]
        )
        if int(told["Attributes"]["ApproximateNumberOfMessages"]):
            held.append(name.removesuffix("QueueDeadLetters"))
    return judged(
        "paper queues",
        how,
        f"given up: {', '.join(held)}" if held else f"{len(names)} empty",
        "look at each message, and mend what gave it up",
        good=not held,
    )


def watchdog(on: Checklist) -> Finding:
    """Somebody outside AWS will notice when live is silent."""
    named = on.live.parameters.get("WatchdogSecret") or parameters_now(
        on.clients.client("cloudformation"), on.live.stack
    ).get("WatchdogSecret")
    return judged(
        "watchdog of live",
        "the parameter WatchdogSecret",
        named or "none",
        "docs/deploy.md, section Somebody outside; then --set WatchdogSecret=...",
        good=bool(named),
    )
