"""Whether a stack in AWS is protected, watched and at work; ``alpaquero doctor --stack`` asks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from laptop.aws.environments import Target, outputs_of, parameters_now
from laptop.deploy import Clients, status_of
from laptop.doctor.finding import Check, Finding, fail, judged, ok, skipped, warn
from laptop.doctor.network import Fetch, fetch

# The tables whose content cannot be made again; template.yaml keeps them when the stack goes.
KEPT_TABLES: Final = ("Books", "Runs", "Bars", "Settings", "Positions", "Analytics", "Notifications")
_LONGEST_PAUSE: Final = 15 * 60  # seconds; sync and the monitor come each minute
_WATCHED: Final = ("trading", "risk")


@dataclass(frozen=True)
class Deployed:
    """A stack that should be there, as the checks see it."""

    clients: Clients
    target: Target
    region: str
    account_id: str
    fetch: Fetch = fetch
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs, none when it is not there."""
        return outputs_of(self.clients.client("cloudformation"), self.target.stack)


def checks(stack: Deployed) -> list[tuple[str, Check]]:
    """Every check, by name."""
    return [
        ("stack", lambda: settled(stack)),
        ("tables", lambda: tables(stack)),
        ("table versions", lambda: versions(stack)),
        ("alarms", lambda: alarms(stack)),
        ("who hears alarms", lambda: subscribed(stack)),
        ("budget", lambda: budget(stack)),
        ("admin", lambda: admin(stack)),
        ("health", lambda: health(stack)),
        ("last work", lambda: last_work(stack)),
        ("watchdog", lambda: watchdog(stack)),
    ]


def settled(stack: Deployed) -> Finding:
    """Deployed to the end, and not to be deleted by one wrong word."""
    cloudformation, name = stack.clients.client("cloudformation"), stack.target.stack
    status, how = status_of(cloudformation, name), "cloudformation DescribeStacks"
    if status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}:
        return fail(
            "stack",
            how,
            f"{name}: {status or 'not there'}",
            f"alpaquero deploy --env {stack.target.environment}",
        )
    if status == "UPDATE_ROLLBACK_COMPLETE":
        return warn(
            "stack", how, f"{name}: the last deploy was rolled back", "mend its cause and deploy again"
        )
    guarded = cloudformation.describe_stacks(StackName=name)["Stacks"][0].get("EnableTerminationProtection")
    return judged(
        "stack",
        how,
        f"{name}: {status}{'' if guarded else ', may be deleted'}",
        f"aws cloudformation update-termination-protection --enable-termination-protection "
        f"--stack-name {name}",
        good=bool(guarded),
    )


def tables(stack: Deployed) -> Finding:
    """What cannot be made again may be restored to any second of 35 days, and not be deleted."""
    how, dynamodb, outputs = (
        "dynamodb DescribeTable, DescribeContinuousBackups",
        stack.clients.client("dynamodb"),
        stack.outputs,
    )
    open_ones = []
    for name in KEPT_TABLES:
        if name not in outputs:
            return skipped("tables", how, "the stack is not there")
        told = dynamodb.describe_table(TableName=outputs[name])["Table"]
        backups = dynamodb.describe_continuous_backups(TableName=outputs[name])[
            "ContinuousBackupsDescription"
        ]
        recovery = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
        if not told.get("DeletionProtectionEnabled") or recovery != "ENABLED":
            open_ones.append(name)
    return judged(
        "tables",
        how,
        f"unprotected: {', '.join(open_ones)}" if open_ones else f"{len(KEPT_TABLES)} protected",
        "deploy again: template.yaml protects them outside the laptop",
        good=not open_ones,
    )


def versions(stack: Deployed) -> Finding:
    """The tables are of this release's version."""
    from alpaquero.store import schema as registry
    from laptop.moving import schema

    settings = stack.outputs.get("Settings")
    if settings is None:
        return skipped("table versions", "its marker", "the stack is not there")
    found, wanted = schema.found_versions(stack.clients.client("dynamodb"), settings), registry.versions()
    behind = [name for name in wanted if found[name] != wanted[name]]
    return judged(
        "table versions",
        "its marker in Settings",
        f"other: {', '.join(behind)}" if behind else "this release's",
        f"alpaquero migrate --stack {stack.target.stack}; if newer, use the newer release",
        good=not behind,
    )


def alarms(stack: Deployed) -> Finding:
    """There, and none rings."""
    client, how = stack.clients.client("cloudwatch"), "cloudwatch DescribeAlarms"
    pages = client.get_paginator("describe_alarms").paginate(AlarmNamePrefix=stack.target.stack)
    found = [alarm for page in pages for alarm in page["MetricAlarms"]]
    if not found:
        return fail("alarms", how, "none", f"alpaquero deploy --env {stack.target.environment} makes them")
    ringing = [alarm["AlarmName"] for alarm in found if alarm["StateValue"] == "ALARM"]
    return judged(
        "alarms",
        how,
        f"ringing: {', '.join(ringing)}" if ringing else f"{len(found)}, none rings",
        "their descriptions say what to look at",
        good=not ringing,
    )


def _topic(stack: Deployed) -> str | None:
    pages = stack.clients.client("cloudformation").get_paginator("list_stack_resources")
    for page in pages.paginate(StackName=stack.target.stack):
        for entry in page["StackResourceSummaries"]:
            if entry["LogicalResourceId"] == "AlarmTopic":
                return str(entry["PhysicalResourceId"])
    return None


def subscribed(stack: Deployed) -> Finding:
    """Somebody has confirmed that he wants to hear alarms: until then AWS sends nothing."""
    how = "sns ListSubscriptionsByTopic"
    topic = _topic(stack) if stack.outputs else None
    if topic is None:
        return skipped("who hears alarms", how, "the stack is not there")
    told = stack.clients.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    confirmed = [one for one in told if one["SubscriptionArn"].startswith("arn:")]
    return judged(
        "who hears alarms",
        how,
        f"{len(confirmed)} of {len(told)} confirmed",
        "open the mail of AWS Notifications and confirm; none came: deploy with --set MailTo=you@your-domain",
        good=bool(confirmed),
    )


def budget(stack: Deployed) -> Finding:
    """A bill that grows is told."""
    answer = stack.clients.client("budgets").describe_budgets(AccountId=stack.account_id)
    names = [one["BudgetName"] for one in answer.get("Budgets", ())]
    return judged(
        "budget",
        "budgets DescribeBudgets",
        ", ".join(names) or "none",
        f"alpaquero deploy --env {stack.target.environment} makes one (BudgetDollars)",
        good=bool(names),
    )


def admin(stack: Deployed) -> Finding:
    """Somebody can sign in and halt trading."""
    pool = stack.outputs.get("UserPool")
    if pool is None:
        return skipped("admin", "cognito-idp ListUsersInGroup", "the stack is not there")
    users = stack.clients.client("cognito-idp").list_users_in_group(UserPoolId=pool, GroupName="admin")[
        "Users"
    ]
    return judged(
        "admin",
        "cognito-idp ListUsersInGroup",
        f"{len(users)}",
        f"alpaquero admin you@example.com --stack {stack.target.stack}",
        good=bool(users),
    )


def health(stack: Deployed) -> Finding:
    """The public `/health` answers well."""
    api = stack.outputs.get("PublicApi")
    if api is None:
        return skipped("health", "GET /health", "the stack is not there")
    reply = stack.fetch(f"https://{api}.execute-api.{stack.region}.amazonaws.com/v1/health", {})
    status = (reply.body or {}).get("status", "unknown") if reply.status == 200 else f"answers {reply.status}"
    return judged(
        "health", "GET /health", str(status), "see /api/monitoring/alerts and the logs", good=status == "ok"
    )


def _bodies(stack: Deployed, table: str, kind: str) -> list[Mapping[str, Any]]:
    answer = stack.clients.client("dynamodb").query(
        TableName=table, KeyConditionExpression="pk = :kind", ExpressionAttributeValues={":kind": {"S": kind}}
    )
    return [json.loads(item["body"]["S"]) for item in answer["Items"]]


def last_work(stack: Deployed) -> Finding:
    """Sync and monitor have worked lately."""
    table, how = stack.outputs.get("Health"), "WORK items of the table Health"
    if table is None:
        return skipped("last work", how, "the stack is not there")
    if (
        parameters_now(stack.clients.client("cloudformation"), stack.target.stack).get("Schedules")
        == "DISABLED"
    ):
        return skipped("last work", how, "the schedules are off", "deploy with --set Schedules=ENABLED")
    at = {one["service"]: datetime.fromisoformat(one["at"]) for one in _bodies(stack, table, "WORK")}
    missing = [name for name in _WATCHED if name not in at]
    if missing:
        return fail("last work", how, f"never: {', '.join(missing)}", "look at their schedules and logs")
    oldest = max((stack.now() - at[name]).total_seconds() for name in _WATCHED)
    return judged(
        "last work",
        how,
        f"{oldest / 60:.0f} minutes ago",
        "look at the schedules, their functions' logs and the alarms",
        good=oldest <= _LONGEST_PAUSE,
    )


def watchdog(stack: Deployed) -> Finding:
    """Somebody outside AWS notices when all of it is silent."""
    named = parameters_now(stack.clients.client("cloudformation"), stack.target.stack).get("WatchdogSecret")
    if named:
        return ok("watchdog", "the parameter WatchdogSecret", named)
    return warn(
        "watchdog",
        "the parameter WatchdogSecret",
        "none",
        "docs/deploy.md, section Somebody outside, says how",
    )
