"""How many runs, orders and fills there are, as the Health table keeps it; `store.counts` counts."""

from __future__ import annotations

from datetime import date

import msgspec


class Tally(msgspec.Struct, frozen=True):
    """How many there are up to and with the `newest`, by its sort key."""

    number: int = 0
    newest: str = ""

    def with_later(self, keys: list[str]) -> Tally:
        """The tally with what came after the newest, in order."""
        return Tally(self.number + len(keys), keys[-1]) if keys else self


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted on a day (wall time, UTC); runs by timeframe."""

    day: date
    orders: Tally = Tally()
    fills: Tally = Tally()
    runs: dict[str, Tally] = {}

    @property
    def all_runs(self) -> int:
        """Runs of every timeframe."""
        return sum(tally.number for tally in self.runs.values())
