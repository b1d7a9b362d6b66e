"""A made-up universe of any number of symbols whose days resemble real ones, for load work.

`--synthetic N` asks for it. A symbol's days are drawn from the days of the shipped history by the
stationary block bootstrap (Politis and Romano, The Stationary Bootstrap, JASA 89, 1994): runs of
successive days, of 20 on average, so that quiet and stormy weeks stay together. A day is taken over
whole: the gap from the close before, high, low and close against the open, and volume against its own
usual. Every draw follows from seed and symbol, so a symbol has the same prices whatever is asked first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import overload

import numpy as np
from numpy.typing import NDArray

from alpaquero.prices import Bar, bar_start
from laptop.exchange.errors import ExchangeError
from laptop.exchange.history import History, SymbolHistory

LARGEST_UNIVERSE = 9999
_MEAN_BLOCK = 20
_FIRST_PRICE = (15.0, 250.0)
_USUAL_VOLUME = (2e5, 2e7)
_PLACES = 10_000  # prices are kept as ten-thousandths of a dollar
_CENT = 100
_LEAST, _MOST = 1_000, 2_000_000_000
_MOST_VOLUME = 2_000_000_000
_VOLUME_WINDOW = 63  # sessions: a quarter
_CHUNK = 512  # sessions
_LAST_MADE = 8  # symbols
_KEPT_CHUNKS = 16_384  # some 160 MB

Floats = NDArray[np.float64]
Whole = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class _Days:
    """Real days as ratios: open to the close before; high, low, close to the open; volume to its usual."""

    gap: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats


class _Universe:
    """Makes a symbol's columns when they are first looked at; keeps the stretches used last."""

    def __init__(self, days: _Days, seed: int, sessions: int) -> None:
        self._days, self._seed, self._sessions = days, seed, sessions
        self._chunk = lru_cache(maxsize=_KEPT_CHUNKS)(self._made_chunk)
        self._whole = lru_cache(maxsize=_LAST_MADE)(self._columns)

    def columns(self, symbol: str, first: int, last: int) -> Whole:
        """The columns of the sessions from `first` to before `last`."""
        chunks = range(first // _CHUNK, max(-(-last // _CHUNK), first // _CHUNK + 1))
        parts = [self._chunk(symbol, chunk) for chunk in chunks]
        begin = chunks.start * _CHUNK
        return np.hstack(parts)[:, first - begin : last - begin]

    def _made_chunk(self, symbol: str, chunk: int) -> Whole:
        return self._whole(symbol)[:, chunk * _CHUNK : (chunk + 1) * _CHUNK].copy()

    def _columns(self, symbol: str) -> Whole:
        """Open, high, low, close (in ten-thousandths) and volume as rows, a column a session."""
        digest = sha256(f"{self._seed}/synthetic/{symbol}".encode()).digest()
        draws = np.random.Generator(np.random.PCG64(int.from_bytes(digest)))
        first = np.exp(draws.uniform(*np.log(_FIRST_PRICE)))
        usual = np.exp(draws.uniform(*np.log(_USUAL_VOLUME)))
        chosen, days = self._blocks(draws), self._days
        closes = first * np.cumprod(days.gap[chosen] * days.close[chosen])
        opens = closes / days.close[chosen]
        prices = np.stack([opens, opens * days.high[chosen], opens * days.low[chosen], closes])
        volume = np.minimum(usual * days.volume[chosen], _MOST_VOLUME)
        return np.vstack([_on_steps(prices), volume.astype(np.int32)])

    def _blocks(self, draws: np.random.Generator) -> NDArray[np.int64]:
        """Which real day each session takes: on from the day before, or a jump."""
        real, place = len(self._days.gap), np.arange(self._sessions)
        jumps = draws.random(self._sessions) < 1 / _MEAN_BLOCK
        jumps[0] = True
        targets = draws.integers(real, size=self._sessions)
        since = np.maximum.accumulate(np.where(jumps, place, 0))
        return (targets[since] + place - since) % real


def _on_steps(prices: Floats) -> Whole:
    """Ten-thousandths on the price step: a cent from one dollar on. Order is kept, so a bar stays one."""
    fine = np.clip(np.rint(prices * _PLACES), _LEAST, _MOST)
    whole = np.where(fine >= _PLACES, np.rint(fine / _CENT) * _CENT, fine)
    return whole.astype(np.int32)


class _Bars(Sequence[Bar]):
    """The daily bars of a symbol, each made when it is asked for."""

    def __init__(self, universe: _Universe, symbol: str, history: History) -> None:
        self._universe, self._symbol, self._sessions = universe, symbol, history.sessions
        self._last: tuple[int, Bar] | None = None

    def __len__(self) -> int:
        """How many sessions there are."""
        return len(self._sessions)

    @overload
    def __getitem__(self, place: int) -> Bar: ...
    @overload
    def __getitem__(self, place: slice) -> list[Bar]: ...
    def __getitem__(self, place: int | slice) -> Bar | list[Bar]:
        """A bar, or the bars of a slice."""
        if isinstance(place, int):
            # The bar of the open session is asked for with every price of it.
            if self._last is None or self._last[0] != place:
                self._last = place, self[place : place + 1 or None][0]
            return self._last[1]
        first, last, step = place.indices(len(self))
        if step != 1:
            return [self[index] for index in range(first, last, step)]
        columns = self._universe.columns(self._symbol, first, max(first, last))
        opens, highs, lows, closes = (columns[:-1] / _PLACES).tolist()
        rows = zip(self._sessions[first:last], opens, highs, lows, closes, columns[-1].tolist(), strict=True)
        return [Bar(bar_start(session), o, h, low, c, v) for session, o, h, low, c, v in rows]


def synthetic_history(real: History, count: int, seed: int) -> History:
    """`count` symbols SYN0001 and on, made from the days of `real`, over the same sessions.

    Raises ExchangeError when `count` is not from 1 to 9999.
    """
    if not 1 <= count <= LARGEST_UNIVERSE:
        raise ExchangeError(f"--synthetic {count}: give a number of symbols from 1 to {LARGEST_UNIVERSE}")
    universe = _Universe(_days(real), seed, len(real.sessions))
    dates = [session.date for session in real.sessions]
    names = [f"SYN{number:04}" for number in range(1, count + 1)]
    symbols = {
        name: SymbolHistory(name, dates, _Bars(universe, name, real), (), made_up=True) for name in names
    }
    fingerprint = sha256(f"synthetic/{count}/{seed}/{real.fingerprint}".encode()).hexdigest()
    return History(symbols, real.calendar, real.sessions, fingerprint)


def _days(real: History) -> _Days:
    """The days of all real symbols one after another, splits taken out."""
    parts = [_days_of(history) for history in real.symbols.values()]
    return _Days(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _days_of(history: SymbolHistory) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    opens, highs, lows, closes, volumes = np.array(
        [(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in history.bars]
    ).T
    gap = opens[1:] / closes[:-1]
    for split in history.splits:
        if (place := history.position(split.ex_date)) is not None and place:
            gap[place - 1] *= float(split.ratio)
            volumes[:place] *= float(split.ratio)
    windows = np.lib.stride_tricks.sliding_window_view(volumes, _VOLUME_WINDOW)
    usual = np.concatenate([np.full(_VOLUME_WINDOW - 1, np.median(windows[0])), np.median(windows, axis=1)])
    return gap, (highs / opens)[1:], (lows / opens)[1:], (closes / opens)[1:], (volumes / usual)[1:]
