"""Who calls, and what a role may do; used by the authorizer and by every API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from alpaquero.quickly_made import dataclass

ROLES = ("viewer", "trader", "admin")  # each may do what those before it may


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller and the highest of his roles.

    `requests_a_day` bounds a program that signs in with a key; `is_signed` says that he signed (IAM).
    """

    username: str
    role: str
    requests_a_day: int | None = None
    is_signed: bool = False

    def may(self, role: str) -> bool:
        """Whether this caller may do what `role` may."""
        return ROLES.index(self.role) >= ROLES.index(role)

    @property
    def is_program(self) -> bool:
        """Whether a program calls, with a key."""
        return self.requests_a_day is not None

    @property
    def roles(self) -> list[str]:
        """Every role this caller has the rights of, lowest first."""
        return list(ROLES[: ROLES.index(self.role) + 1])


def highest(groups: Iterable[Any]) -> str | None:
    """The highest role among a token's groups, None when no group is a role."""
    held = set(ROLES).intersection(group for group in groups if isinstance(group, str))
    return max(held, key=ROLES.index, default=None)


def from_request_context(context: Mapping[str, Any]) -> Principal | None:
    """The caller that API Gateway vouches for in `requestContext`, None when it vouches for none.

    Public routes carry what our authorizer said. The services' API is signed (AWS_IAM): whoever
    the IAM policy lets call a route there may use it, so such a caller counts as admin.
    """
    if str(context.get("resourcePath", "")).startswith("/api/"):
        authorizer = context.get("authorizer") or {}
        username, role = authorizer.get("username"), authorizer.get("role")
        a_day = str(authorizer.get("requests_a_day") or "")
        if not username or role not in ROLES:
            return None
        return Principal(username, role, int(a_day) if a_day.isdigit() else None)
    arn = (context.get("identity") or {}).get("userArn")
    return Principal(str(arn).rpartition("/")[2], "admin", is_signed=True) if arn else None
