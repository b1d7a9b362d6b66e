"""Asks the laptop's paper exchange about the faults it makes on purpose; `health_monitor/api` alone calls it.

The token it shows opens the exchange's switchboard of faults and nothing else: it moves no clock and reads
no book. It goes to this machine alone, in one request of three seconds a step, behind a breaker of its own
(`shared_breaker`) and never tried again, for a person waits for it and sees on the page what came of it.
"""

from __future__ import annotations

import http.client
from functools import cache
from typing import Final, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from alpaquero import outbound, secrets
from alpaquero.errors import (
    BrokerError,
    BrokerUnavailable,
    BrokerUnclear,
    InvalidRequest,
    LeftAlone,
    NotFound,
)
from alpaquero.shared_breaker import guarded

TIMEOUT_SECONDS: Final = 3.0
PATH: Final = "/admin/faults"
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost"})

T = TypeVar("T")


class _Secret(msgspec.Struct):
    token: str


class _Refused(msgspec.Struct):
    message: str


class Switchboard:
    """The switchboard of the exchange at `url`, with the token in the secret named `secret`.

    Raises `NotFound` when there is none: no secret is named, or `url` is not of this machine.
    """

    def __init__(self, url: str, secret: str) -> None:
        if not secret or urlsplit(url).hostname not in _LOOPBACK:
            raise NotFound("There is no paper exchange here: faults are made on purpose on a laptop alone.")
        self._url, self._secret = url.rstrip("/"), secret

    def read(self, kind: type[T]) -> T:
        """The whole switchboard. Raises `BrokerUnavailable` when the exchange does not answer."""
        try:
            return self._ask("GET", "/board", kind)
        except BrokerUnclear as error:  # nothing was to be done
            raise BrokerUnavailable(str(error)) from error

    def add(self, wanted: object, kind: type[T]) -> T:
        """Puts rules, or a mix and its seed, in force, all or none; answers them.

        Raises `InvalidRequest` with the exchange's words when they cannot be, `BrokerUnavailable` when it
        was not reached, `BrokerUnclear` when nobody knows whether it did it.
        """
        return self._ask("POST", "", kind, wanted)

    def remove(self, rule_id: str, kind: type[T]) -> T:
        """Takes one rule out of force; answers those that are left. Raises `NotFound`, and as `add` does."""
        return self._ask("DELETE", f"/{quote(rule_id, safe='')}", kind)

    def clear(self, kind: type[T]) -> T:
        """Takes every rule out of force. Raises as `add` does."""
        return self._ask("DELETE", "", kind)

    def _ask(self, method: str, path: str, kind: type[T], body: object = None) -> T:
        content = b"" if body is None else msgspec.json.encode(body)
        token = _token(self._secret)
        try:
            with guarded("faults", lambda error: isinstance(error, BrokerError)):
                return _answered(method, self._url + PATH + path, token, content, kind)
        except LeftAlone as error:
            raise BrokerUnavailable(str(error), error.retry_after_seconds) from error


def _answered(method: str, url: str, token: str, content: bytes, kind: type[T]) -> T:
    """The answer to one request. Raises what `Switchboard.add` and `remove` say."""
    try:
        answer = outbound.send(
            url,
            method=method,
            body=content,
            headers={"Authorization": f"Bearer {token}"},
            timeout_seconds=TIMEOUT_SECONDS,
            loopback=True,
        )
    except ConnectionRefusedError:
        raise BrokerUnavailable("the paper exchange does not run; look at its log") from None
    except (OSError, http.client.HTTPException) as error:
        raise BrokerUnclear(f"the paper exchange gave no answer ({type(error).__name__})") from error
    if answer.status == 200:
        return _decoded(answer.body, kind)
    if answer.status == 404:
        raise NotFound(f"{_decoded(answer.body, _Refused).message}; read the list again")
    if answer.status == 422:
        raise InvalidRequest(_decoded(answer.body, _Refused).message)
    raise BrokerUnclear(f"the paper exchange answered {answer.status}")


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise BrokerUnclear(f"the paper exchange's answer cannot be read: {error}") from error


@cache
def _token(name: str) -> str:
    """The token in the secret `name`, read once in the life of the function's environment."""
    return secrets.read(name, _Secret, '{"token": "..."}; `alpaquero up` writes it anew').token
