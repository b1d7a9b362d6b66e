"""What a route declares: `alpaquero.web.app` reads requests by it, `laptop.openapi` describes it.

A route that takes a query, headers or a body names a struct for each. What was sent is made into the
struct before the view runs, and the view gets it as the argument `query`, `headers` or `body`; so
nothing is read that the description does not know.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated, Any, TypeVar

import msgspec
from chalice.app import Request

from alpaquero.errors import InvalidRequest

T = TypeVar("T")

LARGEST_KEY = 200
MOST_DIGITS, MOST_PLACES = 12, 24  # of an amount, before the point and after it
_FIELD = re.compile(r"field `([^`]+)`|\$\.([A-Za-z_][\w.-]*)")


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One route of both APIs; `refuses` are the error statuses that are its own.

    `people` says that a program's key does not open it, whatever its role.
    """

    method: str
    public: str | None
    service: str | None
    role: str | None
    view: Callable[..., Any]
    query: type[msgspec.Struct] | None
    headers: type[msgspec.Struct] | None
    body: Any
    status: int
    refuses: tuple[int, ...]
    content: tuple[str, ...]
    people: bool = False

    def arguments(self, request: Request) -> dict[str, Any]:
        """What the view gets of the request. Raises `InvalidRequest` that names the field."""
        found: dict[str, Any] = {}
        if self.headers is not None:
            names = (field.encode_name for field in msgspec.structs.fields(self.headers))
            found["headers"] = _read(self.headers, {n: request.headers.get(n) for n in names}, "headers")
        if self.query is not None:
            found["query"] = _read(self.query, request.query_params or {}, "query")
        if self.body is not None:
            found["body"] = body_of(request, self.body)
        return found


class Paged(msgspec.Struct, frozen=True, kw_only=True):
    """The query of a list that is read page by page."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=500, description="Most items of the page.")] = 50
    cursor: Annotated[str, msgspec.Meta(description="`next` of the page before.")] | None = None


class Idempotent(msgspec.Struct, frozen=True, kw_only=True):
    """The header of a route that trades or begins a job: what comes twice with one key is done once."""

    key: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            max_length=LARGEST_KEY,
            description="A new one for each request, the same for a repeat.",
        ),
    ] = msgspec.field(name="Idempotency-Key")


class Conditional(msgspec.Struct, frozen=True, kw_only=True):
    """The header that names the state which a change was decided upon."""

    if_match: Annotated[str, msgspec.Meta(description="The ETag of what was read, or *.")] | None = (
        msgspec.field(name="If-Match", default=None)
    )


def body_of(request: Request, model: type[T]) -> T:
    """The JSON body as `model`. Raises `InvalidRequest` that names the field."""
    try:
        value = msgspec.json.decode(request.raw_body or b"", type=model)
    except msgspec.ValidationError as error:
        raise _refused(error, model, "body") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidRequest("The body is not JSON; send an object as application/json.") from None
    for name in getattr(model, "__struct_fields__", ()):
        number = getattr(value, name)
        if isinstance(number, Decimal):
            _refuse_unwieldy(name, number)
    return value


def _refuse_unwieldy(name: str, number: Decimal) -> None:
    """Arithmetic on money has 28 digits: what is longer than any amount would fail somewhere inside."""
    if not number.is_finite():
        raise InvalidRequest(f"{name} must be a finite number", name)
    _, digits, exponent = number.as_tuple()
    if number.adjusted() >= MOST_DIGITS or (any(digits) and int(exponent) < -MOST_PLACES):
        raise InvalidRequest(
            f"{name} may have {MOST_DIGITS} digits before the point and {MOST_PLACES} after it", name
        )


def _read(model: type[T], sent: Mapping[str, Any], place: str) -> T:
    """Texts as `model`, an empty one as one that was not sent."""
    try:
        return msgspec.convert({name: sent[name] for name in sent if sent[name]}, model, strict=False)
    except msgspec.ValidationError as error:
        raise _refused(error, model, place) from None


def _refused(error: msgspec.ValidationError, model: Any, place: str) -> InvalidRequest:
    """What is wrong, in which field, and where there is a choice what to choose from."""
    text = str(error)
    found = _FIELD.search(text)
    field = (found[1] or found[2]) if found else None
    if text.startswith("Object missing"):
        text = text.replace("Object missing required field", f"The {place} must have")
    elif text.startswith("Invalid enum value"):
        text = f"{text}; send one of {', '.join(map(str, _choices(model, field)))}"
    return InvalidRequest(text, field)


def _choices(model: Any, field: str | None) -> list[Any]:
    """What the field, a path with dots, may be."""
    from msgspec import inspect  # for the one who sent something else

    kinds = [inspect.type_info(model)]
    for name in (field or "").split("."):
        fields = [f for kind in kinds if isinstance(kind, inspect.StructType) for f in kind.fields]
        kinds = [f.type for f in fields if f.encode_name == name]
        kinds = [k for kind in kinds for k in (kind.types if isinstance(kind, inspect.UnionType) else [kind])]
        kinds = [kind.type if isinstance(kind, inspect.Metadata) else kind for kind in kinds]
    enums = [[each.value for each in k.cls] for k in kinds if isinstance(k, inspect.EnumType)]
    return [value for values in enums for value in values] + [
        value for kind in kinds if isinstance(kind, inspect.LiteralType) for value in kind.values
    ]
