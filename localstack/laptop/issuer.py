"""Signs people in where the engine has no Cognito: a small issuer of tokens on loopback.

``laptop.localstack`` starts it with ``python -m laptop.issuer --state DIR --port N``, and ``laptop.owner``
adds its users. It publishes its keys as an OpenID provider does and answers the two calls of Cognito that
the gateway makes, ``InitiateAuth`` and ``RevokeToken``, so that the gateway needs no second way to sign in.
Users are made in its file alone, which only the stack's owner can write. template.yaml takes it for
``Environment: local`` and a loopback address alone: on AWS the issuer is always Cognito.

Tokens are RS256, with ``iss``, ``aud``, ``sub``, ``username``, ``groups``, ``iat``, ``exp``.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from laptop.guard import refusal
from laptop.layout import write_private
from laptop.processes import LOOPBACK

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

FILE: Final = "issuer.json"
CLIENT: Final = "alpaquero"
POOL: Final = "laptop"
TOKEN_SECONDS: Final = 15 * 60
REFRESH_SECONDS: Final = 7 * 24 * 3600
KEYS_PATH: Final = f"/{POOL}/.well-known/jwks.json"
_TARGET: Final = "AWSCognitoIdentityProviderService."
_LONGEST_BODY: Final = 16 * 1024


class User(msgspec.Struct, frozen=True):
    """Someone who may sign in; ``digest`` is scrypt's of the password with ``salt``."""

    groups: list[str]
    salt: str
    digest: str

    def has(self, password: str) -> bool:
        """Whether the password is this one."""
        return hmac.compare_digest(_digest(password, self.salt), self.digest)


class Renewal(msgspec.Struct, frozen=True):
    """A session that may be renewed until ``until``, in seconds since the epoch."""

    username: str
    until: float


class Book(msgspec.Struct):
    """What the issuer keeps: users by name, renewals by the digest of their token, its private key."""

    users: dict[str, User] = {}
    renewals: dict[str, Renewal] = {}
    key: str = ""


class NotAuthorized(Exception):
    """The password or the refresh token is not good."""


def _digest(password: str, salt: str) -> str:
    return hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=2**14, r=8, p=1).hex()


def _book(path: Path) -> Book:
    return msgspec.json.decode(path.read_bytes(), type=Book) if path.exists() else Book()


def add_user(state: Path, username: str, password: str, group: str) -> bool:
    """Write a user into the issuer's file; False when he is there, who is left alone."""
    path = state / FILE
    book = _book(path)
    if username in book.users:
        return False
    salt = secrets.token_hex(16)
    book.users[username] = User([group], salt, _digest(password, salt))
    write_private(path, msgspec.json.encode(book))
    return True


class Issuer:
    """Gives tokens to the users of a file.

    Parameters
    ----------
    path
        Its file; read again for each sign-in, since users are added while it runs.
    issuer
        Its own address, the ``iss`` of each token.
    now
        Seconds since the epoch.
    """

    def __init__(self, path: Path, issuer: str, *, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._issuer = issuer
        self._now = now
        self._lock = threading.Lock()
        self._key = self._kept_key()

    def keys(self) -> dict[str, Any]:
        """The public key as a JSON Web Key Set."""
        numbers = self._key.public_key().public_numbers()
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self._key_id}
        return {"keys": [key | {"n": _base64(numbers.n), "e": _base64(numbers.e)}]}

    def configuration(self) -> dict[str, Any]:
        """The OpenID provider's description."""
        return {
            "issuer": self._issuer,
            "jwks_uri": f"{self._issuer}{KEYS_PATH}",
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
        }

    def initiate_auth(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Cognito's ``InitiateAuth``, by password or by refresh token.

        Raises
        ------
        NotAuthorized
            When neither is good, or the client is another's.
        """
        given = wanted.get("AuthParameters") or {}
        if wanted.get("ClientId") != CLIENT:
            raise NotAuthorized("the client is unknown")
        with self._lock:
            book = _book(self._path)
            if wanted.get("AuthFlow") == "USER_PASSWORD_AUTH":
                username = str(given.get("USERNAME", ""))
                user = book.users.get(username, _NOBODY)
                if not user.has(str(given.get("PASSWORD", ""))) or user is _NOBODY:
                    raise NotAuthorized("the username or the password is wrong")
                refresh = secrets.token_urlsafe(32)
                renewals = {key: one for key, one in book.renewals.items() if one.until > self._now()}
                book.renewals = renewals | {_name(refresh): Renewal(username, self._now() + REFRESH_SECONDS)}
                write_private(self._path, msgspec.json.encode(book))
                return self._result(username, user, refresh)
            renewal = book.renewals.get(_name(str(given.get("REFRESH_TOKEN", ""))))
            known = None if renewal is None else book.users.get(renewal.username)
            if renewal is None or known is None or renewal.until <= self._now():
                raise NotAuthorized("the session has ended")
            return self._result(renewal.username, known)

    def revoke_token(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Cognito's ``RevokeToken``; an unknown token is no error there either."""
        with self._lock:
            book = _book(self._path)
            if book.renewals.pop(_name(str(wanted.get("Token", ""))), None) is not None:
                write_private(self._path, msgspec.json.encode(book))
        return {}

    def _result(self, username: str, user: User, refresh: str | None = None) -> dict[str, Any]:
        import jwt

        now = int(self._now())
        claims = {
            "iss": self._issuer,
            "aud": CLIENT,
            "sub": username,
            "username": username,
            "groups": user.groups,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
        }
        token = jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self._key_id})
        result = {"AccessToken": token, "ExpiresIn": TOKEN_SECONDS, "TokenType": "Bearer"}
        return {"AuthenticationResult": result if refresh is None else result | {"RefreshToken": refresh}}

    def _kept_key(self) -> RSAPrivateKey:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        book = _book(self._path)
        if not book.key:
            made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            book.key = made.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ).decode()
            write_private(self._path, msgspec.json.encode(book))
        return cast("RSAPrivateKey", serialization.load_pem_private_key(book.key.encode(), password=None))

    @property
    def _key_id(self) -> str:
        return hashlib.sha256(str(self._key.public_key().public_numbers().n).encode()).hexdigest()[:16]


# Asked for when nobody has the name, so that an unknown name takes as long as a wrong password.
_NOBODY: Final = User([], "00" * 16, "")


def _name(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _base64(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class _Handler(BaseHTTPRequestHandler):
    """The issuer's routes."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    issuer: Issuer

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 -- the base class names it
        """Says nothing: requests hold passwords."""

    def do_GET(self) -> None:
        """Its keys and its description."""
        routes = {
            KEYS_PATH: self.issuer.keys,
            "/.well-known/openid-configuration": self.issuer.configuration,
        }
        if self._is_refused():
            return
        route = routes.get(self.path)
        self._reply(200, route()) if route else self._reply(404, {"message": "there is no such route"})

    def do_POST(self) -> None:
        """Cognito's calls, as its protocol has them: the operation in a header, JSON in the body."""
        length = int(self.headers.get("Content-Length") or 0)
        if length > _LONGEST_BODY:
            self.close_connection = True
            self._reply(413, {"message": "the body is too long"})
            return
        body = self.rfile.read(length)
        if self._is_refused():
            return
        calls = {"InitiateAuth": self.issuer.initiate_auth, "RevokeToken": self.issuer.revoke_token}
        call = calls.get(self.headers.get("X-Amz-Target", "").removeprefix(_TARGET))
        if call is None:
            self._reply(400, {"__type": "UnknownOperationException", "message": "no such operation"})
            return
        try:
            wanted = json.loads(body)
            self._reply(200, call(wanted if isinstance(wanted, dict) else {}))
        except ValueError:
            self._reply(400, {"__type": "SerializationException", "message": "the body is no JSON"})
        except NotAuthorized as error:
            self._reply(400, {"__type": "NotAuthorizedException", "message": str(error)})

    def _is_refused(self) -> bool:
        headers = {name.lower(): value for name, value in self.headers.items()}
        why = refusal(self.path, headers)
        if why is not None:
            self._reply(403, {"message": why})
        return why is not None

    def _reply(self, status: int, body: Mapping[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        kind = "application/json" if self.command == "GET" else "application/x-amz-json-1.1"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()


def server(state: Path, port: int) -> ThreadingHTTPServer:
    """The issuer of a state folder on a loopback port, not yet serving."""

    class Handler(_Handler):
        pass

    made = ThreadingHTTPServer((LOOPBACK, port), Handler)
    made.daemon_threads = True
    Handler.issuer = Issuer(state / FILE, url(made.server_port))
    return made


def url(port: int) -> str:
    """The issuer's address, which is its name in tokens."""
    return f"http://{LOOPBACK}:{port}"


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m laptop.issuer", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="the stack's state folder")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args(arguments)
    serving = server(options.state, options.port)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=serving.shutdown).start())
    serving.serve_forever()
    serving.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
