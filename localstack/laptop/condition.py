"""How the bot in a running stack is: alerts and last work from its Health table; for ``alpaquero status``."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Any

from laptop.stack import Stack


def condition(stack: Stack) -> dict[str, Any]:
    """Whether all is well, which alerts stand, and how long ago each service last did its work.

    ``status`` is ok, degraded, or unknown while the health monitor has not looked yet.
    """
    alerts = _bodies(stack, "ALERT")
    raised = [alert for alert in alerts if alert["raised"]]
    now = time.time()
    return {
        "status": "degraded" if raised else "ok" if alerts else "unknown",
        "alerts": [{"name": one["name"], "since": one["since"], "message": one["message"]} for one in raised],
        "seconds_since_work": {
            work["service"]: round(now - datetime.fromisoformat(work["at"]).timestamp())
            for work in _bodies(stack, "WORK")
        },
    }


def _bodies(stack: Stack, kind: str) -> list[dict[str, Any]]:
    answer = stack.client("dynamodb").query(
        TableName=stack.outputs["Health"],
        KeyConditionExpression="pk = :kind",
        ExpressionAttributeValues={":kind": {"S": kind}},
        ConsistentRead=True,
    )
    return [json.loads(item["body"]["S"]) for item in answer["Items"]]
