"""Checks that a request is signed (AWS Signature Version 4) with a key of the account; `authorizer` calls it.

What is signed is computed by botocore, as the one who signed did:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_HEADER = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/execute-api/aws4_request, ?"
    r"SignedHeaders=(?P<signed>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)
_DATE = "%Y%m%dT%H%M%SZ"
_GOOD_FOR = timedelta(minutes=5)


@dataclass(frozen=True)
class Signer:
    """Whose key it is."""

    arn: str
    secret: str


class NotSigned(Exception):
    """There is no signature, a wrong one, or an old one."""

    def __init__(self, why: Literal["missing", "invalid", "expired"]) -> None:
        super().__init__(why)
        self.why = why


def signer_of(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    holder: Callable[[str], Signer | None],
    now: datetime | None = None,
) -> Signer:
    """Who signed a request.

    Parameters
    ----------
    url, headers, body
        As they arrived, header names in lower case.
    holder
        Who has an access key of this id, None when nobody.

    Raises
    ------
    NotSigned
        When nobody known did.
    """
    found = _HEADER.fullmatch(headers.get("authorization", ""))
    if found is None:
        raise NotSigned("missing")
    signed, date = found["signed"].split(";"), headers.get("x-amz-date", "")
    known = holder(found["key"])
    if known is None or "host" not in signed or not {"x-amz-date", *signed} <= headers.keys():
        raise NotSigned("invalid")
    if not date.startswith(found["day"]) or not _is_fresh(date, now or datetime.now(UTC)):
        raise NotSigned("expired")
    request = AWSRequest(method, url, headers={name: headers[name] for name in signed}, data=body)
    request.context["timestamp"] = date
    auth = SigV4Auth(Credentials(found["key"], known.secret), "execute-api", found["region"])
    expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    if not hmac.compare_digest(expected, found["signature"]):
        raise NotSigned("invalid")
    return known


def _is_fresh(date: str, now: datetime) -> bool:
    try:
        return abs(now - datetime.strptime(date, _DATE).replace(tzinfo=UTC)) <= _GOOD_FOR
    except ValueError:
        return False
