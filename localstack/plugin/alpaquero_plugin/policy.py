"""What a Lambda authorizer is asked and what its answer means; `authorizer` calls it.

As API Gateway has it: an explicit deny wins, nothing said is a deny, `*` and `?` are wildcards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(part, re.escape(part)) for part in text), re.DOTALL)


def _list(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _effects(policy: Mapping[str, Any], arn: str) -> Iterator[str]:
    for statement in policy["Statement"]:
        actions = [action.lower() for action in _list(statement["Action"])]
        acts = any(_pattern(action).fullmatch("execute-api:invoke") for action in actions)
        if acts and any(_pattern(resource).fullmatch(arn) for resource in _list(statement["Resource"])):
            yield statement["Effect"]


def verdict(answer: Mapping[str, Any], arn: str) -> str:
    """`Allow`, `Deny` (said so) or `none` (not said) for a method's ARN.

    Raises
    ------
    KeyError
        When the answer is no authorizer's answer.

    Examples
    --------
    >>> statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": ["arn:x/v1/*"]}
    >>> verdict({"policyDocument": {"Statement": [statement]}}, "arn:x/v1/GET/api/orders")
    'Allow'
    """
    effects = set(_effects(answer["policyDocument"], arn))
    return "Deny" if "Deny" in effects else "Allow" if effects else "none"


def identity(
    sources: str, headers: Mapping[str, str], query: Mapping[str, str], shape: str | None
) -> tuple[str, ...] | None:
    """The values that an authorizer's answer is cached under, or None when one is missing or misshapen.

    Parameters
    ----------
    sources
        ``method.request.header.Authorization``, several with commas between.
    headers, query
        The request's; headers without regard to case.
    shape
        A regular expression that a token must match.
    """
    found: list[str] = []
    for source in filter(None, (one.strip() for one in sources.split(","))):
        _, _, place, name = source.split(".", 3)
        value = (headers if place == "header" else query).get(name)
        if not value or (shape and not re.search(shape, value)):
            return None
        found.append(value)
    return tuple(found) or None
