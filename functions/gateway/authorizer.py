"""Decides who gets in: API Gateway calls it for each new token, and for each dashboard that connects.

It answers an IAM policy for the whole stage, never an exception: an exception would cost the warm
environment, and a WebSocket client a 500. Why a caller was refused stands in the log alone.
"""

from __future__ import annotations

from typing import Any

from alpaquero.errors import NotSignedIn
from alpaquero.observability import logger, observed
from alpaquero.settings import FunctionSettings, Text, Url, load
from alpaquero.web.principal import Principal
from alpaquero.web.tokens import token_checker


class Settings(FunctionSettings, frozen=True, kw_only=True):
    """What the authorizer needs."""

    token_issuer: Text
    token_keys_url: Url
    user_pool_client: Text


settings = load(Settings)
checker = token_checker(
    issuer=settings.token_issuer, client=settings.user_pool_client, keys_url=settings.token_keys_url
)

# What each role may call below the stage, methods and paths as in API Gateway's ARNs.
RIGHTS: dict[str, tuple[str, ...]] = {
    "viewer": ("GET/*", "POST/api/auth/ticket"),
    "trader": (
        "GET/*",
        "POST/api/auth/ticket",
        "POST/api/orders",
        "PATCH/api/orders/*",
        "DELETE/api/orders",
        "DELETE/api/orders/*",
        "POST/api/positions/*",
        "POST/api/risk/assess",
        "POST/api/trading_state",
    ),
    "admin": ("*",),
}


@observed("gateway", follows_settings=False)
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Answers a TOKEN event of the REST API or a REQUEST event of the WebSocket API's $connect."""
    arn = str(event.get("methodArn", ""))
    try:
        if event.get("type") == "TOKEN":
            return _stage_policy(arn, checker.check(_bearer(event.get("authorizationToken"))))
        return _connect_policy(arn, event.get("queryStringParameters") or {})
    except NotSignedIn as refusal:
        logger.info("refused", reason=refusal.message)
    except Exception:
        logger.exception("refused, because the check failed")
    return _policy("nobody", "Deny", [f"{_stage_of(arn)}/*"], {})


def _bearer(header: object) -> str:
    scheme, _, token = str(header or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotSignedIn("the Authorization header is not `Bearer <token>`")
    return token.strip()


def _stage_policy(arn: str, caller: Principal) -> dict[str, Any]:
    stage = _stage_of(arn)
    return _allow([f"{stage}/{right}" for right in RIGHTS[caller.role]], caller)


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
    return _policy(caller.username, "Allow", resources, {"username": caller.username, "role": caller.role})


def _policy(principal: str, effect: str, resources: list[str], context: dict[str, str]) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resources}
    return {
        "principalId": principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": context,
    }
