"""What a benchmark yields: one row of the table that `make bench` prints and of build/bench.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True)
class Goal:
    """A bound that a row should keep. `of_ratio` bounds value / peer_value instead of the value."""

    at_least: float | None = None
    at_most: float | None = None
    of_ratio: bool = False

    def __str__(self) -> str:
        """As the table shows it: >= 1000, or ratio <= 0.5."""
        bounds = [(">=", self.at_least), ("<=", self.at_most)]
        shown = " and ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)
        return f"ratio {shown}" if self.of_ratio else shown

    def kept_by(self, measured: float) -> bool:
        """Whether a value lies within the bounds."""
        high_enough = self.at_least is None or measured >= self.at_least
        return high_enough and (self.at_most is None or measured <= self.at_most)


@dataclass(frozen=True)
class Row:
    """A measured value, beside that of a peer doing the same work in the same run if there is one.

    `name` begins with the part it belongs to, as `exchange …`.
    """

    name: str
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    goal: Goal | None = None

    @property
    def ratio(self) -> float | None:
        """Value over the peer's value."""
        return None if self.peer_value is None else self.value / self.peer_value

    @property
    def met(self) -> bool | None:
        """Whether the goal is kept; None without one."""
        if self.goal is None:
            return None
        measured = self.ratio if self.goal.of_ratio else self.value
        return measured is not None and self.goal.kept_by(measured)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed (nearest rank)."""
    return sorted(values)[max(ceil(share * len(values)) - 1, 0)]
