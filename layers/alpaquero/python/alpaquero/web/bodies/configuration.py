"""The bodies of settings and their versions, watchlists, preferences and live trading."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """The trading settings in force, their version, and the environment (secrets by name only)."""

    version: int
    author: str
    reason: str
    changed_at: datetime
    settings: dict[str, Any]
    environment: dict[str, str]


class ChangeConfiguration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings to change and to what; what is left out stays. `version` is the one they were read at."""

    reason: str
    settings: dict[str, Any]
    version: int | None = None


class RollBackConfiguration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The version whose settings come back, as a new version; `version` is the one in force."""

    to: int
    reason: str
    version: int | None = None


class ConfigurationVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version as it was written; `rolled_back_to` is the version it brought back."""

    version: int
    author: str
    reason: str
    changed_at: datetime
    settings: dict[str, Any]
    rolled_back_to: int | None = None


class ConfigurationChange(msgspec.Struct, frozen=True, kw_only=True):
    """A version in the history, with the paths of the settings it changed."""

    version: int
    author: str
    reason: str
    changed_at: datetime
    changed: list[str]
    rolled_back_to: int | None = None


class SettingDifference(msgspec.Struct, frozen=True, kw_only=True):
    """A setting by its path, and what it was and is; null where it is not set or not there."""

    setting: str
    before: Any
    after: Any


class ConfigurationDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between two versions."""

    from_version: int
    to_version: int
    changes: list[SettingDifference]


class ConfigurationEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """Where the stack runs and with what: no value of a secret, of addresses the host alone.

    `log_level` is the one in force, `functions` what the template gives to every function,
    `parameters` those the stack was deployed with.
    """

    environment: str
    account: str
    version: str
    python: str
    region: str
    log_level: str
    log_level_from: str
    functions: dict[str, str]
    parameters: dict[str, str]


class Watchlist(msgspec.Struct, frozen=True, kw_only=True):
    """A named list of symbols, the strategies that judge it, and the settings' version it is of."""

    name: str
    symbols: list[str]
    strategies: list[str]
    version: int


class SaveWatchlist(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All symbols of a watchlist, and why; `version` is that of the settings they were read at."""

    symbols: list[str]
    reason: str
    version: int | None = None


class UserPreferences(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller prefers of the dashboard; version 0 is what everybody begins with."""

    version: int
    changed_at: datetime
    theme: str
    time_zone: str
    first_page: str
    symbols: list[str]


class LiveTrading(msgspec.Struct, frozen=True, kw_only=True):
    """Whether real money may be traded: the confirmed account's end, by whom and why; None if never."""

    environment: str
    account: str | None = None
    author: str | None = None
    reason: str | None = None
    confirmed_at: datetime | None = None
