"""Carries one call at a time over alpaca-py's client, and says what became of it.

The one place where calls leave for the broker: `BrokerTransport._once`. Time-outs, the safe
repetition of reads and the mapping of answers to `alpaquero.errors` live here; so will the
circuit breaker and the shared request budget. Used by the adapters beside it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError, NewConnectionError

from alpaquero.errors import BrokerError, BrokerRejected, BrokerUnavailable, BrokerUnclear

CONNECT_SECONDS = 3.05
READ_SECONDS = 10.0
READ_TRIES = 3
READ_BUDGET_SECONDS = 20.0  # all tries of one read together, waits included
IDLE_SECONDS = 4.0  # a pooled connection older than this may have been closed at the other end

Answer = Any
Parameters = Mapping[str, Any]


class AlpacaClient(Protocol):
    """The part of alpaca-py's RESTClient that we use."""

    _session: requests.Session
    _retry: int

    def get(self, path: str, data: dict[str, Any] | None = None) -> Answer: ...
    def post(self, path: str, data: dict[str, Any] | None = None) -> Answer: ...
    def delete(self, path: str, data: dict[str, Any] | None = None) -> Answer: ...


class _TimeoutAdapter(HTTPAdapter):
    """Gives every request a time-out, since alpaca-py gives none."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
        response = super().send(request, *args, **kwargs)
        response.encoding = "utf-8"  # JSON is UTF-8; guessing from the bytes is slow
        return response


class BrokerTransport:
    """One client's calls. Nothing here repeats a POST, and alpaca-py's own repetition is off."""

    def __init__(
        self,
        client: AlpacaClient,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        client._retry = 0  # alpaca-py would repeat a POST after 429 and 504
        client._session.trust_env = False  # neither a proxy nor a netrc gets to see the keys
        client._session.mount("https://", _TimeoutAdapter())
        client._session.mount("http://", _TimeoutAdapter())
        self._client = client
        self._sleep = sleep
        self._monotonic = monotonic
        self._jitter = jitter
        self._last_used = monotonic()

    def read(self, path: str, parameters: Parameters | None = None) -> Answer:
        """GETs `path`, trying again while that may help and the budget lasts."""
        return self._repeat(lambda: self._once(self._client.get, path, parameters))

    def delete(self, path: str) -> None:
        """DELETEs `path`; doing so twice is harmless, so it is tried again as a read is."""
        self._repeat(lambda: self._once(self._client.delete, path, None))

    def post(self, path: str, body: Parameters) -> Answer:
        """POSTs `body` exactly once."""
        return self._once(self._client.post, path, body)

    def _repeat(self, call: Callable[[], Answer]) -> Answer:
        started = self._monotonic()
        for attempt in range(1, READ_TRIES + 1):
            try:
                return call()
            except (BrokerUnavailable, BrokerUnclear) as error:
                wait = 0.2 * 2 ** (attempt - 1) * (1 + self._jitter())
                if isinstance(error, BrokerUnavailable) and error.retry_after_seconds is not None:
                    wait = max(wait, error.retry_after_seconds)
                spent = self._monotonic() - started
                if attempt == READ_TRIES or spent + wait > READ_BUDGET_SECONDS:
                    raise
                self._sleep(wait)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _once(
        self, send: Callable[[str, dict[str, Any] | None], Answer], path: str, data: Parameters | None
    ) -> Answer:
        """Sends one request; every call to the broker passes here."""
        if self._monotonic() - self._last_used > IDLE_SECONDS:
            self._client._session.close()  # drops the idle pool; the session itself lives on
        try:
            return send(path, dict(data) if data is not None else None)
        except Exception as error:
            raise _broker_error(error, path) from error
        finally:
            self._last_used = self._monotonic()


def _broker_error(error: Exception, path: str) -> BrokerError:
    """What became of a call that raised `error`; unclear unless it is sure that nothing was done."""
    response = getattr(error, "response", None)
    if isinstance(response, requests.Response):
        return _from_answer(response, path)
    if _never_sent(error):
        return BrokerUnavailable(f"no connection to the broker for {path}; check its URL and the network")
    return BrokerUnclear(f"no sound answer from the broker for {path} ({type(error).__name__})")


def _never_sent(error: Exception) -> bool:
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    cause = error.args[0] if isinstance(error, requests.exceptions.ConnectionError) and error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)


def _from_answer(response: requests.Response, path: str) -> BrokerError:
    status = response.status_code
    if status == 429:
        return BrokerUnavailable(
            f"the broker's rate limit is used up ({path})", _retry_after_seconds(response.headers)
        )
    body = _json_object(response)
    if body is None or not 400 <= status < 500 or status == 408:
        return BrokerUnclear(f"the broker answered {path} with {status} and no sound body")
    code = body.get("code")
    message = str(body.get("message") or "no reason given")
    return BrokerRejected(status, code if isinstance(code, int) else None, message, body)


def _json_object(response: requests.Response) -> dict[str, object] | None:
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """The seconds to wait by `Retry-After`, or until the wall time in `X-RateLimit-Reset`."""
    try:
        if "Retry-After" in headers:
            return max(0.0, float(headers["Retry-After"]))
        if "X-RateLimit-Reset" in headers:
            return max(0.0, float(headers["X-RateLimit-Reset"]) - time.time())
    except ValueError:
        return None
    return None
