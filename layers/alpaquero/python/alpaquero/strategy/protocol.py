"""What a strategy is: a module in `alpaquero/strategies` with the names of `Strategy`.

Read by whoever writes one, and by `registry`, `judging` and the backtest, which call it. How to
write one, with a complete example: docs/strategies.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from alpaquero.orders.intent import Side
from alpaquero.prices.columns import Columns
from alpaquero.quickly_made import dataclass

if TYPE_CHECKING:  # numpy is for those who judge many bars at once; a signal run never loads it
    import numpy as np
    import numpy.typing as npt

    from alpaquero.strategy.panel import Panel

P = TypeVar("P")

ROUNDING_DIGITS = 9  # decisions are made on values rounded so: what two forms differ by is below


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """How a chart draws one of a strategy's values.

    `name` is its key in `values`; a price is drawn over the bars, an oscillator in a pane below.
    `levels` are names of parameters drawn as horizontal lines.
    """

    name: str
    label: str
    pane: Literal["price", "oscillator"]
    unit: Literal["USD", "points", "percent"]
    levels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a strategy wants done: a BUY opens a position, a SELL reduces a long one.

    `strength` is 0 to 100; of several signals the stronger are traded first. `tag` says in a word
    why, and stays with the order and the trade: the entry tag of a BUY, the exit tag of a SELL.
    """

    side: Side
    strength: int
    tag: str

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 100:
            raise ValueError(f"strength is {self.strength}; set it from 0 to 100")
        if not self.tag:
            raise ValueError("tag is empty; say in a word why, it stays with the trade")


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that a side asks for, and whether it holds: `left` and `right` are what was compared."""

    side: Side
    text: str
    left: float
    right: float
    holds: bool


class Strategy(Protocol[P]):
    """The names a strategy's module has; the file's name is the rule's name."""

    @property
    def TITLE(self) -> str:  # noqa: N802 - a name of the module
        """What people call it."""

    @property
    def PLOTS(self) -> tuple[Plot, ...]:  # noqa: N802 - a name of the module
        """Which values a chart draws, in order."""

    @property
    def REQUIRED(self) -> tuple[str, ...]:  # noqa: N802 - a name of the module
        """The values that `decide` reads: where one is not defined the symbol is withheld."""

    @property
    def Parameters(self) -> type[P]:  # noqa: N802 - a name of the module
        """A frozen dataclass with a default for each field; raises `ValueError` naming what does not fit."""

    def warm_up_bars(self, parameters: P, /) -> int:
        """Bars until each value has come once; values of a recursion settle much later."""

    def values(self, columns: Columns, parameters: P, /) -> Mapping[str, float | None]:
        """The values at the last of `columns`; None where one is not defined, never 0 in its place."""

    def decide(self, values: Mapping[str, float], parameters: P, /) -> Decision | None:
        """What these values call for. All of `REQUIRED` are there."""

    def conditions(self, values: Mapping[str, float], parameters: P, /) -> tuple[Condition, ...]:
        """What each side asks for, for people who ask why; all of a side hold where it is decided."""

    # Optional: `series(columns, parameters, window)`, lists by name: `values` at every bar, each on the
    # `window` bars up to it, in plain Python. A chart of many bars asks for it.


@dataclass(frozen=True, slots=True)
class Decisions:
    """Decisions as arrays of one shape: side 1 buys, -1 sells, 0 is none; `tag` is an index into `tags`."""

    side: npt.NDArray[np.int8]
    strength: npt.NDArray[np.int16]
    tag: npt.NDArray[np.int8]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """Decisions at every bar, and where a required value was not defined, arrays of one shape.

    Neither means anything before a series has as many bars as are judged.
    """

    decisions: Decisions
    undefined: npt.NDArray[np.bool_]


class Vectorised(Strategy[P], Protocol[P]):
    """A strategy that also has forms for many bars at once, equal to the plain ones to 1e-9.

    Optional: a backtest that finds none of them calls the plain ones. NaN is undefined. One form more,
    `decide_every(panel, parameters, window) -> Judged`, says what is decided at every bar without all
    the values; without it that follows from `rolling` and `decide_many`.
    """

    def batch(self, panel: Panel, parameters: P, /) -> Mapping[str, npt.NDArray[np.float64]]:
        """`values` at the last bar of every symbol, shape (symbols,); the panel is the window."""

    def rolling(self, panel: Panel, parameters: P, window: int, /) -> Mapping[str, npt.NDArray[np.float64]]:
        """`values` at every bar, each on the `window` bars that end there, shape (symbols, bars)."""

    def decide_many(self, values: Mapping[str, npt.NDArray[np.float64]], parameters: P, /) -> Decisions:
        """`decide` on every element of values rounded to 1e-9; none where one of `REQUIRED` is NaN."""


def require(name: str, value: float, low: float, high: float) -> None:
    """Raises `ValueError` naming the parameter when it is not from `low` to `high`; NaN never is.

    >>> require("rsi_period_bars", 1, 2, 1000)
    Traceback (most recent call last):
    ...
    ValueError: rsi_period_bars is 1; set it from 2 to 1000
    """
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}; set it from {low} to {high}")
