"""What each user prefers of the dashboard: theme, time zone, first page; read and written by that user.

Kept in the Settings table by the configuration service. Who wants to be told of what, and how, is
kept by the notification service.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from pynamodb.exceptions import DoesNotExist, PutError

from alpaquero.errors import Conflict
from alpaquero.prices.symbols import is_symbol
from alpaquero.store.settings_items import SettingsItem
from alpaquero.store.tables import from_body, to_body

PREFERENCES = "PREFERENCES"
MOST_SYMBOLS = 100


class Preferences(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a user wants the dashboard. `symbols` are shown first.

    Raises `ValueError` naming what does not fit.
    """

    theme: Literal["system", "light", "dark"] = "system"
    time_zone: str = "America/New_York"
    first_page: Literal["overview", "trading", "portfolio", "analytics", "config", "monitoring"] = "overview"
    symbols: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f"time_zone is {self.time_zone[:40]!r}; write it as Europe/Berlin or UTC"
            ) from None
        if len(self.symbols) > MOST_SYMBOLS or len(set(self.symbols)) < len(self.symbols):
            raise ValueError(f"symbols holds one twice or over {MOST_SYMBOLS}; name each once")
        for symbol in self.symbols:
            if not is_symbol(symbol):
                raise ValueError(f"symbols holds {symbol[:20]!r}; write symbols as AAPL or BRK.B")


class PreferencesVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One user's preferences; version 0 is what everybody begins with."""

    version: int = 0
    changed_at: datetime = datetime(2026, 11, 22, tzinfo=UTC)
    preferences: Preferences = Preferences()


def of_user(username: str) -> PreferencesVersion:
    """What the user last saved, or version 0."""
    try:
        item = SettingsItem.get(PREFERENCES, username, consistent_read=True)
    except DoesNotExist:
        return PreferencesVersion()
    return from_body(item.body, PreferencesVersion)


def save(username: str, preferences: Preferences, *, after_version: int, now: datetime) -> PreferencesVersion:
    """Saves the user's preferences as the version after `after_version`; older ones are not kept.

    Raises `Conflict` when another page of the user saved in between.
    """
    new = PreferencesVersion(version=after_version + 1, changed_at=now, preferences=preferences)
    condition = (
        SettingsItem.pk.does_not_exist() if after_version == 0 else SettingsItem.version == after_version
    )
    try:
        SettingsItem(PREFERENCES, username, body=to_body(new), version=new.version).save(condition)
    except PutError as error:
        if error.cause_response_code == "ConditionalCheckFailedException":
            raise Conflict("your preferences were saved by another page just now; read them again") from error
        raise
    return new
