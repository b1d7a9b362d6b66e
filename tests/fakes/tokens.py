"""An issuer of access tokens with a key of its own, for tests of whoever checks them."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

ISSUER, CLIENT = "https://issuer.example/pool", "client-1"


@cache
def private_key(name: str) -> RSAPrivateKey:
    """The RSA key called `name`, made once a test run."""
    return generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Issuer:
    """Publishes `keys` and counts how often they are read."""

    keys: list[str] = field(default_factory=lambda: ["key-1"])
    reads: int = 0

    def published(self) -> bytes:
        """The JWKS document."""
        self.reads += 1
        keys = []
        for name in self.keys:
            key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private_key(name).public_key()))
            keys.append({**key, "kid": name, "alg": "RS256", "use": "sig"})
        return json.dumps({"keys": keys}).encode()


def claims(groups: Any = ("viewer",), **changes: Any) -> dict[str, Any]:
    """The claims of a Cognito access token of a viewer; None removes a claim."""
    now = int(time.time())
    whole = {
        "sub": "7a1c",
        "iss": ISSUER,
        "client_id": CLIENT,
        "token_use": "access",
        "username": "ana",
        "cognito:groups": groups,
        "iat": now,
        "exp": now + 900,
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def token(key: str = "key-1", kid: str | None = "key-1", **changes: Any) -> str:
    """A token signed with `key` and headed with `kid`, its claims as in `claims`."""
    headers = {"kid": kid} if kid else None
    return jwt.encode(claims(**changes), private_key(key), algorithm="RS256", headers=headers)
