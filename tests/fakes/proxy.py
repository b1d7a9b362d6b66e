"""API Gateway's proxy events as both APIs deliver them, for tests of handlers."""

from __future__ import annotations

import json
from typing import Any

ORIGIN = "http://localhost:9100"
USER_ARN = "arn:aws:iam::000000000000:user/laptop"


def proxy_event(
    method: str,
    route: str,
    *,
    path: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    body: Any = None,
    role: str | None = "viewer",
    arn: str | None = USER_ARN,
) -> dict[str, Any]:
    """A REST v1 event: `/api/` routes carry the authorizer's word for `role`, others the signer's `arn`."""
    context: dict[str, Any] = {
        "resourcePath": route,
        "httpMethod": method,
        "requestId": "req-1",
        "stage": "v1",
        "identity": {"sourceIp": "127.0.0.1", "userArn": None if route.startswith("/api/") else arn},
    }
    if route.startswith("/api/") and role is not None:
        context["authorizer"] = {"username": "ana", "role": role, "principalId": "ana"}
    return {
        "resource": route,
        "path": route.format(**(path or {})),
        "httpMethod": method,
        "headers": headers or {},
        "multiValueHeaders": {name: [value] for name, value in (headers or {}).items()},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": {n: [v] for n, v in query.items()} if query else None,
        "pathParameters": path,
        "stageVariables": None,
        "requestContext": context,
        "body": body if body is None or isinstance(body, str) else json.dumps(body),
        "isBase64Encoded": False,
    }


def body_of(answer: dict[str, Any]) -> Any:
    """The decoded JSON body of a handler's answer."""
    return json.loads(answer["body"])
