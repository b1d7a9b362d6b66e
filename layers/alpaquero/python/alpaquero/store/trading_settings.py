"""The settings, versioned with author and reason; read by every run, written by the configuration service.

One document has one version: what a run was planned under is one number, and one roll-back brings all
of it back.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

import msgspec
from pynamodb.exceptions import DoesNotExist, TransactWriteError
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from alpaquero.errors import Conflict, InvalidRequest, NotFound
from alpaquero.lately import A_MOMENT, kept_for
from alpaquero.monitoring.settings import MonitoringSettings
from alpaquero.orders.timeouts import OrderSettings
from alpaquero.prices.symbols import is_symbol
from alpaquero.risk.limits import RiskLimits
from alpaquero.store.settings_items import CURRENT, SETTINGS, SettingsItem
from alpaquero.store.tables import connection, from_body, to_body
from alpaquero.strategy.settings import StrategySettings

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
DEFAULT_WATCHLIST = "default"
MOST_WATCHLISTS = 50
MOST_STRATEGIES = 50
MOST_BYTES = 390_000  # of an item, which DynamoDB takes up to 400 KB of
MOST_VERSIONS = 99_999_999  # as the width of their keys has it
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
SYMBOLS_A_SECOND = 50  # whose bars come from a broker that is asked for all of them
RANGES = {
    "bar_settle_minutes": (0, 720),
    "intraday_settle_seconds": (0, 600),
    "shard_size_symbols": (1, 500),
    "run_deadline_seconds": (5, 900),  # SQS delays a message by 15 minutes at most
    "risk_free_percent": (0, 100),
}


class TradingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a person may set about trading; every number carries its unit in its name.

    An empty watchlist trades nothing. `strategies` are applied under their names, which go into
    signals and the ids of orders, so that several never meet: a name stays with what it names.
    `watchlists` are further lists that strategies name; a strategy that names none, and has no symbols
    of its own, judges `watchlist`, whose name is `default`.
    `bar_settle_minutes` is how long after its close a daily bar is taken for final,
    `intraday_settle_seconds` a shorter one; `shard_size_symbols` how many symbols one evaluation
    judges; `run_deadline_seconds` (wall time) how long a run waits for its shards, see `run_deadline`.
    `risk_free_percent` is the yearly rate that Sharpe, Sortino and alpha take off returns.
    Raises `ValueError` naming the setting that does not fit.
    """

    watchlist: tuple[str, ...] = ()
    watchlists: dict[str, tuple[str, ...]] = {}
    strategies: dict[str, StrategySettings] = msgspec.field(
        default_factory=lambda: {"stochrsi_ema": StrategySettings()}
    )
    risk: RiskLimits = RiskLimits()
    orders: OrderSettings = OrderSettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    bar_settle_minutes: int = 15
    intraday_settle_seconds: int = 10
    shard_size_symbols: int = 50
    run_deadline_seconds: int = 60
    risk_free_percent: Decimal = Decimal(0)
    log_level: LogLevel | None = None

    def __post_init__(self) -> None:
        _check_names("watchlists", self.watchlists, MOST_WATCHLISTS)
        if DEFAULT_WATCHLIST in self.watchlists:
            raise ValueError(f"watchlists holds {DEFAULT_WATCHLIST!r}; that one is the setting watchlist")
        lists = {"watchlist": self.watchlist}
        for where, symbols in (lists | {f"watchlists.{n}": s for n, s in self.watchlists.items()}).items():
            _check_symbols(where, symbols)
        _check_names("strategies", self.strategies, MOST_STRATEGIES)
        for name, (low, high) in RANGES.items():
            value = Decimal(getattr(self, name))
            if not (value.is_finite() and low <= value <= high):
                raise ValueError(f"{name} is {value}; set it from {low} to {high}")
        named = {name: self._with_its_symbols(name, one) for name, one in self.strategies.items()}
        msgspec.structs.force_setattr(self, "strategies", named)

    def run_deadline(self, symbols: int) -> int:
        """Seconds (wall time) that a run of so many symbols waits for its shards.

        A second more for each 50 symbols: where nothing is stored yet their bars are asked of the broker.
        """
        longest = RANGES["run_deadline_seconds"][1]
        return min(self.run_deadline_seconds + symbols // SYMBOLS_A_SECOND, longest)

    def symbols_of_watchlist(self, name: str) -> tuple[str, ...] | None:
        """The symbols of the watchlist named so, None when there is none."""
        return self.watchlist if name == DEFAULT_WATCHLIST else self.watchlists.get(name)

    def _with_its_symbols(self, name: str, one: StrategySettings) -> StrategySettings:
        """The strategy with the symbols of the watchlist it names, whatever it held before."""
        if one.watchlist is None:
            return one
        symbols = self.symbols_of_watchlist(one.watchlist)
        if symbols is None:
            raise ValueError(
                f"strategies.{name}.watchlist is {one.watchlist[:40]!r}; name one of "
                f"{', '.join([DEFAULT_WATCHLIST, *self.watchlists])}"
            )
        return one if one.symbols == symbols else msgspec.structs.replace(one, symbols=symbols)


def _check_names(where: str, given: dict[str, Any], most: int) -> None:
    if len(given) > most:
        raise ValueError(f"{where} holds {len(given)}; keep to {most}")
    for name in given:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{where} holds {name[:40]!r}; name them with a-z, 0-9 and _, 32 characters at most"
            )


def _check_symbols(where: str, symbols: tuple[str, ...]) -> None:
    for symbol in symbols:
        if not is_symbol(symbol):
            raise ValueError(f"{where} holds {symbol[:20]!r}; write symbols as AAPL or BRK.B")
    if len(set(symbols)) < len(symbols):
        twice = next(symbol for symbol in symbols if symbols.count(symbol) > 1)
        raise ValueError(f"{where} holds {twice} twice; name each once")


class SettingsVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the settings; version 0 is what the code comes with.

    `rolled_back_to` is the version that this one equals, when it was made to bring that one back.
    """

    version: int
    author: str
    reason: str
    changed_at: datetime
    settings: TradingSettings
    rolled_back_to: int | None = None


class StoredVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version with its settings as they were written, for history: today's rules may refuse them."""

    version: int
    author: str
    reason: str
    changed_at: datetime
    settings: dict[str, Any]
    rolled_back_to: int | None = None


DEFAULTS = SettingsVersion(
    version=0,
    author="alpaquero",
    reason="the defaults the code comes with",
    changed_at=datetime(2026, 11, 22, tzinfo=UTC),
    settings=TradingSettings(),
)


def current() -> SettingsVersion:
    """The settings in force; the defaults until someone saves any."""
    try:
        return _version_in(SettingsItem.get(SETTINGS, CURRENT, consistent_read=True).body)
    except DoesNotExist:
        return DEFAULTS


@kept_for(A_MOMENT)
def lately() -> SettingsVersion:
    """The settings in force a moment ago at most, for what pages show."""
    return current()


@lru_cache(maxsize=4)
def _version_in(body: str) -> SettingsVersion:
    """The version that a text holds; making its strategies takes longer than reading it."""
    return from_body(body, SettingsVersion)


def of_version(version: int) -> SettingsVersion:
    """The settings as they were in `version`, for a run that was planned under them.

    Raises `NotFound` when there is no such version.
    """
    if version == DEFAULTS.version:
        return DEFAULTS
    try:
        kept = SettingsItem.get(SETTINGS, _version_key(version), consistent_read=True)
    except DoesNotExist:
        raise _no_version(version) from None
    return _version_in(kept.body)


def stored(version: int) -> StoredVersion:
    """A version as it was written, whether or not it fits today's rules.

    Raises `NotFound` when there is no such version.
    """
    if version == DEFAULTS.version:
        return _stored_defaults()
    try:
        item = SettingsItem.get(SETTINGS, _version_key(version), consistent_read=True)
    except DoesNotExist:
        raise _no_version(version) from None
    return from_body(item.body, StoredVersion)


def newest_versions(count: int, *, before: int | None = None) -> list[StoredVersion]:
    """Up to `count` versions below `before`, newest first; the defaults are the last one there is."""
    highest = MOST_VERSIONS if before is None else before - 1
    if highest < DEFAULTS.version:
        return []
    found = SettingsItem.query(
        SETTINGS,
        SettingsItem.sk.between(_version_key(DEFAULTS.version), _version_key(highest)),
        consistent_read=True,
        scan_index_forward=False,
        limit=count,
    )
    versions = [from_body(item.body, StoredVersion) for item in found]
    if len(versions) < count:
        versions.append(_stored_defaults())
    return versions


def save(
    settings: TradingSettings,
    *,
    author: str,
    reason: str,
    after_version: int,
    now: datetime,
    rolled_back_to: int | None = None,
    told: Model | None = None,
) -> SettingsVersion:
    """Saves `settings` as the version after `after_version`, kept for good.

    `told` is the outbox's item with the event, written together with the settings or not at all.
    Raises `Conflict` when someone saved in between: read the new version and decide again. Raises
    `InvalidRequest` when they are too large for an item.
    """
    new = SettingsVersion(
        version=after_version + 1,
        author=author,
        reason=reason,
        changed_at=now,
        settings=settings,
        rolled_back_to=rolled_back_to,
    )
    condition = (
        SettingsItem.pk.does_not_exist() if after_version == 0 else SettingsItem.version == after_version
    )
    body = to_body(new)
    if len(body.encode()) > MOST_BYTES:
        raise InvalidRequest(
            f"the settings take {len(body.encode())} bytes, {MOST_BYTES} at most; shorten the longest lists",
            "settings",
        )
    in_force = SettingsItem(SETTINGS, CURRENT, body=body, version=new.version, log_level=settings.log_level)
    kept = SettingsItem(SETTINGS, _version_key(new.version), body=body, version=new.version)
    try:
        with TransactWrite(connection=connection()) as transaction:
            transaction.save(in_force, condition=condition)
            transaction.save(kept, condition=SettingsItem.pk.does_not_exist())
            if told is not None:
                transaction.save(told)
    except TransactWriteError as error:
        if error.cause_response_code == "TransactionCanceledException":
            raise Conflict(f"settings version {new.version} exists already; read it and try again") from error
        raise
    return new


def _stored_defaults() -> StoredVersion:
    return from_body(to_body(DEFAULTS), StoredVersion)


def _no_version(version: int) -> NotFound:
    return NotFound(f"there is no version {version} of the settings; GET /config/history lists them")


def _version_key(version: int) -> str:
    return f"VERSION#{version:08d}"
