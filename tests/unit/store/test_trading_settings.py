"""The settings are versioned, and two authors cannot overwrite each other unseen."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from alpaquero.errors import Conflict
from alpaquero.store import trading_settings
from alpaquero.store.trading_settings import SettingsItem, TradingSettings

NOW = datetime(2026, 11, 20, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("tables")


def save(after_version: int, *watchlist: str) -> trading_settings.SettingsVersion:
    return trading_settings.save(
        TradingSettings(watchlist=watchlist),
        author="ana",
        reason="test",
        after_version=after_version,
        now=NOW,
    )


def test_the_defaults_are_in_force_until_someone_saves() -> None:
    """A fresh table answers version 0."""
    assert trading_settings.current() == trading_settings.DEFAULTS


def test_what_was_saved_is_in_force_and_every_version_is_kept() -> None:
    """The newest version is current; the older ones stay on record."""
    save(0, "AAPL")
    assert save(1, "IBM") == trading_settings.current()
    kept = SettingsItem.query("SETTINGS", SettingsItem.sk.startswith("VERSION#"))
    assert [int(item.version) for item in kept] == [1, 2]


@pytest.mark.parametrize("behind", [0, 2])
def test_a_save_after_another_version_than_the_one_in_force_is_a_conflict(behind: int) -> None:
    """Who has not seen the newest version saves nothing."""
    save(0, "AAPL")
    with pytest.raises(Conflict):
        save(behind, "IBM")
    assert trading_settings.current().settings.watchlist == ("AAPL",)
