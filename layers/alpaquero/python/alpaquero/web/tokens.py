"""Checks access tokens (JWT, RS256) against the issuer's published keys; used by the gateway's functions.

Cognito's access tokens carry `client_id` and `token_use` in place of an audience; a token of
another issuer, which has no `token_use`, must carry our client id as its audience.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.request import urlopen

import jwt
import msgspec

from alpaquero import wall
from alpaquero.errors import NotSignedIn
from alpaquero.web.principal import Principal, highest

KEYS_SECONDS = 3600.0  # keys are read again when older
UNKNOWN_KEY_SECONDS = 30.0  # and at most this often for a token with a key we do not know
OLDEST_KEYS_SECONDS = 24 * 3600.0  # while the issuer does not answer, known keys are good for so long
FETCH_SECONDS = 3.0
LONGEST_TOKEN = 8192

Fetch = Callable[[], bytes]


class TokenChecker:
    """Checks tokens of one issuer for one client; keeps the issuer's keys in warm memory."""

    def __init__(
        self, *, issuer: str, client: str, fetch_keys: Fetch, lapsed: Callable[[], float] = wall.lapsed
    ) -> None:
        self._issuer = issuer
        self._client = client
        self._fetch_keys = fetch_keys
        self._lapsed = lapsed
        self._keys: dict[str, Any] = {}
        self._read_at: float | None = None
        self._asked_at: float | None = None

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

    def _read_keys(self, now: float, is_known: bool) -> None:
        """Reads the keys anew. Raises `OSError` unless the known ones are still good enough."""
        try:
            self._keys = _rsa_keys(self._fetch_keys())
        except OSError:
            if not is_known or self._read_at is None or now - self._read_at > OLDEST_KEYS_SECONDS:
                raise
            self._asked_at = now - KEYS_SECONDS + UNKNOWN_KEY_SECONDS
            return
        self._read_at = self._asked_at = now

    def _key_of(self, header: dict[str, Any]) -> Any:
        if header.get("alg") != "RS256":
            raise NotSignedIn("the token is not signed with RS256")
        key_id = header.get("kid")
        now = self._lapsed()
        is_known = isinstance(key_id, str) and key_id in self._keys
        asked = None if self._asked_at is None else now - self._asked_at
        if asked is None or asked > KEYS_SECONDS or (not is_known and asked > UNKNOWN_KEY_SECONDS):
            self._read_keys(now, is_known)
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
