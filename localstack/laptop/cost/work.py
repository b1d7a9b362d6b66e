"""What functions did in a stretch of a laptop run: metered, kept in infra/measurements.json, and priced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final

import msgspec

from laptop.layout import REPOSITORY

MEASUREMENTS: Final = REPOSITORY / "infra" / "measurements.json"
SHARD_SYMBOLS: Final = 50  # the default of `TradingSettings.shard_size_symbols`


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What one function did: how often it ran, milliseconds in all, and what it asked of AWS.

    `calls` are requests by service, DynamoDB's left out; its are `reads` and `writes` in request units.
    `events` were put on the bus. `memory_mb` is the most that the process used. Figures may be fractions
    where they are averages.
    """

    invocations: float = 0
    milliseconds: float = 0
    reads: float = 0
    writes: float = 0
    events: float = 0
    calls: dict[str, float] = {}
    memory_mb: float | None = None

    def plus(self, other: Work) -> Work:
        """Both together."""
        peaks = [peak for peak in (self.memory_mb, other.memory_mb) if peak is not None]
        return Work(
            invocations=self.invocations + other.invocations,
            milliseconds=self.milliseconds + other.milliseconds,
            reads=self.reads + other.reads,
            writes=self.writes + other.writes,
            events=self.events + other.events,
            calls={
                name: self.calls.get(name, 0) + other.calls.get(name, 0)
                for name in sorted(self.calls.keys() | other.calls.keys())
            },
            memory_mb=max(peaks) if peaks else None,
        )

    def times(self, factor: float) -> Work:
        """So many times as much; a negative factor with `plus` takes away."""
        return Work(
            invocations=self.invocations * factor,
            milliseconds=self.milliseconds * factor,
            reads=self.reads * factor,
            writes=self.writes * factor,
            events=self.events * factor,
            calls={name: count * factor for name, count in self.calls.items()},
            memory_mb=self.memory_mb,
        )

    @property
    def is_something(self) -> bool:
        """Whether any figure is not nought."""
        return any((self.invocations, self.reads, self.writes, self.events, *self.calls.values()))

    def at_least_nothing(self) -> Work:
        """The same with every figure below nought raised to it."""
        return Work(
            invocations=max(self.invocations, 0),
            milliseconds=max(self.milliseconds, 0),
            reads=max(self.reads, 0),
            writes=max(self.writes, 0),
            events=max(self.events, 0),
            calls={name: max(count, 0) for name, count in self.calls.items()},
            memory_mb=self.memory_mb,
        )


Done = Mapping[str, Work]  # by the function's logical id


def together(parts: Iterable[Done]) -> dict[str, Work]:
    """The sum of several, by function."""
    total: dict[str, Work] = {}
    for part in parts:
        for name, work in part.items():
            total[name] = total[name].plus(work) if name in total else work
    return total


def scaled(done: Done, factor: float) -> dict[str, Work]:
    """Each function's work so many times."""
    return {name: work.times(factor) for name, work in done.items()}


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a run: what each function did, the bytes it logged, and how often the thing happened."""

    times: float
    log_bytes: float
    done: dict[str, Work]

    def each(self) -> Stretch:
        """One of its times."""
        share = 1 / self.times
        return Stretch(times=1, log_bytes=self.log_bytes * share, done=scaled(self.done, share))


class RunStretch(msgspec.Struct, frozen=True, kw_only=True):
    """Runs of so many symbols, each with a tick of sync before and all that its orders led to.

    `orders` came of all of them; `kept_bytes` is what each left in Runs.
    """

    symbols: int
    shards: int
    orders: int
    kept_bytes: float
    stretch: Stretch


class Measurements(msgspec.Struct, frozen=True, kw_only=True):
    """All that `alpaquero cost --meter` measured, on one day, on one machine."""

    taken_on: date
    where: str
    ticks: dict[str, Stretch]
    runs: list[RunStretch]
    page: Stretch

    @classmethod
    def load(cls) -> Measurements:
        """Those in the repository."""
        return msgspec.json.decode(MEASUREMENTS.read_bytes(), type=cls)

    def keep(self) -> None:
        """Write them where `load` finds them."""
        MEASUREMENTS.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")
