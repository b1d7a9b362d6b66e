"""The bodies of sign-in, the socket's ticket and the keys of programs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class SignInRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    username: str
    password: str


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A signed-in session; the refresh token travels only in an HttpOnly cookie."""

    access_token: str
    expires_in_seconds: int
    username: str
    roles: list[str]


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """A one-time ticket for the socket, valid 30 seconds."""

    ticket: str
    expires_in_seconds: int


class MakeKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The key to make: no key is an admin's."""

    name: Annotated[
        str,
        Meta(
            pattern="^[a-z][a-z0-9-]{1,30}$", description="Small letters, digits and dashes, 2 to 31 of them."
        ),
    ]
    role: Literal["viewer", "trader"]
    expires_in_days: Annotated[int, Meta(ge=1, le=365)] = 90
    requests_a_day: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000


class ProgramKey(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a program's key; `last_used_at` is right to the hour."""

    name: str
    role: str
    made_by: str
    made_at: datetime
    expires_at: datetime
    requests_a_day: int
    last_used_at: datetime | None = None


class MadeKey(msgspec.Struct, frozen=True, kw_only=True):
    """A new key: `key` is what the program sends as its bearer token, and is shown this once."""

    key: str
    name: str
    role: str
    expires_at: datetime
    requests_a_day: int
