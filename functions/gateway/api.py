"""Sign-in, refresh, sign-out, the dashboard's socket ticket and the keys of programs.

The access token goes to the page, which keeps it in memory; the refresh token only ever travels
in a cookie that no script can read and no other site can send. A program's key is shown to the admin who
makes it, once.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from http.cookies import CookieError, SimpleCookie
from typing import Any

from botocore.exceptions import ClientError
from chalice.app import Response

from alpaquero import aws
from alpaquero.errors import InvalidRequest, NotAllowed, NotSignedIn
from alpaquero.observability import logger
from alpaquero.settings import IssuerSettings, Url, load
from alpaquero.store import program_keys
from alpaquero.store.connections import TICKET_SECONDS, issue_ticket
from alpaquero.web.app import Answer, json_response, service_app
from alpaquero.web.bodies import Page
from alpaquero.web.bodies.gateway import MadeKey, MakeKey, ProgramKey, Session, SignInRequest, Ticket
from alpaquero.web.tokens import token_checker


class Settings(IssuerSettings, frozen=True, kw_only=True):
    """What sign-in needs; `sign_in_url` is where an engine without Cognito answers Cognito's calls."""

    dashboard_origin: Url
    sign_in_url: Url | None = None


MOST_LETTERS = {"username": 128, "password": 256}  # that Cognito takes
COOKIE = "alpaquero_refresh"
COOKIE_PATH = "/api/auth"
COOKIE_SECONDS = 7 * 24 * 3600

settings = load(Settings)
checker = token_checker(
    issuer=settings.token_issuer, client=settings.user_pool_client, keys_url=settings.token_keys_url
)
app = service_app("gateway", works=True)


@lru_cache(maxsize=1)
def cognito() -> Any:
    """The user pool's client, made at the first sign-in."""
    return aws.client("cognito-idp", endpoint_url=settings.sign_in_url)


@app.endpoint("POST", public="/api/auth/sign-in", role=None, body=SignInRequest, refuses=(401, 403))
def sign_in(body: SignInRequest) -> Answer[Session]:
    """A session for a username and password."""
    _refuse_other_origins()
    for name, value in (("username", body.username), ("password", body.password)):
        if not 0 < len(value) <= MOST_LETTERS[name]:  # else the pool's answer looks like our own failure
            raise InvalidRequest(f"{name} has {len(value)} letters; give 1 to {MOST_LETTERS[name]}", name)
    return _session("USER_PASSWORD_AUTH", {"USERNAME": body.username, "PASSWORD": body.password})


@app.endpoint("POST", public="/api/auth/refresh", role=None, refuses=(401, 403))
def refresh() -> Answer[Session]:
    """A session for the refresh cookie."""
    _refuse_other_origins()
    token = _refresh_token()
    if token is None:
        raise NotSignedIn("There is no session to renew; sign in.")
    return _session("REFRESH_TOKEN_AUTH", {"REFRESH_TOKEN": token})


@app.endpoint("POST", public="/api/auth/sign-out", role=None, status=204, refuses=(403,))
def sign_out() -> Response:
    """Ends the session: the refresh token is revoked and its cookie removed."""
    _refuse_other_origins()
    token = _refresh_token()
    if token is not None:
        try:
            cognito().revoke_token(Token=token, ClientId=settings.user_pool_client)
        except ClientError as error:
            logger.warning("the refresh token was not revoked", reason=_code_of(error))
    return Response(body="", status_code=204, headers={"Set-Cookie": _cookie("", 0)})


# No ticket for a program: its socket would stay open when its key is revoked.
@app.endpoint("POST", public="/api/auth/ticket", role="viewer", people=True)
def ticket() -> Ticket:
    """A one-time ticket for the dashboard's socket."""
    caller = app.principal()
    return Ticket(ticket=issue_ticket(caller.username, caller.role), expires_in_seconds=TICKET_SECONDS)


@app.endpoint("GET", public="/api/keys", role="admin")
def keys() -> Page[ProgramKey]:
    """The keys of programs, by name; never the secrets."""
    return Page(items=[_described(key) for key in program_keys.known()])


@app.endpoint("POST", public="/api/keys", role="admin", body=MakeKey, status=201, refuses=(409,))
def make_key(body: MakeKey) -> MadeKey:
    """A new key for a program, shown this once."""
    made_by = app.principal().username
    token, key = program_keys.make(
        body.name, body.role, made_by, days=body.expires_in_days, requests_a_day=body.requests_a_day
    )
    logger.info("a program's key was made", program=key.name, role=key.role, made_by=made_by)
    return MadeKey(
        key=token,
        name=key.name,
        role=key.role,
        expires_at=_moment(key.expires_at),
        requests_a_day=key.requests_a_day,
    )


@app.endpoint("DELETE", public="/api/keys/{name}", role="admin")
def revoke_key(name: str) -> Page[ProgramKey]:
    """Ends a key, within the 60 seconds that the gateway keeps its answer; the keys that are left."""
    program_keys.revoke(name)
    logger.info("a program's key was revoked", program=name, revoked_by=app.principal().username)
    left: Page[ProgramKey] = keys()
    return left


def _described(key: program_keys.ProgramKey) -> ProgramKey:
    return ProgramKey(
        name=key.name,
        role=key.role,
        made_by=key.made_by,
        made_at=_moment(key.made_at),
        expires_at=_moment(key.expires_at),
        requests_a_day=key.requests_a_day,
        last_used_at=None if key.last_used_at is None else _moment(key.last_used_at),
    )


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _session(flow: str, parameters: dict[str, str]) -> Answer[Session]:
    """Signs in with the user pool and checks the token it gives as the authorizer would."""
    try:
        answer = cognito().initiate_auth(
            AuthFlow=flow, ClientId=settings.user_pool_client, AuthParameters=parameters
        )
    except ClientError as error:
        logger.info("sign-in refused", flow=flow, reason=_code_of(error))
        raise _refusal(flow, error) from None
    result = answer.get("AuthenticationResult")
    if result is None:
        raise NotAllowed(
            f"The user pool asks for {answer.get('ChallengeName')}; set a permanent password for this user "
            "(aws cognito-idp admin-set-user-password --permanent)."
        )
    caller = checker.check(result["AccessToken"])
    session = Session(
        access_token=result["AccessToken"],
        expires_in_seconds=result["ExpiresIn"],
        username=caller.username,
        roles=caller.roles,
    )
    renewed = result.get("RefreshToken")
    return json_response(
        session, headers={"Set-Cookie": _cookie(renewed, COOKIE_SECONDS)} if renewed else None
    )


def _refusal(flow: str, error: ClientError) -> Exception:
    """What the caller hears; the pool's own words could tell which usernames exist."""
    code = _code_of(error)
    if code in ("NotAuthorizedException", "UserNotFoundException"):
        if flow == "REFRESH_TOKEN_AUTH":
            return NotSignedIn("The session has ended; sign in again.")
        return NotSignedIn("The username or the password is wrong.")
    if code in ("UserNotConfirmedException", "PasswordResetRequiredException"):
        return NotAllowed("This user needs a new password first; ask an admin to set one.")
    return error


def _refuse_other_origins() -> None:
    """A page of another site may not use the cookie; programs send no Origin."""
    origin = app.header("origin")
    if origin is not None and origin != settings.dashboard_origin:
        raise NotAllowed(f"Open the dashboard at {settings.dashboard_origin}; other origins may not sign in.")


def _refresh_token() -> str | None:
    try:
        cookies = SimpleCookie(app.header("cookie") or "")
    except CookieError:
        return None
    return cookies[COOKIE].value or None if COOKIE in cookies else None


def _cookie(token: str, seconds: int) -> str:
    secure = "" if settings.environment == "local" else "; Secure"
    return f"{COOKIE}={token}; Path={COOKIE_PATH}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"


def _code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))
