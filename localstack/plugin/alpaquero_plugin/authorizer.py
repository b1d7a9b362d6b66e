"""Lets nobody past a REST API who is not authorized; LocalStack's free core lets everybody pass.

A method with a Lambda authorizer asks it, one with AWS_IAM wants a signature by a key of the account.
Which of the account's callers may do what is not asked: the free core has no IAM policies.

It hangs in the gateway's own place for extensions, `preprocess_request`; `plugins` puts it there.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from typing import Any

from localstack.aws.connect import connect_to
from localstack.services.apigateway.next_gen.execute_api import (
    gateway_response as refusals,
)

from alpaquero_plugin.policy import identity, verdict
from alpaquero_plugin.signature import NotSigned, Signer, signer_of

_DEFAULT_TTL = 300
_MOST_KEPT = 1000
_kept: OrderedDict[tuple[str, ...], tuple[float, dict[str, Any]]] = OrderedDict()
_lock = threading.Lock()


def authorize(_chain: Any, context: Any, _response: Any) -> None:
    """Let a request pass with its caller noted, or raise what the gateway answers instead."""
    kind = context.resource_method.get("authorizationType")
    if kind == "CUSTOM":
        _ask_function(context)
    elif kind == "AWS_IAM":
        _check_signature(context)


_REFUSALS = {
    "missing": refusals.MissingAuthTokenError,
    "invalid": refusals.InvalidSignatureError,
    "expired": refusals.ExpiredTokenError,
}


def _check_signature(context: Any) -> None:
    request = context.request
    headers = {name.lower(): value for name, value in request.headers.items()}
    url = f"http://{headers.get('host', '')}{request.environ.get('RAW_URI') or request.path}"
    try:
        signer = signer_of(
            request.method,
            url,
            headers,
            context.invocation_request["body"] or b"",
            holder=lambda key: _holder(context.account_id, key),
        )
    except NotSigned as error:
        raise _REFUSALS[error.why](str(error)) from None
    context.context_variables["identity"] |= {"userArn": signer.arn, "accountId": context.account_id}


def _holder(account: str, key_id: str) -> Signer | None:
    """The user of a key, or the role that a function has assumed by it."""
    from moto.iam.models import iam_backends
    from moto.sts.models import sts_backends

    for user in iam_backends[account]["aws"].users.values():
        for key in user.access_keys:
            if key.access_key_id == key_id and key.status == "Active":
                return Signer(user.arn, key.secret_access_key)
    role = sts_backends[account]["aws"].get_assumed_role_from_access_key(key_id)
    return None if role is None else Signer(role.arn, role.secret_access_key)


def _ask_function(context: Any) -> None:
    method = context.resource_method
    authorizer = context.deployment.rest_api.authorizers[method["authorizerId"]]
    request = context.invocation_request
    caller = identity(
        authorizer.get("identitySource") or "",
        request["headers"],
        request["query_string_parameters"],
        authorizer.get("identityValidationExpression"),
    )
    if caller is None:
        raise refusals.UnauthorizedError("Unauthorized")
    arn = (
        f"arn:aws:execute-api:{context.region}:{context.account_id}:{context.api_id}/{context.stage}/"
        f"{request['http_method']}{request['path']}"
    )
    key = (context.api_id, context.stage, context.deployment_id, authorizer["id"], *caller)
    answer = _answer(context, authorizer, arn, caller, key)
    judged = verdict(answer, arn)
    if judged != "Allow":
        explicit = " with an explicit deny" if judged == "Deny" else ""
        raise refusals.AccessDeniedError(f"User is not authorized to access this resource{explicit}")
    context.context_variables["authorizer"] = {
        **(answer.get("context") or {}),
        "principalId": answer["principalId"],
    }


def _answer(
    context: Any, authorizer: dict[str, Any], arn: str, caller: tuple[str, ...], key: tuple[str, ...]
) -> dict[str, Any]:
    """The authorizer's answer, the last one while it is fresh."""
    with _lock:
        until, answer = _kept.get(key, (0.0, {}))
    if until > time.monotonic():
        return answer
    event = {"type": authorizer["type"], "methodArn": arn}
    if authorizer["type"] == "TOKEN":
        event["authorizationToken"] = caller[0]
    else:
        event |= _request_event(context)
    answer = _asked(context, authorizer, event)
    seconds = authorizer.get("authorizerResultTtlInSeconds", _DEFAULT_TTL)
    if seconds:
        with _lock:
            _kept[key] = (time.monotonic() + float(seconds), answer)
            while len(_kept) > _MOST_KEPT:
                _kept.popitem(last=False)
    return answer


def _request_event(context: Any) -> dict[str, Any]:
    request = context.invocation_request
    return {
        "resource": context.resource["path"],
        "path": request["path"],
        "httpMethod": request["http_method"],
        "headers": dict(request["headers"]),
        "queryStringParameters": request["query_string_parameters"],
        "pathParameters": request["path_parameters"],
        "stageVariables": context.stage_variables or {},
        "requestContext": dict(context.context_variables),
    }


def _asked(context: Any, authorizer: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    name = authorizer["authorizerUri"].split("/functions/")[1].removesuffix("/invocations")
    client = connect_to(region_name=context.region, aws_access_key_id=context.account_id).lambda_
    reply = client.invoke(FunctionName=name, Payload=json.dumps(event, default=str))
    answer: dict[str, Any] = json.loads(reply["Payload"].read())
    if not reply.get("FunctionError"):
        return answer
    if answer.get("errorMessage") == "Unauthorized":  # the one exception that API Gateway gives a meaning
        raise refusals.UnauthorizedError("Unauthorized")
    raise refusals.AuthorizerConfigurationError
