"""Every error of ours, drawn as a tree; raised by all storeys, turned into answers by `alpaquero.web`.

AlpaqueroError
├── ConfigurationError            the environment, a secret or the template is wrong
├── SharedStateLost               the table of the shared breaker and budget was not reached
├── LeftAlone                     an address that keeps failing is not called for a while
├── RequestError                  the caller's doing: `status` and `code` are what an API answers
│   ├── InvalidRequest            400 invalid_request, with the field
│   ├── NotSignedIn               401 unauthorized
│   ├── NotAllowed                403 forbidden
│   ├── NotFound                  404 not_found
│   ├── Conflict                  409 conflict
│   ├── PreconditionFailed        412 precondition_failed
│   ├── TooLarge                  413 too_large
│   ├── QueryTooLong              414 query_too_long
│   ├── PreconditionRequired      428 precondition_required
│   └── Throttled                 429 throttled, with the seconds to wait
└── BrokerError                   what became of a call to the broker
    ├── BrokerRejected            it answered no: nothing was done
    │   ├── OrderNotFound         it does not know the order
    │   └── KeysRefused           it does not take our keys
    ├── BrokerUnavailable         it was not reached or would not listen: nothing was done
    └── BrokerUnclear             nobody knows what was done: look before acting again

Messages say what to do and never hold a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class AlpaqueroError(Exception):
    """The root: catch it to catch everything of ours."""


class ConfigurationError(AlpaqueroError):
    """The environment, a secret or the template is wrong; the message says what to set."""


class SharedStateLost(AlpaqueroError):
    """The table of the shared breaker and request budget was not reached; calls go on without it."""


class LeftAlone(AlpaqueroError):
    """What we would call keeps failing, so it was not called; try again after `retry_after_seconds`."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class RequestError(AlpaqueroError):
    """A request we will not serve; `code`, `status` and `details` go to the caller."""

    code: ClassVar[str] = "invalid_request"
    status: ClassVar[int] = 400

    def __init__(self, message: str, details: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, str] = dict(details or {})


class InvalidRequest(RequestError):
    """A field of the body, path or query cannot be used; `field` names it."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message, {"field": field} if field else None)
        self.field = field


class NotSignedIn(RequestError):
    """No caller is known for this request."""

    code = "unauthorized"
    status = 401


class NotAllowed(RequestError):
    """The caller is known and may not do this."""

    code = "forbidden"
    status = 403


class NotFound(RequestError):
    """There is no such thing."""

    code = "not_found"
    status = 404


class Conflict(RequestError):
    """The request does not fit the present state of the thing."""

    code = "conflict"
    status = 409


class PreconditionFailed(RequestError):
    """The thing is no longer what `If-Match` says it is."""

    code = "precondition_failed"
    status = 412


class TooLarge(RequestError):
    """The body has more bytes than the route takes."""

    code = "too_large"
    status = 413


class QueryTooLong(RequestError):
    """The query parameters are longer than any route needs."""

    code = "query_too_long"
    status = 414


class PreconditionRequired(RequestError):
    """The request must say which state of the thing it was decided upon."""

    code = "precondition_required"
    status = 428


class Throttled(RequestError):
    """The caller has asked for more than his share; there is more after `retry_after_seconds`."""

    code = "throttled"
    status = 429

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class BrokerError(AlpaqueroError):
    """A call to the broker did not go as asked."""


class BrokerRejected(BrokerError):
    """The broker answered no, and nothing was done.

    `status` is its HTTP status, `code` its own number (40310000 and so on; absent from a 401),
    `body` the decoded answer, for the figures some rejections carry.
    """

    def __init__(
        self, status: int, code: int | None, message: str, body: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(f"the broker refused ({status}, {code}): {message}")
        self.status = status
        self.code = code
        self.message = message
        self.body: dict[str, object] = dict(body or {})


class OrderNotFound(BrokerRejected):
    """The broker says it knows no such order."""


class KeysRefused(BrokerRejected):
    """The broker does not take our keys (401): they are wrong, withdrawn, or of the other environment."""


class BrokerUnavailable(BrokerError):
    """The broker was not reached, or would not listen (429, breaker open): nothing was done.

    Try again after `retry_after_seconds`, when it is known.
    """

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class BrokerUnclear(BrokerError):
    """The outcome is unknown: time-out, 5xx, cut connection, or an answer that makes no sense.

    After a submit the order is UNKNOWN, never rejected: look it up by its client order id.
    """
