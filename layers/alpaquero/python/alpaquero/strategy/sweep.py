"""A strategy's values and decisions at every bar of many symbols, as live judges each; for backtests.

By the strategy's numpy forms where it has them, else by its plain ones, bar after bar.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from alpaquero.orders.intent import Side
from alpaquero.quickly_made import dataclass
from alpaquero.strategy import registry
from alpaquero.strategy.judging import rounded_values
from alpaquero.strategy.panel import Panel
from alpaquero.strategy.protocol import Decisions, Judged, Strategy, Vectorised
from alpaquero.strategy.vectors import CHUNK_VALUES, Floats, rounded

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Sweep:
    """Values, rounded to 1e-9, and decisions; arrays are (symbols, bars) as the panel's. NaN is undefined."""

    values: Mapping[str, Floats]
    decisions: Decisions


def sweep(rule: str, panel: Panel, parameters: Any, window: int) -> Sweep:
    """Judges every bar on the `window` bars that end there; before a symbol has as many there is nothing."""
    vectorised = registry.vectorised(rule)
    if vectorised is None:
        return _bar_by_bar(registry.strategy(rule), panel, parameters, window)
    rows = max(CHUNK_VALUES // panel.bars, 1)
    parts = [
        _vectorised(vectorised, Panel(panel.columns[start : start + rows]), parameters, window)
        for start in range(0, len(panel.columns), rows)
    ]
    if len(parts) == 1:
        return parts[0]
    of_parts = [part.decisions for part in parts]
    return Sweep(
        {
            name: _joined([part.values[name] for part in parts], panel.bars, np.nan)
            for name in parts[0].values
        },
        Decisions(
            side=_joined([part.side for part in of_parts], panel.bars, 0),
            strength=_joined([part.strength for part in of_parts], panel.bars, 0),
            tag=_joined([part.tag for part in of_parts], panel.bars, 0),
            tags=of_parts[0].tags,
        ),
    )


def judged(rule: str, panel: Panel, parameters: Any, window: int) -> Judged:
    """The decisions of `sweep` without its values, by the strategy's short way where it has one."""
    decide_every = getattr(registry.strategy(rule), "decide_every", None)
    if decide_every is None:
        swept = sweep(rule, panel, parameters, window)
        required = [swept.values.get(name) for name in registry.strategy(rule).REQUIRED]
        undefined = np.zeros(swept.decisions.side.shape, np.bool_)
        for values in required:
            undefined |= True if values is None else np.isnan(values)
        return Judged(swept.decisions, undefined)
    found: Judged = decide_every(panel, parameters, window)
    return found


def _vectorised(rule: Vectorised[Any], panel: Panel, parameters: Any, window: int) -> Sweep:
    found = {name: rounded(values) for name, values in rule.rolling(panel, parameters, window).items()}
    too_early = np.arange(panel.bars) < (panel.first + window - 1)[:, np.newaxis]
    for values in found.values():
        values[too_early] = np.nan
    return Sweep(found, rule.decide_many(found, parameters))


def _joined(parts: list[npt.NDArray[T]], bars: int, empty: float) -> npt.NDArray[T]:
    """The rows of all parts, which end together; `empty` where a part is shorter."""
    made = np.full((sum(map(len, parts)), bars), empty, parts[0].dtype)
    row = 0
    for part in parts:
        made[row : row + len(part), bars - part.shape[1] :] = part
        row += len(part)
    return made


def _bar_by_bar(rule: Strategy[Any], panel: Panel, parameters: Any, window: int) -> Sweep:
    shape = (len(panel.columns), panel.bars)
    found: dict[str, Floats] = {}
    side, strength, tag = np.zeros(shape, np.int8), np.zeros(shape, np.int16), np.zeros(shape, np.int8)
    tags: dict[str, int] = {}
    for row, columns in enumerate(panel.columns):
        for end in range(window, len(columns) + 1):
            where = (row, panel.first[row] + end - 1)
            values = rounded_values(rule, columns[end - window : end], parameters)
            for name, value in values.items():
                found.setdefault(name, np.full(shape, np.nan))[where] = value
            if not all(name in values for name in rule.REQUIRED):
                continue
            decision = rule.decide(values, parameters)
            if decision is not None:
                side[where] = 1 if decision.side is Side.BUY else -1
                strength[where] = decision.strength
                tag[where] = tags.setdefault(decision.tag, len(tags))
    return Sweep(found, Decisions(side=side, strength=strength, tag=tag, tags=tuple(tags)))
