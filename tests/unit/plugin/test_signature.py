"""Who signed a request: as botocore signs it, and as nobody may."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from alpaquero_plugin.signature import NotSigned, Signer, signer_of
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY, SECRET, ANA = "LKIAQAAAAAAAEXAMPLE1", "a-secret", "arn:aws:iam::000000000000:user/ana"
URL = "http://api1.execute-api.localhost:4566/v1/configuration/config%20x?limit=2&after=a%2Fb"


def signed(
    *, secret: str = SECRET, service: str = "execute-api", body: bytes = b'{"a": 1}', token: str | None = None
) -> dict[str, str]:
    """The headers of a signed POST, names in lower case as they arrive."""
    request = AWSRequest("POST", URL, headers={"content-type": "application/json"}, data=body)
    SigV4Auth(Credentials(KEY, secret, token), service, "us-east-1").add_auth(request)
    host = {"host": "api1.execute-api.localhost:4566"}
    return host | {str(name).lower(): str(value) for name, value in request.headers.items()}


def holder(key: str) -> Signer | None:
    """The one key there is."""
    return Signer(ANA, SECRET) if key == KEY else None


def asked(headers: dict[str, str], *, url: str = URL, body: bytes = b'{"a": 1}', method: str = "POST") -> str:
    """Who is taken to have signed."""
    return signer_of(method, url, headers, body, holder=holder).arn


@pytest.mark.parametrize("token", [None, "a-session"])
def test_what_botocore_signs_is_known(token: str | None) -> None:
    """A user's key and a role's, whose session token is signed too."""
    assert asked(signed(token=token)) == ANA


def refused(headers: dict[str, str], **changes: object) -> str:
    """Why a request is refused."""
    with pytest.raises(NotSigned) as error:
        asked(headers, **changes)  # type: ignore[arg-type]
    return error.value.why


def test_anything_that_was_changed_is_noticed() -> None:
    """Another path, query, body, method, host, secret or service is no signature of this request."""
    good = signed()
    assert refused(good, url=URL.replace("config", "profile")) == "invalid"
    assert refused(good, url=URL.replace("limit=2", "limit=3")) == "invalid"
    assert refused(good, body=b"{}") == "invalid"
    assert refused(good, method="DELETE") == "invalid"
    assert refused(good | {"host": "api2.execute-api.localhost:4566"}) == "invalid"
    assert refused(signed(secret="another")) == "invalid"
    assert refused(signed(service="s3")) == "missing"


def test_unknown_keys_and_missing_headers_are_refused() -> None:
    """Nobody's key, no signature at all, a signature that leaves the host out."""
    good = signed()
    assert refused(good | {"authorization": good["authorization"].replace(KEY, "LKIAQAAAAAAAEXAMPLE2")}) == (
        "invalid"
    )
    assert refused({"host": "x"}) == "missing"
    assert refused(good | {"authorization": good["authorization"].replace("host;", "")}) == "invalid"


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_signature_is_good_for_five_minutes(minutes: int) -> None:
    """An old one, and one from the future, are refused."""
    with pytest.raises(NotSigned) as error:
        signer_of(
            "POST",
            URL,
            signed(),
            b'{"a": 1}',
            holder=holder,
            now=datetime.now(UTC) + timedelta(minutes=minutes),
        )
    assert error.value.why == "expired"
