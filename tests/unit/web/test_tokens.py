"""Which access tokens are believed."""

from __future__ import annotations

import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from alpaquero.errors import NotSignedIn
from alpaquero.web.principal import Principal
from alpaquero.web.tokens import TokenChecker
from tests.fakes.tokens import CLIENT, ISSUER, Issuer, claims, private_key, token


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def checker(issuer: Issuer) -> TokenChecker:
    return TokenChecker(issuer=ISSUER, client=CLIENT, fetch_keys=issuer.published)


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["viewer"], "viewer"),
        (["viewer", "trader"], "trader"),
        (["admin", "viewer"], "admin"),
        (["trader", "some-other-group"], "trader"),
    ],
)
def test_a_sound_token_gives_the_highest_role(checker: TokenChecker, groups: list[str], role: str) -> None:
    """The caller is the token's user with the highest role among his groups."""
    assert Principal("ana", role) == checker.check(token(groups=groups))


def test_another_issuers_token_needs_our_audience(checker: TokenChecker) -> None:
    """A token without `token_use` counts when its audience is our client."""

    def other(aud: Any) -> str:
        return token(token_use=None, client_id=None, aud=aud)

    assert checker.check(other(CLIENT)).role == "viewer"
    assert checker.check(other(["x", CLIENT])).role == "viewer"
    for aud in (None, "another", ["another"], []):
        with pytest.raises(NotSignedIn):
            checker.check(other(aud))


def _tampered() -> str:
    header, _, signature = token().split(".")
    body = urlsafe_b64encode(msgspec.json.encode(claims(groups=["admin"]))).rstrip(b"=").decode()
    return f"{header}.{body}.{signature}"


def _signed_with_the_public_key() -> str:
    """The classic confusion: HS256 with the RSA public key as the secret."""
    pem = private_key("key-1").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header, body = (
        urlsafe_b64encode(msgspec.json.encode(part)).rstrip(b"=")
        for part in ({"alg": "HS256", "kid": "key-1", "typ": "JWT"}, claims())
    )
    import hashlib
    import hmac

    signature = urlsafe_b64encode(hmac.new(pem, header + b"." + body, hashlib.sha256).digest()).rstrip(b"=")
    return b".".join((header, body, signature)).decode()


NOW = int(time.time())
BAD_TOKENS: dict[str, Callable[[], str]] = {
    "expired": lambda: token(exp=NOW - 1, iat=NOW - 900),
    "without expiry": lambda: token(exp=None),
    "not valid yet": lambda: token(nbf=NOW + 86_400),
    "wrong issuer": lambda: token(iss="https://issuer.example/other-pool"),
    "no issuer": lambda: token(iss=None),
    "wrong client": lambda: token(client_id="client-2"),
    "no client": lambda: token(client_id=None),
    "id token": lambda: token(token_use="id", client_id=None, aud=CLIENT),
    "refresh token": lambda: token(token_use="refresh"),
    "algorithm none": lambda: jwt.encode(claims(), "", algorithm="none", headers={"kid": "key-1"}),
    "algorithm HS256": lambda: jwt.encode(claims(), "x" * 32, algorithm="HS256", headers={"kid": "key-1"}),
    "public key as secret": _signed_with_the_public_key,
    "algorithm RS512": lambda: jwt.encode(
        claims(), private_key("key-1"), algorithm="RS512", headers={"kid": "key-1"}
    ),
    "unknown key": lambda: token(key="key-2", kid="key-2"),
    "another key under a known name": lambda: token(key="key-2", kid="key-1"),
    "no key id": lambda: token(kid=None),
    "no group": lambda: token(groups=None),
    "no group of ours": lambda: token(groups=["Admin", "root"]),
    "group as text": lambda: token(groups="admin"),
    "no user": lambda: token(username=None, sub=None),
    "tampered": _tampered,
    "cut off": lambda: token()[:-8],
    "not a token": lambda: "hello",
    "empty": lambda: "",
    "too long": lambda: token(pad="x" * 9000),
    "null bytes": lambda: "\x00.\x00.\x00",
}


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_a_bad_token_is_refused(checker: TokenChecker, name: str) -> None:
    """Whatever is wrong with a token, it is refused, and the reason does not repeat it."""
    bad = BAD_TOKENS[name]()
    with pytest.raises(NotSignedIn) as caught:
        checker.check(bad)
    assert not bad or bad not in caught.value.message


def test_known_keys_outlive_an_issuer_that_does_not_answer(issuer: Issuer) -> None:
    """For a day users stay in, the issuer is asked every half minute, and strangers get an error."""
    now, asked = [0.0], [0]

    def keys() -> bytes:
        asked[0] += 1
        if now[0] > 0:
            raise OSError("no route to the issuer")
        return issuer.published()

    checker = TokenChecker(issuer=ISSUER, client=CLIENT, fetch_keys=keys, lapsed=lambda: now[0])
    assert checker.check(token()).username == "ana"
    for second in (3601.0, 3610.0, 3632.0):
        now[0] = second
        assert checker.check(token()).username == "ana"
    assert asked == [3]
    with pytest.raises(OSError, match="no route"):
        checker.check(token(key="key-2", kid="key-2"))
    now[0] = 24 * 3600.0 + 1
    with pytest.raises(OSError, match="no route"):
        checker.check(token())


def test_keys_are_read_once_and_again_for_a_new_key(issuer: Issuer) -> None:
    """A warm checker reads keys once an hour and after a rotation, but not for every stranger."""
    now = [0.0]
    checker = TokenChecker(issuer=ISSUER, client=CLIENT, fetch_keys=issuer.published, lapsed=lambda: now[0])
    checker.check(token())
    checker.check(token())
    assert issuer.reads == 1
    now[0] = 31.0
    issuer.keys = ["key-1", "key-2"]
    assert checker.check(token(key="key-2", kid="key-2")).username == "ana"
    assert issuer.reads == 2
    for _ in range(5):
        with pytest.raises(NotSignedIn):
            checker.check(token(key="key-3", kid="key-3"))
    assert issuer.reads == 2
    now[0] = 31.0 + 3601
    issuer.keys = ["key-2"]
    with pytest.raises(NotSignedIn):
        checker.check(token())
    assert issuer.reads == 3
