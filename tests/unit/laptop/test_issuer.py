"""The laptop's issuer: whom it lets in, what its tokens are worth, and what it keeps."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import jwt
import pytest
from botocore.exceptions import ClientError

from alpaquero.errors import NotSignedIn
from alpaquero.web.tokens import TokenChecker, token_checker
from laptop import issuer
from tests.fakes.http_server import serving

URL, NAME, PASSWORD = "http://127.0.0.1:9300", "ana@example.com", "Correct-horse-12"


class Clock:
    """Seconds since the epoch, moved by hand."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The issuer's clock."""
    return Clock()


@pytest.fixture
def made(tmp_path: Path, clock: Clock) -> issuer.Issuer:
    """An issuer with one trader."""
    issuer.add_user(tmp_path, NAME, PASSWORD, "trader")
    return issuer.Issuer(tmp_path / issuer.FILE, URL, now=clock)


def wanted(flow: str = "USER_PASSWORD_AUTH", client: str = issuer.CLIENT, **given: str) -> dict[str, Any]:
    """An InitiateAuth as the gateway sends it."""
    return {"AuthFlow": flow, "ClientId": client, "AuthParameters": given}


def signed_in(of: issuer.Issuer) -> dict[str, Any]:
    """What a right password is answered."""
    result: dict[str, Any] = of.initiate_auth(wanted(USERNAME=NAME, PASSWORD=PASSWORD))[
        "AuthenticationResult"
    ]
    return result


def checker(of: issuer.Issuer, **changes: Any) -> TokenChecker:
    """The gateway's check of the issuer's tokens."""
    settings: dict[str, Any] = {"issuer": URL, "client": issuer.CLIENT}
    return TokenChecker(**(settings | changes), fetch_keys=lambda: json.dumps(of.keys()).encode())


def test_the_gateway_knows_whom_a_token_stands_for(made: issuer.Issuer) -> None:
    """A token passes the check that every request's token passes, with its user's role."""
    caller = checker(made).check(signed_in(made)["AccessToken"])
    assert (caller.username, caller.role) == (NAME, "trader")


@pytest.mark.parametrize("changes", [{"issuer": "http://127.0.0.1:9301"}, {"client": "another"}])
def test_a_token_is_for_one_issuer_and_one_client(made: issuer.Issuer, changes: dict[str, str]) -> None:
    """Where another issuer or client is expected it is refused."""
    with pytest.raises(NotSignedIn):
        checker(made, **changes).check(signed_in(made)["AccessToken"])


@pytest.mark.parametrize(
    "asked",
    [
        wanted(USERNAME=NAME, PASSWORD="wrong"),
        wanted(USERNAME="nobody", PASSWORD=PASSWORD),
        wanted(USERNAME="nobody", PASSWORD=""),
        wanted(client="another", USERNAME=NAME, PASSWORD=PASSWORD),
        wanted("REFRESH_TOKEN_AUTH", REFRESH_TOKEN="made-up"),
        wanted("REFRESH_TOKEN_AUTH"),
        {},
    ],
)
def test_nobody_else_gets_in(made: issuer.Issuer, asked: dict[str, Any]) -> None:
    """A wrong password, an unknown user, another client or a made-up session get no token."""
    with pytest.raises(issuer.NotAuthorized):
        made.initiate_auth(asked)


def test_a_session_is_renewed_until_it_is_revoked(made: issuer.Issuer) -> None:
    """The refresh token gives new access tokens; once revoked it gives none."""
    refresh = signed_in(made)["RefreshToken"]
    renewed = made.initiate_auth(wanted("REFRESH_TOKEN_AUTH", REFRESH_TOKEN=refresh))
    assert checker(made).check(renewed["AuthenticationResult"]["AccessToken"]).username == NAME
    made.revoke_token({"Token": refresh, "ClientId": issuer.CLIENT})
    with pytest.raises(issuer.NotAuthorized):
        made.initiate_auth(wanted("REFRESH_TOKEN_AUTH", REFRESH_TOKEN=refresh))


def test_sessions_end_by_themselves(made: issuer.Issuer, clock: Clock) -> None:
    """An access token is good for 15 minutes, a refresh token for seven days."""
    answer = signed_in(made)
    claims = jwt.decode(answer["AccessToken"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == answer["ExpiresIn"] == 15 * 60
    clock.now += issuer.REFRESH_SECONDS
    with pytest.raises(issuer.NotAuthorized):
        made.initiate_auth(wanted("REFRESH_TOKEN_AUTH", REFRESH_TOKEN=answer["RefreshToken"]))


def test_a_restart_keeps_its_key_and_its_sessions(made: issuer.Issuer, tmp_path: Path) -> None:
    """Whoever was signed in stays so."""
    answer = signed_in(made)
    again = issuer.Issuer(tmp_path / issuer.FILE, URL)
    assert checker(again).check(answer["AccessToken"]).username == NAME
    assert again.initiate_auth(wanted("REFRESH_TOKEN_AUTH", REFRESH_TOKEN=answer["RefreshToken"]))


def test_the_file_tells_its_owner_alone_and_no_password(made: issuer.Issuer, tmp_path: Path) -> None:
    """Neither a password nor a refresh token can be read from it, nor the file by others."""
    refresh = signed_in(made)["RefreshToken"]
    path = tmp_path / issuer.FILE
    assert path.stat().st_mode & 0o077 == 0
    assert PASSWORD not in path.read_text()
    assert refresh not in path.read_text()


def test_a_user_who_is_there_is_left_alone(made: issuer.Issuer, tmp_path: Path) -> None:
    """Adding him again changes neither his password nor his role."""
    assert not issuer.add_user(tmp_path, NAME, "Another-pass-12", "admin")
    assert checker(made).check(signed_in(made)["AccessToken"]).role == "trader"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of an issuer that serves, with one trader."""
    issuer.add_user(tmp_path, NAME, PASSWORD, "trader")
    with serving(issuer.server(tmp_path, 0)) as address:
        yield address


def cognito(address: str) -> Any:
    """Cognito's own client, as the gateway has it, asking the issuer."""
    return boto3.client(
        "cognito-idp",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )


def test_cognitos_client_understands_it(served: str) -> None:
    """Sign-in, its refusal and sign-out are Cognito's own calls and errors."""
    client = cognito(served)
    good = client.initiate_auth(**wanted(USERNAME=NAME, PASSWORD=PASSWORD))["AuthenticationResult"]
    with pytest.raises(ClientError) as refused:
        client.initiate_auth(**wanted(USERNAME=NAME, PASSWORD="wrong"))
    assert refused.value.response["Error"]["Code"] == "NotAuthorizedException"
    client.revoke_token(Token=good["RefreshToken"], ClientId=issuer.CLIENT)
    with pytest.raises(ClientError):
        client.initiate_auth(**wanted("REFRESH_TOKEN_AUTH", REFRESH_TOKEN=good["RefreshToken"]))


def test_its_keys_are_published(served: str) -> None:
    """A token is checked against the keys at the address that the template names."""
    answer = cognito(served).initiate_auth(**wanted(USERNAME=NAME, PASSWORD=PASSWORD))
    claims = jwt.decode(answer["AuthenticationResult"]["AccessToken"], options={"verify_signature": False})
    check = token_checker(
        issuer=claims["iss"], client=issuer.CLIENT, keys_url=f"{served}/laptop/.well-known/jwks.json"
    )
    assert check.check(answer["AuthenticationResult"]["AccessToken"]).role == "trader"


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
def test_web_pages_are_refused(served: str, headers: dict[str, str]) -> None:
    """Neither a page's request nor one for another host's name is answered."""
    asked = urllib.request.Request(f"{served}{issuer.KEYS_PATH}", headers=headers)  # noqa: S310
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked, timeout=10)  # noqa: S310 -- loopback alone
    assert refused.value.code == 403
