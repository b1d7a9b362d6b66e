"""What the exchange answers for paths and methods that it does not have, in Alpaca's words.

Routes of Alpaca's trading API that are not about stocks, or that need a market outside, answer as any
unknown path does, with a message that names what is not served.
"""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from laptop.exchange.answers import json_answer
from laptop.exchange.errors import RefusedError

_MARKET_DATA = ("/v2/stocks", "/v1beta1/", "/v1beta3/")
# Alpaca's trading routes that this exchange does not serve: how a path begins or ends, and its subject.
UNSERVED_BEGINNINGS = {
    "/v1/locates": "locates of shares to borrow",
    "/v1beta1/crypto": "crypto",
    "/v1beta1/forex/": "currencies",
    "/v1beta1/logos/": "logos",
    "/v1beta1/news": "news",
    "/v1beta1/options/": "options",
    "/v1beta1/screener/": "screener",
    "/v1beta3/crypto": "crypto",
    "/v2beta1/events/activities": "the event stream of activities",
    "/v2/options/": "options",
    "/v2/tokenization/": "tokenization",
    "/v2/wallets": "crypto wallets",
}
# A client that was given more than the address puts its own paths behind it.
_DOUBLED = ("//", "/v2/v2/")
UNSERVED_ENDINGS = {"/exercise": "options", "/do-not-exercise": "options"}
_CODES = {404: (40410000, "endpoint not found."), 405: (40510000, "method not allowed")}


async def no_route(request: Request, error: Exception) -> Response:
    """No such path, or not with this method."""
    if not isinstance(error, HTTPException):
        raise error
    path = request.url.path
    code, message = _CODES.get(error.status_code, (None, error.detail))
    if subject := _subject(path):
        message = f"endpoint not found: this exchange has no {subject}"
    elif path.startswith(_DOUBLED):
        address = f"{request.base_url}".rstrip("/")
        message = f"endpoint not found: give {address} as the URL, without a slash or /v2 behind it"
    if code is None or path.startswith(_MARKET_DATA):
        return json_answer({"message": message}, error.status_code)
    return json_answer(RefusedError(error.status_code, message, code).body, error.status_code)


def _subject(path: str) -> str | None:
    """What a route of Alpaca's that is not here is about."""
    begun = (about for start, about in UNSERVED_BEGINNINGS.items() if path.startswith(start))
    ended = (about for end, about in UNSERVED_ENDINGS.items() if path.endswith(end))
    return next(begun, None) or next(ended, None)
