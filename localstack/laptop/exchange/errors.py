"""What the exchange refuses: an answer to a request, or a start that cannot be.

RefusedError      a request answered with Alpaca's status, code and message
ExchangeError     the process cannot start or go on; the message says the fix
"""

from __future__ import annotations


class ExchangeError(Exception):
    """The exchange cannot start or go on. The message is one line that says what to do."""


class RefusedError(Exception):
    """A request that is answered with an error status. `body` is Alpaca's JSON for it."""

    def __init__(self, status: int, message: str, code: int | None = None, **details: str) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, object] = {**details, "message": message}
        if code is not None:
            self.body["code"] = code


def invalid(message: str, **details: str) -> RefusedError:
    """A well-formed order that Alpaca does not take: 422 with code 42210000."""
    return RefusedError(422, message, 42210000, **details)


def malformed(message: str) -> RefusedError:
    """A request with a missing or wrong field: 422 with code 40010001."""
    return RefusedError(422, message, 40010001)


def forbidden(message: str, **details: str) -> RefusedError:
    """An order the account may not place now: 403 with code 40310000."""
    return RefusedError(403, message, 40310000, **details)


def not_found(message: str) -> RefusedError:
    """Something that is not there: 404 with code 40410000."""
    return RefusedError(404, message, 40410000)
