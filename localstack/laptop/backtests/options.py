"""What a backtest on this machine is asked for, from options to a request that can be run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from alpaquero.backtests.request import BacktestRequest, BacktestSettings, FillSettings, settings_for
from alpaquero.orders.timeouts import OrderSettings
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.risk.limits import RiskLimits
from alpaquero.strategy import registry
from alpaquero.strategy.settings import StrategySettings
from laptop.backtests import prices as sources
from laptop.backtests.prices import STORE, Prices, Source
from laptop.errors import LaptopError

if TYPE_CHECKING:
    from laptop.stack import Stack

CURRENT = "current"
DEFAULT_RULE = "stochrsi_ema"


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """The part of saved trading settings that a backtest starts from; the rest of the file is not read."""

    strategies: dict[str, StrategySettings] = {}
    risk: RiskLimits = RiskLimits()
    orders: OrderSettings = OrderSettings()
    risk_free_percent: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options as given.

    Attributes
    ----------
    strategies
        Names of rules, of strategies in the settings, or paths of strategy files.
    symbols
        Empty for every symbol of the data.
    start, end
        None for all that the data covers after the warm-up.
    data
        A folder of ``SYMBOL.csv`` files, ``store``, or None for the shipped prices.
    settings
        A JSON file of settings, ``current`` for those of the running stack, or None for the defaults.
    changes
        Settings and values, as ``strategy.rsi_period_bars``: 10.
    """

    strategies: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    start: date | None = None
    end: date | None = None
    data: str | None = None
    settings: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    timeframe: str | None = None
    cash: Decimal = Decimal(100_000)
    seed: int = 1
    fills: Mapping[str, Decimal] = field(default_factory=dict)
    state: Path | None = None


@dataclass(frozen=True)
class Prepared:
    """A request, the settings it tests, the prices it is tested on, and the strategy files it needs."""

    request: BacktestRequest
    base: Base
    prices: Prices
    files: tuple[Path, ...] = ()

    def settings(self, changes: Mapping[str, Any] | None = None) -> BacktestSettings:
        """The settings with further `changes`. Raises `ValueError` naming what does not fit."""
        return settings_for(
            self.asked(changes),
            self.base.strategies,
            self.base.risk,
            self.base.orders,
            risk_free_percent=self.base.risk_free_percent,
        )

    def asked(
        self,
        changes: Mapping[str, Any] | None = None,
        *,
        start: date | None = None,
        end: date | None = None,
    ) -> BacktestRequest:
        """The request with further `changes`, or over another stretch."""
        return msgspec.structs.replace(
            self.request,
            changes={**self.request.changes, **(changes or {})},
            start=start or self.request.start,
            end=end or self.request.end,
        )


def prepare(options: Options) -> Prepared:
    """Reads settings, strategy files and prices. Raises `LaptopError` that says the fix."""
    try:
        return _prepare(options)
    except (ValueError, msgspec.ValidationError) as error:
        raise LaptopError(str(error)) from error


def _prepare(options: Options) -> Prepared:
    files = tuple(Path(name) for name in options.strategies if name.endswith(".py"))
    loaded = {str(path): registry.load_file(path) for path in files}
    names = tuple(loaded.get(name, name) for name in options.strategies)
    base = _base(options)
    source = _source(options)
    request = BacktestRequest(
        symbols=tuple(source.symbols),
        start=options.start or date.min,
        end=options.end or date.max,
        strategies=names,
        timeframe=None if options.timeframe is None else Timeframe(options.timeframe),
        cash=options.cash,
        seed=options.seed,
        fills=FillSettings(**options.fills),
        changes=dict(options.changes),
    )
    settings = settings_for(request, base.strategies, base.risk, base.orders)
    prices = source.read(settings.timeframes)
    if options.start is not None and options.start > prices.last:
        raise LaptopError(
            f"the prices end {prices.last}, before --from {options.start}; give an earlier --from"
        )
    start = options.start or _first_judged(prices, settings)
    if options.start is None and options.end is not None and options.end < start:
        raise LaptopError(
            f"the first session with enough history is {start}, after --to {options.end}; give a later "
            "--to, or lower minimum_history_bars"
        )
    asked = msgspec.structs.replace(request, start=start, end=options.end or prices.last)
    return Prepared(asked, base, prices, files)


def _first_judged(prices: Prices, settings: BacktestSettings) -> date:
    """The first session on which some symbol has enough bars of each timeframe.

    Raises `LaptopError` when none ever has.
    """
    return max(_first_with(bars, settings.history_bars(one), one) for one, bars in prices.bars.items())


def _first_with(bars: Mapping[str, Columns], history: int, timeframe: Timeframe) -> date:
    ready = [columns.start_at(history - 1) for columns in bars.values() if len(columns) >= history]
    if not ready:
        longest = max(len(columns) for columns in bars.values())
        raise LaptopError(
            f"no symbol has the {history} bars of {timeframe} that are judged, the longest has {longest}; "
            "give longer prices, or lower minimum_history_bars"
        )
    return min(ready).astimezone(NEW_YORK).date()


def _source(options: Options) -> Source:
    if options.data == STORE:
        return sources.Store(_stack(options), _named(options.symbols))
    if options.data is None:
        return sources.shipped(options.symbols)
    return sources.of_folder(Path(options.data), options.symbols)


def _named(symbols: Sequence[str]) -> Sequence[str]:
    if not symbols:
        raise LaptopError("--data store needs --symbols: name those to read, like --symbols AAPL,IBM")
    return symbols


def _base(options: Options) -> Base:
    found = Base()
    if options.settings == CURRENT:
        from laptop.calls import public_get

        found = _read(public_get(_stack(options), "/api/config", {})["settings"], "the stack's settings")
    elif options.settings is not None:
        path = Path(options.settings)
        try:
            text = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise LaptopError(f"--settings {path}: {error.strerror}; give a file, or `current`") from error
        except ValueError as error:
            raise LaptopError(f"--settings {path}: {error}; write it as GET /api/config shows it") from error
        found = _read(text, str(path))
    if found.strategies:
        return found
    return msgspec.structs.replace(found, strategies={DEFAULT_RULE: StrategySettings(rule=DEFAULT_RULE)})


def _read(text: Any, where: str) -> Base:
    inner = text.get("settings", text) if isinstance(text, dict) else text
    try:
        return msgspec.convert(inner, Base, strict=False)
    except msgspec.ValidationError as error:
        raise LaptopError(f"{where}: {error}; write it as GET /api/config shows it") from error


def _stack(options: Options) -> Stack:
    from laptop.layout import StateFolder
    from laptop.stack import Stack

    return Stack.find(StateFolder.at(options.state))


def changes_of(pairs: Sequence[str]) -> dict[str, Any]:
    """Settings from `name=value` texts; values are JSON where they can be, else text.

    >>> changes_of(["strategy.rsi_period_bars=10", "risk.sizing_method=atr"])
    {'strategy.rsi_period_bars': 10, 'risk.sizing_method': 'atr'}
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name.strip():
            raise LaptopError(f"--set {pair}: write it as strategy.rsi_period_bars=10")
        found[name.strip()] = value_of(value.strip())
    return found


def value_of(text: str) -> Any:
    """The JSON value of a text, a number of any size as it is written, or the text itself."""
    try:
        value = json.loads(text, parse_float=str)
    except ValueError:
        return text
    return value
