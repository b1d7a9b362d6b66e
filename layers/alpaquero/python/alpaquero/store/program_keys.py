"""The ProgramKeys table: the keys that programs sign in with. The gateway makes and checks them.

A key is shown once, as `aqk.<name>.<secret>`: what an access token looks like to the gateway. The table
holds a SHA-256 of the secret. A slow hash such as bcrypt guards passwords, which can be guessed; 256 random
bits cannot, and every new caller would pay for it. A table of their own, so that no function but the
gateway's two can write a key.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DeleteError, PutError, UpdateError
from pynamodb.models import Model

from alpaquero.errors import Conflict, NotFound, NotSignedIn
from alpaquero.store.tables import REGION, table_name

KEY: Final = "KEY"
PREFIX: Final = "aqk."
NAME: Final = r"[a-z][a-z0-9-]{1,30}"
ROLES: Final = ("viewer", "trader")  # what only an admin may is done by people
MOST_KEYS: Final = 20
DAY_SECONDS: Final = 86_400
USED_SECONDS: Final = 3600  # how coarse the last use is, so that a key's use costs no write each time
_REFUSED: Final = "ConditionalCheckFailedException"

Clock = Callable[[], float]


class ProgramKeyItem(Model):
    """A key: `sk` is its name, `secret` the hash; times and `expires_at` in epoch seconds."""

    class Meta:
        table_name = table_name("PROGRAM_KEYS_TABLE")
        region = REGION

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    secret = UnicodeAttribute()
    role = UnicodeAttribute()
    made_by = UnicodeAttribute()
    made_at = NumberAttribute()
    requests_a_day = NumberAttribute()
    last_used_at = NumberAttribute(null=True)
    expires_at = NumberAttribute()


@dataclass(frozen=True, slots=True)
class ProgramKey:
    """What is known of a key; times in epoch seconds, `last_used_at` within the hour."""

    name: str
    role: str
    made_by: str
    made_at: int
    expires_at: int
    requests_a_day: int
    last_used_at: int | None


def make(
    name: str, role: str, made_by: str, *, days: int, requests_a_day: int, now: Clock = time.time
) -> tuple[str, ProgramKey]:
    """A new key and what is known of it; the key itself is never seen again.

    Of two admins who make one in the same moment both may pass the count. Raises `Conflict` when there
    are enough keys or one of that name is good, `ValueError` for a role that no key may have.
    """
    if role not in ROLES:
        raise ValueError(f"a key is of one of the roles {', '.join(ROLES)}, not {role}")
    at, secret = int(now()), secrets.token_urlsafe(32)
    if sum(key.expires_at > at for key in known()) >= MOST_KEYS:
        raise Conflict(f"There are {MOST_KEYS} keys, as many as may be; revoke one that is not used.")
    item = ProgramKeyItem(
        KEY,
        name,
        secret=_hashed(secret),
        role=role,
        made_by=made_by,
        made_at=at,
        requests_a_day=requests_a_day,
        expires_at=at + days * DAY_SECONDS,
    )
    try:
        item.save(ProgramKeyItem.pk.does_not_exist() | (ProgramKeyItem.expires_at <= at))
    except PutError as error:
        if error.cause_response_code != _REFUSED:
            raise
        raise Conflict(f"There is a key {name} already; revoke it first or take another name.") from None
    return f"{PREFIX}{name}.{secret}", _told(item)


def known() -> list[ProgramKey]:
    """Every key by name, expired ones too until the table drops them."""
    return [_told(item) for item in ProgramKeyItem.query(KEY, consistent_read=True)]


def revoke(name: str) -> None:
    """Ends a key. Raises `NotFound` when there is none of that name."""
    try:
        ProgramKeyItem(KEY, name).delete(ProgramKeyItem.pk.exists())
    except DeleteError as error:
        if error.cause_response_code != _REFUSED:
            raise
        raise NotFound(f"There is no key {name}; GET /api/keys lists them.") from None


def holder(token: str, now: Clock = time.time) -> ProgramKey:
    """The key that a program brings, its use noted.

    Raises `NotSignedIn`, whose message is for the log and never holds the secret.
    """
    name, _, secret = token.removeprefix(PREFIX).partition(".")
    if not token.startswith(PREFIX) or not re.fullmatch(NAME, name) or not secret:
        raise NotSignedIn("the key is not `aqk.<name>.<secret>`")
    at = int(now())
    try:
        item = ProgramKeyItem.get(KEY, name, consistent_read=True)
    except ProgramKeyItem.DoesNotExist:
        raise NotSignedIn("the key is unknown or was revoked") from None
    if not hmac.compare_digest(item.secret, _hashed(secret)):
        raise NotSignedIn(f"the secret is not that of the key {item.sk}")
    if item.expires_at <= at:
        raise NotSignedIn(f"the key {item.sk} has expired")
    if item.role not in ROLES:
        raise NotSignedIn(f"the key {item.sk} has the role {item.role}, which no key may have")
    if at - (item.last_used_at or 0) >= USED_SECONDS:
        _note_use(item, at)
    return _told(item)


def _note_use(item: ProgramKeyItem, at: int) -> None:
    try:
        # Never of a key that was revoked meanwhile: the update would make a part of it anew.
        item.update([ProgramKeyItem.last_used_at.set(at)], ProgramKeyItem.secret == item.secret)
    except UpdateError as error:
        if error.cause_response_code != _REFUSED:
            raise
        raise NotSignedIn("the key was revoked") from None


def _told(item: ProgramKeyItem) -> ProgramKey:
    return ProgramKey(
        name=item.sk,
        role=item.role,
        made_by=item.made_by,
        made_at=int(item.made_at),
        expires_at=int(item.expires_at),
        requests_a_day=int(item.requests_a_day),
        last_used_at=None if item.last_used_at is None else int(item.last_used_at),
    )


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
