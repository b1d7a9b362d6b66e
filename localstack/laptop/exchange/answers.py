"""JSON answers, query parameters and the venue of a request, the same for all routes of the exchange."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import TypeVar
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from alpaquero.prices import NEW_YORK
from laptop.exchange.errors import RefusedError, malformed
from laptop.exchange.venue import Venue

_encoder = msgspec.json.Encoder()
_LONGEST_NUMBER = 9
# A time at either end of the calendar has no counterpart in another time zone.
_FIRST_YEAR, _LAST_YEAR = 1900, 2200
_Body = TypeVar("_Body")


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
    digits = given.isascii() and given.isdigit() and len(given) <= _LONGEST_NUMBER
    if not digits or not 1 <= int(given) <= largest:
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
        return _moment(given, end_of_day=end_of_day)
    except (ValueError, OverflowError):
        raise malformed(f"{name} must be a time like 2012-12-31T14:30:00Z or a date") from None


def _moment(given: str, *, end_of_day: bool) -> datetime:
    at = datetime.fromisoformat(given)
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise ValueError(given)
    if len(given) > len("2012-12-31"):
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    day = at.date() + timedelta(days=1) if end_of_day else at.date()
    midnight = datetime.combine(day, time(), tzinfo=NEW_YORK).astimezone(UTC)
    return midnight - timedelta(microseconds=1) if end_of_day else midnight


def day(request: Request, name: str) -> date | None:
    """A date; a time counts as its date."""
    given = request.query_params.get(name)
    if not given:
        return None
    try:
        return datetime.fromisoformat(given).date()
    except ValueError:
        raise malformed(f"{name} must be a date like 2012-12-31") from None


def number(request: Request, name: str) -> Decimal | None:
    """A number above zero with at most nine decimals."""
    given = request.query_params.get(name)
    if not given:
        return None
    try:
        value = Decimal(given)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value <= 0 or value.adjusted() > _LONGEST_NUMBER:
        raise malformed(f"{name} must be a number above 0")
    if value.adjusted() < -_LONGEST_NUMBER or value != round(value, _LONGEST_NUMBER):
        raise malformed(f"{name} can have {_LONGEST_NUMBER} decimals at most")
    return value


def choice(request: Request, name: str, known: Collection[str], default: str) -> str:
    """One of the `known` words."""
    given = request.query_params.get(name) or default
    if given not in known:
        raise malformed(f"{name} must be one of {', '.join(known)}")
    return given


def words(request: Request, name: str) -> list[str]:
    """The words of a list with commas between them."""
    return [word for word in request.query_params.get(name, "").split(",") if word]


def identifier(given: str, name: str) -> str:
    """A UUID in the way ids are kept here."""
    try:
        return str(UUID(given))
    except ValueError:
        raise malformed(f"{name} is invalid: {given} is no UUID") from None


async def body(request: Request, kind: type[_Body]) -> _Body:
    """The JSON body; fields that Alpaca does not know are passed over, as Alpaca does."""
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except msgspec.ValidationError as error:
        raise malformed(f"request body is invalid: {error}") from error
    except msgspec.DecodeError as error:
        raise RefusedError(400, f"request body format is invalid: {error}", 40010000) from error


def newest_first(request: Request) -> bool:
    """What `direction` says: `desc`, the default, or `asc`."""
    return choice(request, "direction", ("asc", "desc"), "desc") == "desc"
