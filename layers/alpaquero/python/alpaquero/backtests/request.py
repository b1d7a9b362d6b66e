"""What a backtest is asked for, and the settings that follow; read by command line, routes and job.

A request names changes of settings as a person writes them: `strategy.rsi_period_bars` (or
`strategies.<name>.rsi_period_bars` when several are tested), `risk.stop_loss_percent`,
`orders.entry_timeout_minutes`, `risk_free_percent`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Literal

import msgspec

from alpaquero.orders.timeouts import OrderSettings
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.regular_hours import BARS_A_SESSION
from alpaquero.prices.symbols import is_symbol
from alpaquero.risk.limits import RiskLimits
from alpaquero.strategy import registry
from alpaquero.strategy.planning import of_timeframe, timeframes
from alpaquero.strategy.settings import StrategySettings

MOST_SYMBOLS = 5_000
MOST_CHANGES = 200
RISK_FREE = "risk_free_percent"
_MOST_CASH = Decimal(1_000_000_000_000)
_MOST_BPS = Decimal(1_000)
_MOST_FEE = Decimal(10)
_MOST_RISK_FREE = Decimal(100)  # percent a year, as in the trading settings


class FillSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How orders fill. The defaults are the paper exchange's, so that a demo gives the same trades.

    `partial_fills` is the share of orders that fill in two, 0 to 1. `half_spread_bps` is what the
    quote is away from the traded price on either side, `slippage_bps` what a market order loses
    beyond it, both in hundredths of a percent. `fee_percent` is of what a fill is worth. Raises
    `ValueError` naming the setting and its range.
    """

    partial_fills: Decimal = Decimal(0)
    half_spread_bps: Decimal = Decimal(1)
    slippage_bps: Decimal = Decimal(0)
    fee_per_share_dollars: Decimal = Decimal(0)
    fee_percent: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        most = {"partial_fills": Decimal(1), "half_spread_bps": _MOST_BPS, "slippage_bps": _MOST_BPS}
        for name in self.__struct_fields__:
            value, limit = getattr(self, name), most.get(name, _MOST_FEE)
            if not (value.is_finite() and 0 <= value <= limit):
                raise ValueError(f"{name} is {value}; set it from 0 to {limit}")


class BacktestRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One backtest. `start` and `end` are sessions in New York, both included.

    `strategies` are rules, or with `settings` "current" the names of the settings in force; empty are
    all of them (default: the rule that comes with the code). `changes` maps settings to values, as
    the module says. Raises `ValueError` naming the field and the fix.
    """

    symbols: tuple[str, ...]
    start: date
    end: date
    strategies: tuple[str, ...] = ()
    timeframe: Timeframe | None = None
    cash: Decimal = Decimal(100_000)
    seed: int = 1
    fills: FillSettings = FillSettings()
    settings: Literal["default", "current"] = "default"
    changes: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if not self.symbols:
            raise ValueError("symbols is empty; name at least one, like AAPL")
        if len(self.symbols) > MOST_SYMBOLS:
            raise ValueError(f"symbols holds {len(self.symbols)}; test at most {MOST_SYMBOLS} at once")
        for symbol in self.symbols:
            if not is_symbol(symbol):
                raise ValueError(f"symbols holds {symbol[:20]!r}; write symbols as AAPL or BRK.B")
        for name in ("symbols", "strategies"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise ValueError(f"{name} holds one twice; name each once")
        if self.end < self.start:
            raise ValueError(f"end is {self.end}, before start {self.start}; exchange them")
        if not (self.cash.is_finite() and 0 < self.cash <= _MOST_CASH):
            raise ValueError(f"cash is {self.cash}; set it above 0 to {_MOST_CASH}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed is {self.seed}; set it from 0 to {2**63 - 1}")
        if len(self.changes) > MOST_CHANGES:
            raise ValueError(f"changes holds {len(self.changes)}; give at most {MOST_CHANGES}")


class BacktestSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The part of the trading settings that a backtest obeys, and the rate its ratios are computed with.

    Raises `ValueError` for a rate that does not fit.
    """

    strategies: dict[str, StrategySettings]
    watchlist: tuple[str, ...] = ()
    risk: RiskLimits = RiskLimits()
    orders: OrderSettings = OrderSettings()
    risk_free_percent: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        rate = self.risk_free_percent
        if not (rate.is_finite() and 0 <= rate <= _MOST_RISK_FREE):
            raise ValueError(f"risk_free_percent is {rate}; set it from 0 to {_MOST_RISK_FREE}")

    @property
    def timeframes(self) -> list[Timeframe]:
        """The timeframes that its strategies judge, shortest first."""
        return timeframes(self.strategies)

    @property
    def timeframe(self) -> Timeframe:
        """The shortest of them, on whose bars orders trade."""
        return self.timeframes[0]

    def history_bars(self, timeframe: Timeframe) -> int:
        """Bars before the first session that the strategies of a timeframe need."""
        return max(one.minimum_history_bars for one in of_timeframe(self.strategies, timeframe).values())


def settings_for(
    request: BacktestRequest,
    current: Mapping[str, StrategySettings],
    risk: RiskLimits,
    orders: OrderSettings,
    *,
    risk_free_percent: Decimal = Decimal(0),
) -> BacktestSettings:
    """The settings a request tests: `current` strategies, limits and the rest, changed as it asks.

    Raises `ValueError` naming what does not exist or does not fit.
    """
    wanted = request.strategies or tuple(current)
    chosen = {name: current.get(name) or _of_rule(name, current) for name in wanted}
    plain: dict[str, Any] = {
        "strategies": {name: msgspec.to_builtins(one) for name, one in chosen.items()},
        "watchlist": request.symbols,
        "risk": _plain(risk),
        "orders": _plain(orders),
        RISK_FREE: str(risk_free_percent),
    }
    for one in plain["strategies"].values():
        one["mode"], one["symbols"] = (
            "trade",
            None,
        )  # what is tested trades, in the symbols that are asked for
        if request.timeframe is not None:
            one["timeframe"] = str(request.timeframe)
    for path, value in request.changes.items():
        _change(plain, path, value)
    return _made(plain)


def _of_rule(name: str, current: Mapping[str, StrategySettings]) -> StrategySettings:
    try:
        return StrategySettings(rule=name)
    except ValueError as error:
        known = sorted({*registry.names(), *current})
        if name in registry.names():
            raise
        raise ValueError(f"there is no strategy {name[:40]!r}; there is {', '.join(known)}") from error


def _plain(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(value)
    return found


def _made(plain: dict[str, Any]) -> BacktestSettings:
    try:
        return msgspec.convert(plain, BacktestSettings, strict=False)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$.")
        raise ValueError(f"{message} (in {place.rstrip('`')})" if place else message) from None


def _change(plain: dict[str, Any], path: str, value: Any) -> None:
    """Puts one change where it belongs. Raises `ValueError` for a path that leads nowhere."""
    group, _, rest = path.partition(".")
    if group == "strategy":
        if len(plain["strategies"]) > 1:
            names = ", ".join(plain["strategies"])
            raise ValueError(f"{path} could mean each of {names}; write strategies.<name>.{rest}")
        _change_strategy(path, next(iter(plain["strategies"].values())), rest, value)
    elif group == "strategies":
        name, _, rest = rest.partition(".")
        if name not in plain["strategies"]:
            raise ValueError(f"{path}: {name!r} is not tested; tested is {', '.join(plain['strategies'])}")
        _change_strategy(path, plain["strategies"][name], rest, value)
    elif path == RISK_FREE:
        plain[RISK_FREE] = value
    elif group in {"risk", "orders"}:
        _set(path, plain[group], rest, value)
    else:
        raise ValueError(
            f"there is no setting {path[:60]!r}; begin with strategy., strategies.<name>., risk. or orders., "
            f"or name {RISK_FREE}"
        )


def _change_strategy(path: str, one: dict[str, Any], name: str, value: Any) -> None:
    """A field of the strategy's settings, or else a parameter of its rule."""
    if name in one and name not in {"parameters", "overrides", "rule"}:
        one[name] = value
    else:
        _set(path, one["parameters"], name.removeprefix("parameters."), value)


def _set(path: str, target: dict[str, Any], name: str, value: Any) -> None:
    if name not in target:
        raise ValueError(f"there is no setting {path[:60]!r}; there is {', '.join(sorted(target))}")
    target[name] = value


def bars_of(request: BacktestRequest, used: Sequence[Timeframe]) -> int:
    """About how many bars a request reads, its warm-up left out: 252 sessions of 6.5 hours a year."""
    years = ((request.end - request.start).days + 1) / 365.25
    return round(len(request.symbols) * years * 252 * sum(BARS_A_SESSION[one] for one in used))
