"""The bodies of sign-in and the socket's ticket."""

from __future__ import annotations

import msgspec


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
