"""How the tests of the whole cloud call its APIs, through the port mappings as anyone would."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import httpx

from laptop import calls
from laptop.processes import LOOPBACK
from laptop.stack import Stack
from tests.waiting import PATIENCE_SECONDS


@dataclass(frozen=True)
class Caller:
    """Calls the public API, with a token or without."""

    port: int
    token: str | None = None

    def ask(
        self, method: str, path: str, *, body: Any = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """The gateway's answer."""
        given = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        given |= calls.ANEW  # a test looks at what it has just done
        return httpx.request(
            method,
            f"http://{LOOPBACK}:{self.port}{path}",
            json=body,
            headers=given | (headers or {}),
            timeout=PATIENCE_SECONDS,
            trust_env=False,
        )

    def having(self, token: str | None) -> Caller:
        """The same with another token."""
        return replace(self, token=token)


class _Signer:
    """As much of a stack as a signature needs, with another secret."""

    def __init__(self, stack: Stack, secret_key: str) -> None:
        self.outputs, self.ports = stack.outputs, stack.ports
        self.credentials = replace(stack.credentials, secret_key=secret_key)


def signed(stack: Stack, service: str, path: str, *, secret_key: str | None = None) -> dict[str, str]:
    """The headers of a signed GET of a service's path; `secret_key` other than ours signs it wrongly."""
    call = calls.Call(stack.ports[service], path)
    signer: Any = stack if secret_key is None else _Signer(stack, secret_key)
    return calls.signature(signer, service, call)


def sign_in(stack: Stack, username: str, password: str) -> dict[str, Any]:
    """What the user pool answers to a sign-in."""
    result: dict[str, Any] = stack.client("cognito-idp").initiate_auth(
        ClientId=stack.outputs["UserPoolClient"],
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": username, "PASSWORD": password},
    )["AuthenticationResult"]
    return result
