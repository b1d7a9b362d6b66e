"""What a Lambda authorizer's answer means, and what it is cached under."""

from __future__ import annotations

from typing import Any

import pytest
from alpaquero_plugin.policy import identity, verdict

ARN = "arn:aws:execute-api:us-east-1:000000000000:api1/v1/GET/api/orders"
STAGE = "arn:aws:execute-api:us-east-1:000000000000:api1/v1/*"
HEADER = "method.request.header.Authorization"


def said(effect: str, resource: str | list[str], action: str = "execute-api:Invoke") -> dict[str, Any]:
    """One statement."""
    return {"Effect": effect, "Resource": resource, "Action": action}


@pytest.mark.parametrize(
    ("statements", "judged"),
    [
        ([said("Allow", STAGE)], "Allow"),
        ([said("Allow", ["arn:other", STAGE])], "Allow"),
        ([said("Allow", ARN.replace("GET", "G?T"))], "Allow"),
        ([said("Allow", STAGE, "execute-api:*")], "Allow"),
        ([said("Deny", STAGE), said("Allow", STAGE)], "Deny"),
        ([said("Allow", STAGE), said("Deny", ARN)], "Deny"),
        ([said("Allow", STAGE.replace("api1", "api2"))], "none"),
        ([said("Allow", STAGE, "s3:GetObject")], "none"),
        ([said("Allow", ARN.replace("/orders", ""))], "none"),
        ([said("Allow", ARN.replace("GET", "[GET]*"))], "none"),
        ([], "none"),
    ],
)
def test_a_policy_is_judged_as_iam_does(statements: list[dict[str, Any]], judged: str) -> None:
    """A deny wins, silence is no leave, only `*` and `?` are wildcards."""
    assert verdict({"policyDocument": {"Statement": statements}}, ARN) == judged


@pytest.mark.parametrize(
    ("sources", "headers", "query", "shape", "expected"),
    [
        (
            HEADER,
            {"Authorization": "Bearer a.b.c"},
            {},
            r"^Bearer [-\w]+\.[-\w]+\.[-\w]+$",
            ("Bearer a.b.c",),
        ),
        (HEADER, {"Authorization": "Bearer abc"}, {}, r"^Bearer [-\w]+\.[-\w]+\.[-\w]+$", None),
        (HEADER, {}, {}, None, None),
        (
            f"{HEADER}, method.request.querystring.ticket",
            {"Authorization": "a"},
            {"ticket": "t"},
            None,
            ("a", "t"),
        ),
        (f"{HEADER},method.request.querystring.ticket", {"Authorization": "a"}, {}, None, None),
        ("", {"Authorization": "a"}, {}, None, None),
    ],
)
def test_an_identity_is_whole_or_none(
    sources: str,
    headers: dict[str, str],
    query: dict[str, str],
    shape: str | None,
    expected: tuple[str, ...] | None,
) -> None:
    """A missing source or a token of the wrong shape is refused before the authorizer is asked."""
    assert identity(sources, headers, query, shape) == expected
