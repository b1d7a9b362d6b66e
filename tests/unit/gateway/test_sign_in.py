"""Sign-in, refresh, sign-out and the ticket, as the browser sees them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import boto3
import msgspec
import pytest
from botocore.stub import Stubber

from alpaquero.store.connections import redeem_ticket
from alpaquero.web.tokens import TokenChecker
from functions.gateway import api
from tests.fakes.proxy import ORIGIN, body_of, proxy_event
from tests.fakes.tokens import CLIENT, ISSUER, Issuer, token

FLAGS = "Path=/api/auth; Max-Age=604800; HttpOnly; SameSite=Strict"


@pytest.fixture
def cognito(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """The user pool, answering what a test has put in and checking each request's shape."""
    client = boto3.client(
        "cognito-idp", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    monkeypatch.setattr(api, "cognito", lambda: client)
    monkeypatch.setattr(
        api, "checker", TokenChecker(issuer=ISSUER, client=CLIENT, fetch_keys=Issuer().published)
    )
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


def post(what: str, **event: Any) -> dict[str, Any]:
    answer: dict[str, Any] = api.app(
        proxy_event("POST", f"/api/auth/{what}", **({"role": None} | event)), None
    )
    return answer


def sign_in(**event: Any) -> dict[str, Any]:
    return post("sign-in", body={"username": "ana", "password": "correct horse"}, **event)


def expect_auth(stub: Stubber, flow: str, parameters: dict[str, str], result: dict[str, Any]) -> None:
    request = {"AuthFlow": flow, "ClientId": CLIENT, "AuthParameters": parameters}
    stub.add_response("initiate_auth", result, request)


PASSWORD = {"USERNAME": "ana", "PASSWORD": "correct horse"}


def test_sign_in_gives_a_session_and_hides_the_refresh_token(cognito: Stubber) -> None:
    """The page gets the access token; the refresh token comes in a cookie that scripts cannot read."""
    access = token(groups=["trader"])
    result = {"AccessToken": access, "ExpiresIn": 900, "RefreshToken": "r1", "TokenType": "Bearer"}
    expect_auth(cognito, "USER_PASSWORD_AUTH", PASSWORD, {"AuthenticationResult": result})
    answer = sign_in(headers={"Origin": ORIGIN})
    assert answer["statusCode"] == 200
    assert body_of(answer) == {
        "access_token": access,
        "expires_in_seconds": 900,
        "username": "ana",
        "roles": ["viewer", "trader"],
    }
    assert answer["headers"]["Set-Cookie"] == f"alpaquero_refresh=r1; {FLAGS}"
    assert answer["headers"]["Access-Control-Allow-Credentials"] == "true"


@pytest.mark.parametrize("environment", ["paper", "live"])
def test_the_cookie_is_secure_on_aws(
    cognito: Stubber, monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    """Only the laptop, which has no TLS, leaves `Secure` out."""
    on_aws = msgspec.structs.replace(
        api.settings,
        environment=environment,
        token_issuer="https://cognito-idp.us-east-1.amazonaws.com/us-east-1_pool",
    )
    monkeypatch.setattr(api, "settings", on_aws)
    result = {"AccessToken": token(), "ExpiresIn": 900, "RefreshToken": "r1"}
    expect_auth(cognito, "USER_PASSWORD_AUTH", PASSWORD, {"AuthenticationResult": result})
    assert sign_in()["headers"]["Set-Cookie"].endswith("; Secure")


@pytest.mark.parametrize("code", ["NotAuthorizedException", "UserNotFoundException"])
def test_a_wrong_password_and_an_unknown_user_sound_alike(
    cognito: Stubber, code: str, log_lines: list[dict[str, Any]]
) -> None:
    """Nobody learns which usernames exist, and no password reaches the log."""
    cognito.add_client_error("initiate_auth", code, "User does not exist: ana")
    answer = sign_in()
    assert (answer["statusCode"], body_of(answer)["error"]["message"]) == (
        401,
        "The username or the password is wrong.",
    )
    assert "Set-Cookie" not in answer["headers"]
    assert "correct horse" not in str(log_lines)


def test_a_forced_password_change_says_what_to_do(cognito: Stubber) -> None:
    """A challenge we do not serve is told, with the way out."""
    challenge = {"ChallengeName": "NEW_PASSWORD_REQUIRED", "Session": "s" * 20}
    expect_auth(cognito, "USER_PASSWORD_AUTH", PASSWORD, challenge)
    answer = sign_in()
    assert answer["statusCode"] == 403
    assert "NEW_PASSWORD_REQUIRED" in body_of(answer)["error"]["message"]


def test_a_user_without_a_role_gets_no_session(cognito: Stubber) -> None:
    """A token that the authorizer would refuse is not handed out."""
    result = {"AccessToken": token(groups=None), "ExpiresIn": 900, "RefreshToken": "r1"}
    expect_auth(cognito, "USER_PASSWORD_AUTH", PASSWORD, {"AuthenticationResult": result})
    answer = sign_in()
    assert answer["statusCode"] == 401
    assert "Set-Cookie" not in answer["headers"]


def test_an_outage_of_the_pool_is_ours(cognito: Stubber) -> None:
    """What is not the caller's mistake is a 503, to try again, without the pool's text."""
    cognito.add_client_error("initiate_auth", "InternalErrorException", "hush", 500)
    answer = sign_in()
    assert answer["statusCode"] == 503
    assert "hush" not in answer["body"]


@pytest.mark.parametrize(
    "body",
    [
        {"username": "ana"},
        {"username": "ana", "password": 5},
        {"username": "", "password": "secret"},
        {"username": "ana", "password": ""},
        {"username": "a" * 129, "password": "secret"},
        {"username": "ana", "password": "s" * 257},
        "{",
    ],
    ids=str,
)
def test_a_wrong_sign_in_body_is_refused(cognito: Stubber, body: Any) -> None:
    """Nothing reaches the user pool without a username and a password."""
    assert post("sign-in", body=body)["statusCode"] == 400


def test_refresh_gives_a_new_session_for_the_cookie(cognito: Stubber) -> None:
    """The cookie alone renews the session; without rotation it stays as it is."""
    result = {"AccessToken": token(), "ExpiresIn": 900}
    expect_auth(cognito, "REFRESH_TOKEN_AUTH", {"REFRESH_TOKEN": "r1"}, {"AuthenticationResult": result})
    answer = post("refresh", headers={"Cookie": "theme=dark; alpaquero_refresh=r1", "Origin": ORIGIN})
    assert body_of(answer)["username"] == "ana"
    assert "Set-Cookie" not in answer["headers"]


def test_a_rotated_refresh_token_replaces_the_cookie(cognito: Stubber) -> None:
    """When the pool rotates refresh tokens the browser gets the new one."""
    result = {"AccessToken": token(), "ExpiresIn": 900, "RefreshToken": "r2"}
    expect_auth(cognito, "REFRESH_TOKEN_AUTH", {"REFRESH_TOKEN": "r1"}, {"AuthenticationResult": result})
    answer = post("refresh", headers={"Cookie": "alpaquero_refresh=r1"})
    assert answer["headers"]["Set-Cookie"].startswith("alpaquero_refresh=r2; ")


@pytest.mark.parametrize("cookie", [None, "", "alpaquero_refresh=", "other=1", "===;;"])
def test_refresh_without_a_cookie_asks_to_sign_in(cognito: Stubber, cookie: str | None) -> None:
    """There is no session to renew."""
    answer = post("refresh", headers={"Cookie": cookie} if cookie is not None else {})
    assert answer["statusCode"] == 401


def test_an_ended_session_asks_to_sign_in(cognito: Stubber) -> None:
    """A revoked or old refresh token is told in plain words."""
    cognito.add_client_error("initiate_auth", "NotAuthorizedException", "Refresh Token has been revoked")
    answer = post("refresh", headers={"Cookie": "alpaquero_refresh=r1"})
    assert body_of(answer)["error"]["message"] == "The session has ended; sign in again."


@pytest.mark.parametrize("what", ["sign-in", "refresh", "sign-out"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:9100.evil.example"])
def test_another_sites_page_cannot_use_the_cookie(cognito: Stubber, what: str, origin: str) -> None:
    """A request from another origin is refused before the user pool hears of it."""
    headers = {"Cookie": "alpaquero_refresh=r1", "Origin": origin}
    assert post(what, headers=headers, body={"username": "a", "password": "b"})["statusCode"] == 403


def test_sign_out_revokes_and_clears(cognito: Stubber) -> None:
    """The refresh token is worthless afterwards and gone from the browser."""
    cognito.add_response("revoke_token", {}, {"Token": "r1", "ClientId": CLIENT})
    answer = post("sign-out", headers={"Cookie": "alpaquero_refresh=r1"})
    assert (answer["statusCode"], answer["body"]) == (204, "")
    assert answer["headers"]["Set-Cookie"].startswith("alpaquero_refresh=; Path=/api/auth; Max-Age=0;")


def test_sign_out_clears_even_when_the_pool_refuses(
    cognito: Stubber, log_lines: list[dict[str, Any]]
) -> None:
    """The browser is signed out in any case, and a token that was not revoked is told in the log."""
    cognito.add_client_error("revoke_token", "TooManyRequestsException", "slow down")
    answer = post("sign-out", headers={"Cookie": "alpaquero_refresh=r1"})
    assert "Max-Age=0" in answer["headers"]["Set-Cookie"]
    assert log_lines[0]["reason"] == "TooManyRequestsException"


@pytest.mark.parametrize("role", ["viewer", "trader", "admin"])
def test_everyone_signed_in_may_have_a_ticket(tables: None, role: str) -> None:
    """The ticket carries the caller's name and role."""
    answer = post("ticket", role=role)
    ticket = body_of(answer)
    holder = redeem_ticket(ticket["ticket"])
    assert holder is not None
    assert dataclasses.astuple(holder) == ("ana", role)
    assert ticket["expires_in_seconds"] == 30


def test_a_stranger_gets_no_ticket() -> None:
    """Without the authorizer's word there is none."""
    assert post("ticket")["statusCode"] == 401
