"""How one strategy is applied: its rule, bars, symbols and parameters; a part of the trading settings."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from typing import Any

import msgspec

from alpaquero.prices.bars import Timeframe
from alpaquero.prices.regular_hours import BARS_A_SESSION
from alpaquero.prices.symbols import is_symbol
from alpaquero.strategy import registry

MOST_SESSIONS_VALID = 20  # a signal; `signal/plan` reads the calendar as far ahead


class Mode(StrEnum):
    """Whether a strategy's signals become orders."""

    TRADE = "trade"
    SHADOW = "shadow"  # judged, recorded and told like the others, and never traded


class StrategySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A rule and how it is applied. The same rule may be applied several times under different names.

    The last `minimum_history_bars` bars are judged, however many the caller holds, and fewer are
    withheld. A signal may be traded until `signal_validity_bars` more bars have closed. `symbols`
    None is the watchlist; `watchlist` names another one of the settings, which then fills `symbols`.
    `parameters` holds all of the rule's, those left out with their defaults; `overrides` what differs
    for a symbol. Raises `ValueError` naming what does not fit.
    """

    rule: str = "stochrsi_ema"
    mode: Mode = Mode.TRADE
    timeframe: Timeframe = Timeframe.DAY
    minimum_history_bars: int = 250
    signal_validity_bars: int = 3
    symbols: tuple[str, ...] | None = None
    watchlist: str | None = None
    parameters: dict[str, Any] = {}
    overrides: dict[str, dict[str, Any]] = {}

    def __post_init__(self) -> None:
        most = MOST_SESSIONS_VALID * BARS_A_SESSION[self.timeframe]
        if not 1 <= self.signal_validity_bars <= most:
            raise ValueError(
                f"signal_validity_bars is {self.signal_validity_bars}; set it from 1 to {most} "
                f"({MOST_SESSIONS_VALID} sessions of {self.timeframe} bars)"
            )
        symbols = self.symbols or ()
        for symbol in (*symbols, *self.overrides):
            if not is_symbol(symbol):
                raise ValueError(f"symbols or overrides hold {symbol[:20]!r}; write symbols as AAPL or BRK.B")
        if len(set(symbols)) < len(symbols):
            raise ValueError("symbols holds a symbol twice; name each once")
        parameters = self._made("parameters", self.parameters)
        complete = msgspec.to_builtins(parameters)
        msgspec.structs.force_setattr(self, "parameters", complete)
        self._settles("parameters", parameters)
        for symbol, changed in self.overrides.items():
            where = f"overrides of {symbol}"
            self._settles(where, self._made(where, complete | changed))

    @property
    def shadow(self) -> bool:
        """Whether its signals are told and never traded."""
        return self.mode is Mode.SHADOW

    def parameters_for(self, symbol: str) -> Any:
        """The rule's `Parameters` as they are for `symbol`."""
        return self._parameters.get(symbol, self._parameters[None])

    @cached_property
    def _parameters(self) -> dict[str | None, Any]:
        kind = registry.strategy(self.rule).Parameters
        found = {s: self.parameters | changed for s, changed in self.overrides.items()}
        return {
            symbol: msgspec.convert(given, kind, strict=False)
            for symbol, given in ((None, self.parameters), *found.items())
        }

    def _made(self, where: str, given: dict[str, Any]) -> Any:
        kind = registry.strategy(self.rule).Parameters
        known = [field.name for field in msgspec.inspect.type_info(kind).fields]  # type: ignore[attr-defined]
        unknown = [name for name in given if name not in known]
        if unknown:
            raise ValueError(
                f"{where}: {self.rule} has no parameter {unknown[0][:40]!r}; it has {', '.join(known)}"
            )
        try:
            return msgspec.convert(given, kind, strict=False)
        except msgspec.ValidationError as error:
            message, _, place = str(error).partition(" - at `$.")
            name = place.rstrip("`")
            of_which = f"{name} is {str(given[name])[:40]!r}: " if name in given else ""
            raise ValueError(f"{where}: {of_which}{message}") from None

    def _settles(self, where: str, parameters: Any) -> None:
        least = registry.strategy(self.rule).warm_up_bars(parameters)
        if not least <= self.minimum_history_bars <= 100_000:
            raise ValueError(
                f"minimum_history_bars is {self.minimum_history_bars}; set it from {least} (the first "
                f"values of {self.rule} with these {where}) to 100000"
            )
