"""The trading settings, versioned with author and reason; read by every run, written by configuration."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, TransactWriteError
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from alpaquero.errors import Conflict
from alpaquero.orders.timeouts import OrderSettings
from alpaquero.risk.limits import RiskLimits
from alpaquero.store.tables import REGION, connection, from_body, table_name, to_body
from alpaquero.strategy.settings import StrategySettings

_SYMBOL = re.compile(r"[A-Z][A-Z0-9.]{0,9}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_RANGES = {
    "bar_settle_minutes": (0, 720),
    "intraday_settle_seconds": (0, 600),
    "shard_size_symbols": (1, 500),
    "run_deadline_seconds": (5, 900),  # SQS delays a message by 15 minutes at most
}


class TradingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a person may set about trading; every number carries its unit in its name.

    An empty watchlist trades nothing. `strategies` are applied under their names, which go into
    signals and the ids of orders, so that several never meet: a name stays with what it names.
    `bar_settle_minutes` is how long after its close a daily bar is taken for final,
    `intraday_settle_seconds` a shorter one; `shard_size_symbols` how many symbols one evaluation
    judges; `run_deadline_seconds` (wall time) how long a run waits for its shards. Raises
    `ValueError` naming the setting that does not fit.
    """

    watchlist: tuple[str, ...] = ()
    strategies: dict[str, StrategySettings] = msgspec.field(
        default_factory=lambda: {"stochrsi_ema": StrategySettings()}
    )
    risk: RiskLimits = RiskLimits()
    orders: OrderSettings = OrderSettings()
    bar_settle_minutes: int = 15
    intraday_settle_seconds: int = 10
    shard_size_symbols: int = 50
    run_deadline_seconds: int = 60

    def __post_init__(self) -> None:
        for symbol in self.watchlist:
            if not _SYMBOL.fullmatch(symbol):
                raise ValueError(f"watchlist holds {symbol[:20]!r}; write symbols as AAPL or BRK.B")
        if len(set(self.watchlist)) < len(self.watchlist):
            raise ValueError("watchlist holds a symbol twice; name each once")
        for name in self.strategies:
            if not _NAME.fullmatch(name):
                raise ValueError(
                    f"strategies holds {name[:40]!r}; name them with a-z, 0-9 and _, 32 characters at most"
                )
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} is {getattr(self, name)}; set it from {low} to {high}")


class SettingsVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the settings; version 0 is what the code comes with."""

    version: int
    author: str
    reason: str
    changed_at: datetime
    settings: TradingSettings


DEFAULTS = SettingsVersion(
    version=0,
    author="alpaquero",
    reason="the defaults the code comes with",
    changed_at=datetime(2026, 11, 22, tzinfo=UTC),
    settings=TradingSettings(),
)


class SettingsItem(Model):
    """`SETTINGS` / `CURRENT` and one `VERSION#<n>` for each version ever saved."""

    class Meta:
        table_name = table_name("SETTINGS_TABLE")
        region = REGION

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute()
    version = NumberAttribute()


def current() -> SettingsVersion:
    """The settings in force; the defaults until someone saves any."""
    try:
        return from_body(SettingsItem.get("SETTINGS", "CURRENT", consistent_read=True).body, SettingsVersion)
    except DoesNotExist:
        return DEFAULTS


def of_version(version: int) -> SettingsVersion:
    """The settings as they were in `version`, for a run that was planned under them."""
    if version == DEFAULTS.version:
        return DEFAULTS
    kept = SettingsItem.get("SETTINGS", f"VERSION#{version:08d}", consistent_read=True)
    return from_body(kept.body, SettingsVersion)


def save(
    settings: TradingSettings, *, author: str, reason: str, after_version: int, now: datetime
) -> SettingsVersion:
    """Saves `settings` as the version after `after_version`, kept for good.

    Raises `Conflict` when someone saved in between: read the new version and decide again.
    """
    new = SettingsVersion(
        version=after_version + 1, author=author, reason=reason, changed_at=now, settings=settings
    )
    condition = (
        SettingsItem.pk.does_not_exist() if after_version == 0 else SettingsItem.version == after_version
    )
    body = to_body(new)
    try:
        with TransactWrite(connection=connection()) as transaction:
            transaction.save(
                SettingsItem("SETTINGS", "CURRENT", body=body, version=new.version), condition=condition
            )
            kept = SettingsItem("SETTINGS", f"VERSION#{new.version:08d}", body=body, version=new.version)
            transaction.save(kept, condition=SettingsItem.pk.does_not_exist())
    except TransactWriteError as error:
        if error.cause_response_code == "TransactionCanceledException":
            raise Conflict(f"settings version {new.version} exists already; read it and try again") from error
        raise
    return new
