"""Decides who gets in: API Gateway calls it for each new token, and for each dashboard that connects.

A sound token or a program's key opens the whole stage, so that one cached answer serves every route; what
its role may is said by each route and checked by `alpaquero.web.app`. Anything else gets a Deny, which the
template has the gateway answer with 401, and which is cached as well: a token that is no good costs one
call a minute. Only a check that could not be made raises (the gateway answers 500), for a Deny would last.
Why a caller was refused stands in the log alone.
"""

from __future__ import annotations

from typing import Any

from alpaquero.errors import NotSignedIn
from alpaquero.observability import logger, observed
from alpaquero.settings import IssuerSettings, load
from alpaquero.web.principal import Principal
from alpaquero.web.tokens import token_checker

KEY_PREFIX = "aqk."


settings = load(IssuerSettings)
checker = token_checker(
    issuer=settings.token_issuer, client=settings.user_pool_client, keys_url=settings.token_keys_url
)


@observed("gateway", follows_settings=False)
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Answers a TOKEN event of the REST API or a REQUEST event of the WebSocket API's $connect.

    Raises `OSError` when the issuer's keys cannot be read, `PynamoDBException` when tickets or the keys
    of programs cannot.
    """
    arn = str(event.get("methodArn", ""))
    try:
        if event.get("type") == "TOKEN":
            caller = _caller(_bearer(event.get("authorizationToken")))
            return _allow([f"{_stage_of(arn)}/*"], caller)
        return _connect_policy(arn, event.get("queryStringParameters") or {})
    except NotSignedIn as refusal:
        logger.info("refused", reason=refusal.message)
    return _policy("nobody", "Deny", [f"{_stage_of(arn)}/*"], {})


def _bearer(header: object) -> str:
    scheme, _, token = str(header or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotSignedIn("the Authorization header is not `Bearer <token>`")
    return token.strip()


def _caller(token: str) -> Principal:
    if not token.startswith(KEY_PREFIX):
        return checker.check(token)
    # Only here: a function that checks people's tokens alone does not pay for the table's client.
    from alpaquero.store import program_keys

    key = program_keys.holder(token)
    return Principal(f"key:{key.name}", key.role, key.requests_a_day)


def _connect_policy(arn: str, query: dict[str, Any]) -> dict[str, Any]:
    # Only here: a function that checks tokens alone does not pay for the table's client.
    from alpaquero.store.connections import redeem_ticket

    ticket = query.get("ticket")
    holder = redeem_ticket(ticket) if isinstance(ticket, str) and ticket else None
    if holder is None:
        raise NotSignedIn("the ticket is missing, unknown, used or older than 30 seconds")
    return _allow([arn], Principal(holder.username, holder.role))


def _stage_of(arn: str) -> str:
    """`arn:...:<api>/<stage>` of `arn:...:<api>/<stage>/<method>/<path>`."""
    return "/".join(arn.split("/")[:2])


def _allow(resources: list[str], caller: Principal) -> dict[str, Any]:
    context = {"username": caller.username, "role": caller.role}
    if caller.requests_a_day is not None:
        context["requests_a_day"] = str(caller.requests_a_day)
    return _policy(caller.username, "Allow", resources, context)


def _policy(principal: str, effect: str, resources: list[str], context: dict[str, str]) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resources}
    return {
        "principalId": principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": context,
    }
