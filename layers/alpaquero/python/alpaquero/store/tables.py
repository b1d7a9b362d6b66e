"""What all tables share: where a table's name comes from, and how a struct becomes an item's body."""

from __future__ import annotations

import os
import zlib
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
import pynamodb.connection.base
import pynamodb.settings
from pynamodb.connection import Connection

from alpaquero import aws
from alpaquero.errors import ConfigurationError

T = TypeVar("T")

_ENCODER = msgspec.json.Encoder(decimal_format="string", order="sorted")

# Else each table opens a session of its own; pynamodb has no option for it.
setattr(pynamodb.connection.base, "get_session", aws.session)  # noqa: B010 - a name it only imports

# As patient as every other client; each model copies these when it is defined.
pynamodb.settings.default_settings_dict.update(
    connect_timeout_seconds=aws.CONNECT_SECONDS,
    read_timeout_seconds=aws.READ_SECONDS,
    max_retry_attempts=aws.TRIES - 1,
)

REGION = os.environ.get("AWS_REGION", os.environ.get("AWS_DEFAULT_REGION", "us-east-1"))


def table_name(variable: str) -> str:
    """The table a function was given in its environment, such as `BOOKS_TABLE`.

    Raises `ConfigurationError` when the template does not give it to this function.
    """
    name = os.environ.get(variable)
    if not name:
        raise ConfigurationError(
            f"{variable} is not set; add it to the function's environment in template.yaml, "
            "with the policy that lets it use the table"
        )
    return name


def kept_seconds(variable: str, default_days: int) -> int:
    """How long rows of a table are kept, as the environment says in days, such as `RUNS_KEPT_DAYS`.

    The default, for programs beside the functions, is the template's. Raises `ConfigurationError` for
    anything but a whole number of days above nought.
    """
    days = os.environ.get(variable, str(default_days))
    if not days.isdecimal() or not int(days):
        raise ConfigurationError(
            f"{variable} is {days!r}; set it to whole days in template.yaml, where a parameter gives it"
        )
    return int(days) * 86_400


@lru_cache(maxsize=1)
def connection() -> Connection:
    """The connection that transactions share; a new one would build a new client each time."""
    return Connection(region=REGION)


def to_body(value: Any) -> str:
    """`value` (struct or dataclass) as the JSON text an item keeps; same value, same bytes."""
    return _ENCODER.encode(value).decode()


def from_body(text: str, kind: type[T]) -> T:
    """The `kind` an item's body holds.

    Raises `msgspec.ValidationError` when the stored text does not fit the type.
    """
    return msgspec.json.decode(text, type=kind, strict=False)


def packed(text: str) -> bytes:
    """An item's text in a quarter to a third of its bytes; the fastest level, for orders wait for it."""
    return zlib.compress(text.encode(), level=1)


def unpacked(data: bytes) -> str:
    """The text that was packed."""
    return zlib.decompress(data).decode()
