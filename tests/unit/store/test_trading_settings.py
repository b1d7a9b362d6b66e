"""The settings are versioned, and two authors cannot overwrite each other unseen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from alpaquero.errors import Conflict, NotFound
from alpaquero.events.bus import EncodedEvent
from alpaquero.store import settings_items, trading_settings
from alpaquero.store.books import BookItem, Books, outbox_item
from alpaquero.store.settings_items import SettingsItem
from alpaquero.store.trading_settings import TradingSettings
from alpaquero.strategy.settings import StrategySettings

NOW = datetime(2026, 11, 20, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("tables")


def save(
    after_version: int, *watchlist: str, told: BookItem | None = None
) -> trading_settings.SettingsVersion:
    return trading_settings.save(
        TradingSettings(watchlist=watchlist),
        author="ana",
        reason="test",
        after_version=after_version,
        now=NOW,
        told=told,
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


def test_settings_and_what_tells_of_them_are_written_together() -> None:
    """A version that was not saved is not told of either."""
    event = EncodedEvent(id="settings:2", name="SettingsChanged", source="alpaquero.test", detail="{}")
    told = outbox_item("paper", event)
    save(0, "AAPL")
    with pytest.raises(Conflict):
        save(0, "IBM", told=told)
    assert [] == Books("paper").outbox()
    save(1, "IBM", told=told)
    assert [event] == Books("paper").outbox()


def test_versions_are_listed_newest_first_down_to_the_defaults() -> None:
    """A page ends where it is told to, and the next one goes on below it."""
    save(0, "AAPL")
    save(1, "IBM")
    assert [2, 1] == [one.version for one in trading_settings.newest_versions(2)]
    assert [0] == [one.version for one in trading_settings.newest_versions(2, before=1)]
    assert [] == trading_settings.newest_versions(2, before=0)
    assert ["IBM"] == trading_settings.stored(2).settings["watchlist"]


@pytest.mark.parametrize("read", [trading_settings.of_version, trading_settings.stored])
def test_a_version_that_is_not_there_is_said(read: Callable[[int], object]) -> None:
    """The message says where they are listed."""
    with pytest.raises(NotFound, match="no version 7"):
        read(7)


def test_the_log_level_is_read_without_the_settings() -> None:
    """None until somebody sets it, then what the newest version says."""
    assert settings_items.log_level() is None
    save(0, "AAPL")
    assert settings_items.log_level() is None
    debug = TradingSettings(log_level="DEBUG")
    trading_settings.save(debug, author="ana", reason="test", after_version=1, now=NOW)
    assert "DEBUG" == settings_items.log_level()


def test_a_strategy_judges_the_list_it_names_as_it_is_in_that_version() -> None:
    """Whoever reads a version finds the symbols filled in, and another list takes their place."""
    second = StrategySettings(watchlist="tech", symbols=("OLD",))
    made = TradingSettings(watchlists={"tech": ("MSFT",)}, strategies={"second": second})
    assert ("MSFT",) == made.strategies["second"].symbols
    assert ("OLD",) == second.symbols
    kept = trading_settings.save(made, author="ana", reason="test", after_version=0, now=NOW)
    assert kept == trading_settings.of_version(1)


def test_a_run_of_many_symbols_waits_longer() -> None:
    """A second more for each 50 symbols, and never longer than a message can wait."""
    settings = TradingSettings(run_deadline_seconds=60)
    assert [settings.run_deadline(symbols) for symbols in (1, 500, 5000, 100_000)] == [60, 70, 160, 900]
