"""Handlers of the engine's contract tests: each shows one behaviour of the engine."""

import json
import os
import sys
import time
from typing import Any

import boto3
from botocore.config import Config

TABLE = os.environ["TABLE"]


def _say(*words: object) -> None:
    # A silent handler would wait 50 ms for its log.
    sys.stdout.write(f"{words}\n")


def _note(key: str, value: object) -> None:
    boto3.client("dynamodb").put_item(
        TableName=os.environ["NOTES"], Item={"pk": {"S": key}, "body": {"S": json.dumps(value)}}
    )


def _noted(key: str) -> bool:
    found = boto3.client("dynamodb").get_item(TableName=os.environ["NOTES"], Key={"pk": {"S": key}})
    return "Item" in found


def echo(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer an API request, or show the environment to an invocation."""
    from own_layer import ANSWER

    _say("echo ran")
    body = {"layer": ANSWER, "path": event.get("path"), "socket": os.environ.get("WEBSOCKET_ENDPOINT", "")}
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}


def work(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Work on a batch until it is released, so that messages are seen in flight, or until the timeout."""
    bodies = [record["body"] for record in event["Records"]]
    _say("work", len(bodies))
    while not _noted(f"release {bodies[0]}"):
        time.sleep(0.05)
    _note("work", bodies)
    return {"batchItemFailures": []}


def stream(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Note the keys a stream mapping delivered."""
    keys = [record["dynamodb"]["Keys"]["sk"]["S"] for record in event["Records"]]
    _say("stream", keys)
    for key in keys:
        _note(f"stream#{key}", event["Records"][0]["eventName"])
    return {"batchItemFailures": []}


def socket(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Accept a connection and note its id."""
    _say("socket", event["requestContext"]["routeKey"])
    _note("socket", event["requestContext"])
    return {"statusCode": 200}


def push(event: dict[str, Any], context: Any) -> dict[str, str]:
    """Push to a connection through the endpoint the caller names."""
    _say("push")
    once = Config(retries={"max_attempts": 0}, connect_timeout=1)
    client = boto3.client("apigatewaymanagementapi", endpoint_url=event["endpoint"], config=once)
    client.post_to_connection(ConnectionId=event["connection"], Data=b'{"type":"Hello"}')
    return {"ok": "sent"}


def tick(event: dict[str, Any], context: Any) -> None:
    """Note the event a schedule sends."""
    _say("tick", event)
    _note("tick", event)
