"""Checks access tokens (JWT, RS256) against the issuer's published keys; used by the gateway's functions.

Cognito's access tokens carry `client_id` and `token_use` in place of an audience; a token of
another issuer, which has no `token_use`, must carry our client id as its audience.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.request import urlopen

import jwt
import msgspec

from alpaquero.errors import NotSignedIn
from alpaquero.web.principal import Principal, highest

KEYS_SECONDS = 3600.0  # keys are read again when older
UNKNOWN_KEY_SECONDS = 30.0  # and at most this often for a token with a key we do not know
FETCH_SECONDS = 3.0
LONGEST_TOKEN = 8192

Fetch = Callable[[], bytes]


class TokenChecker:
    """Checks tokens of one issuer for one client; keeps the issuer's keys in warm memory."""

    def __init__(
        self, *, issuer: str, client: str, fetch_keys: Fetch, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuer = issuer
        self._client = client
        self._fetch_keys = fetch_keys
        self._monotonic = monotonic
        self._keys: dict[str, Any] = {}
        self._read_at: float | None = None

    def check(self, token: str) -> Principal:
        """The caller the token stands for.

        Raises `NotSignedIn`, whose message says what is wrong with the token and never holds it.
        """
        if len(token) > LONGEST_TOKEN:
            raise NotSignedIn("the token is too long")
        try:
            claims = jwt.decode(
                token,
                self._key_of(jwt.get_unverified_header(token)),
                algorithms=["RS256"],
                issuer=self._issuer,
                options={"require": ["exp", "iss"], "verify_aud": False},
            )
        except jwt.PyJWTError as error:
            raise NotSignedIn(f"the token is not valid ({type(error).__name__})") from None
        self._check_client(claims)
        role = highest(claims.get("cognito:groups") or claims.get("groups") or ())
        if role is None:
            raise NotSignedIn("the token's user is in none of the groups viewer, trader, admin")
        username = claims.get("username") or claims.get("sub")
        if not isinstance(username, str) or not username:
            raise NotSignedIn("the token names no user")
        return Principal(username, role)

    def _check_client(self, claims: dict[str, Any]) -> None:
        if "token_use" in claims:
            use = claims["token_use"]
            if use != "access":
                raise NotSignedIn("the token is not an access token")
            if claims.get("client_id") != self._client:
                raise NotSignedIn("the token was issued for another client")
            return
        audience = claims.get("aud")
        if self._client not in (audience if isinstance(audience, list) else [audience]):
            raise NotSignedIn("the token was issued for another audience")

    def _key_of(self, header: dict[str, Any]) -> Any:
        if header.get("alg") != "RS256":
            raise NotSignedIn("the token is not signed with RS256")
        key_id = header.get("kid")
        now = self._monotonic()
        age = None if self._read_at is None else now - self._read_at
        if age is None or age > KEYS_SECONDS or (key_id not in self._keys and age > UNKNOWN_KEY_SECONDS):
            self._keys = _rsa_keys(self._fetch_keys())
            self._read_at = now
        if not isinstance(key_id, str) or key_id not in self._keys:
            raise NotSignedIn("the token is signed with a key the issuer does not publish")
        return self._keys[key_id]


def token_checker(*, issuer: str, client: str, keys_url: str) -> TokenChecker:
    """A checker that reads the issuer's keys from `keys_url`.

    `check` then also raises `OSError` when the keys cannot be read.
    """

    def fetch() -> bytes:
        with urlopen(keys_url, timeout=FETCH_SECONDS) as answer:  # noqa: S310 - settings allow http(s) alone
            body: bytes = answer.read()
        return body

    return TokenChecker(issuer=issuer, client=client, fetch_keys=fetch)


def _rsa_keys(document: bytes) -> dict[str, Any]:
    """The signing keys of a JWKS document by key id; keys of other kinds are passed over."""
    return {
        key["kid"]: jwt.PyJWK(key, algorithm="RS256").key
        for key in msgspec.json.decode(document)["keys"]
        if key.get("kty") == "RSA" and key.get("use", "sig") == "sig"
    }
