"""JSON answers, query parameters and the venue of a request, the same for all routes of the exchange."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from alpaquero.prices import NEW_YORK
from laptop.exchange.errors import malformed
from laptop.exchange.venue import Venue

_encoder = msgspec.json.Encoder()


def venue_of(request: Request) -> Venue:
    """The venue that the app serves."""
    venue: Venue = request.app.state.venue
    return venue


def json_answer(body: object, status: int = 200) -> Response:
    """An answer with a JSON body."""
    return Response(_encoder.encode(body), status_code=status, media_type="application/json")


def whole(request: Request, name: str, default: int, largest: int) -> int:
    """A whole number from 1 to `largest`."""
    given = request.query_params.get(name)
    if not given:
        return default
    if not given.isascii() or not given.isdigit() or not 1 <= int(given) <= largest:
        raise malformed(f"{name} must be a number from 1 to {largest}")
    return int(given)


def flag(request: Request, name: str) -> bool:
    """True or false; alpaca-py writes them in capitals."""
    return request.query_params.get(name, "").lower() in {"true", "1"}


def moment(request: Request, name: str, *, end_of_day: bool = False) -> datetime | None:
    """A time in RFC 3339, or a date, which means its midnight in New York (or the last moment of it)."""
    given = request.query_params.get(name)
    if not given:
        return None
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        raise malformed(f"{name} must be a time like 2012-12-31T14:30:00Z or a date") from None
    if len(given) > len("2012-12-31"):
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    day = at.date() + timedelta(days=1) if end_of_day else at.date()
    midnight = datetime.combine(day, time(), tzinfo=NEW_YORK).astimezone(UTC)
    return midnight - timedelta(microseconds=1) if end_of_day else midnight


def newest_first(request: Request) -> bool:
    """What `direction` says: `desc`, the default, or `asc`."""
    direction = request.query_params.get("direction") or "desc"
    if direction not in {"asc", "desc"}:
        raise malformed("direction must be asc or desc")
    return direction == "desc"
