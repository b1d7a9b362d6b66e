"""Carries one call at a time over alpaca-py's client, and says what became of it.

The one place where calls leave for the broker: `BrokerTransport._once`. Time-outs, the repetition
of what is safe to repeat and the mapping of answers to `alpaquero.errors` live here; before each
call stands `alpaquero.broker.guard`. Used by the adapters beside it: those that only look get a
`BrokerTransport`, which cannot send anything but a GET.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError, NewConnectionError

from alpaquero import deadline, wall
from alpaquero.broker.budget import Priority, seconds_to_reset
from alpaquero.broker.guard import Guard
from alpaquero.errors import BrokerError, BrokerRejected, BrokerUnavailable, BrokerUnclear, KeysRefused

if TYPE_CHECKING:
    from tenacity import RetryCallState

CONNECT_SECONDS = 3.05
READ_SECONDS = 10.0
READ_TRIES = 3
READ_BUDGET_SECONDS = 20.0  # all tries of one read together, waits included
LEAST_SECONDS = 2.0  # a call that cannot have as long is not begun
PRICE_SOURCE = "X-Price-Source"  # the paper exchange's word: recorded, synthetic or both
IDLE_SECONDS = 4.0  # a pooled connection older than this may have been closed at the other end

Answer = Any
Parameters = Mapping[str, Any]


class AlpacaClient(Protocol):
    """The part of alpaca-py's RESTClient that we use."""

    _session: requests.Session
    _retry: int

    def get(self, path: str, data: dict[str, Any] | None = None, **options: str) -> Answer: ...
    def post(self, path: str, data: dict[str, Any] | None = None) -> Answer: ...
    def patch(self, path: str, data: dict[str, Any] | None = None) -> Answer: ...
    def delete(self, path: str, data: dict[str, Any] | None = None) -> Answer: ...


class _Wire(HTTPAdapter):
    """Gives every request a time-out, since alpaca-py gives none, and hands on each answer's headers.

    While `keeps_bytes` alpaca-py is given the bytes of an answer where it would parse them.
    """

    def __init__(self, heard: Callable[[requests.Response], None]) -> None:
        super().__init__()
        self._heard = heard
        self.keeps_bytes = False

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        left = deadline.seconds_left()
        kwargs["timeout"] = (min(CONNECT_SECONDS, left), min(READ_SECONDS, left))
        response = super().send(request, *args, **kwargs)
        response.encoding = "utf-8"  # JSON is UTF-8; guessing from the bytes is slow
        self._heard(response)
        if self.keeps_bytes and response.ok:
            response.json = lambda **_: response.content  # type: ignore[method-assign]
        return response


class BrokerTransport:
    """One client's reads, tried again where that may help. alpaca-py's own repetition is off."""

    def __init__(
        self,
        client: AlpacaClient,
        guard: Guard | None = None,
        priority: Priority = Priority.SYNC,
        *,
        sleep: Callable[[float], None] = time.sleep,
        lapsed: Callable[[], float] = wall.lapsed,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        client._retry = 0  # alpaca-py would repeat a POST after 429 and 504
        client._session.trust_env = False  # neither a proxy nor a netrc gets to see the keys
        self._wire = _Wire(self._heard)
        for scheme in ("https://", "http://"):
            client._session.mount(scheme, self._wire)
        self._client = client
        self._guard = guard
        self._priority = priority
        self._sleep = sleep
        self._lapsed = lapsed
        self._jitter = jitter
        self._last_used = lapsed()
        self.price_source = ""  # as the last answer said

    def read(self, path: str, parameters: Parameters | None = None, version: str = "v2") -> Answer:
        """GETs `path`, trying again while that may help and the time lasts."""
        data = dict(parameters) if parameters is not None else None
        return self._repeat(
            lambda: self._once(lambda: self._client.get(path, data, api_version=version), path)
        )

    def read_bytes(self, path: str, parameters: Parameters, version: str = "v2") -> bytes:
        """The same, unparsed: for large answers that are decoded straight into what is wanted of them."""

        def get() -> Answer:
            self._wire.keeps_bytes = True
            try:
                return self._client.get(path, dict(parameters), api_version=version)
            finally:
                self._wire.keeps_bytes = False

        body: bytes = self._repeat(lambda: self._once(get, path))
        return body

    def _repeat(self, call: Callable[[], Answer]) -> Answer:
        """`call()`, and again after a failure that may pass; harmless to repeat is the caller's promise."""
        started = self._lapsed()
        try:
            return call()
        except (BrokerUnavailable, BrokerUnclear) as error:
            first = error
        # Loaded at the first failure alone: it costs as much as all other modules of this package.
        from tenacity import Retrying, retry_if_exception_type

        def spent(state: RetryCallState) -> bool:
            over = self._lapsed() - started + state.upcoming_sleep
            too_late = over > READ_BUDGET_SECONDS or state.upcoming_sleep >= deadline.seconds_left()
            return state.attempt_number >= READ_TRIES or too_late

        outcomes = iter([first])  # the first try's, so that tenacity counts it

        def attempt() -> Answer:
            for error in outcomes:
                raise error
            return call()

        return Retrying(
            retry=retry_if_exception_type((BrokerUnavailable, BrokerUnclear)),
            wait=self._wait,
            stop=spent,
            sleep=self._sleep,
            reraise=True,
        )(attempt)

    def _wait(self, state: RetryCallState) -> float:
        """Doubles from 0.2 s, up to twice that by chance; never less than the broker asked for."""
        wait: float = 0.2 * 2 ** (state.attempt_number - 1) * (1 + self._jitter())
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after_seconds if isinstance(error, BrokerUnavailable) else None
        return wait if asked is None else max(wait, asked)

    def _once(self, send: Callable[[], Answer], path: str, priority: Priority | None = None) -> Answer:
        """Sends one request; every call to the broker passes here."""
        if deadline.seconds_left() < LEAST_SECONDS:
            raise BrokerUnavailable(
                f"this invocation has no time left to wait for {path}; try again in the next"
            )
        if self._guard is not None:
            self._guard.admit(priority or self._priority)
        if self._lapsed() - self._last_used > IDLE_SECONDS:
            self._client._session.close()  # drops the idle pool; the session itself lives on
        try:
            answer = send()
        except Exception as error:
            failure = _broker_error(error, path)
            self._tell(failure)
            raise failure from error
        finally:
            self._last_used = self._lapsed()
        self._tell(None)
        return answer

    def _tell(self, failure: BrokerError | None) -> None:
        """A refusal and a used up budget are sound answers; anything else that failed counts."""
        if self._guard is None:
            return
        is_sound = failure is None or isinstance(failure, (BrokerRejected, _RateLimited))
        if is_sound:
            self._guard.succeeded()
        else:
            self._guard.failed()

    def _heard(self, response: requests.Response) -> None:
        self.price_source = response.headers.get(PRICE_SOURCE, "")
        if self._guard is not None:
            self._guard.heard(response.headers, response.status_code)


class OrderTransport(BrokerTransport):
    """A transport that may also change something; for `AlpacaSubmitter` alone."""

    def delete(self, path: str) -> None:
        """DELETEs `path`; doing so twice is harmless, so it is tried again as a read is."""
        self._repeat(lambda: self._once(lambda: self._client.delete(path), path, Priority.ORDER))

    def post(self, path: str, body: Parameters) -> Answer:
        """POSTs `body` exactly once."""
        return self._once(lambda: self._client.post(path, dict(body)), path, Priority.ORDER)

    def patch(self, path: str, body: Parameters) -> Answer:
        """PATCHes with `body` exactly once."""
        return self._once(lambda: self._client.patch(path, dict(body)), path, Priority.ORDER)


class _RateLimited(BrokerUnavailable):
    """A 429: the host is well, only the budget is used up."""


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
        wait = seconds_to_reset(response.headers, wall.seconds())
        return _RateLimited(f"the broker's rate limit is used up ({path})", wait)
    body = _json_object(response)
    if body is None or not 400 <= status < 500 or status == 408:
        return BrokerUnclear(f"the broker answered {path} with {status} and no sound body")
    code = body.get("code")
    message = str(body.get("message") or "no reason given")
    kind = KeysRefused if status == 401 else BrokerRejected
    return kind(status, code if isinstance(code, int) else None, message, body)


def _json_object(response: requests.Response) -> dict[str, object] | None:
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
