"""What ``alpaquero demo`` is asked for; ``laptop.cli.demo`` parses it and ``laptop.demo.run`` obeys it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Literal

from laptop.layout import DEFAULT_STATE


@dataclass(frozen=True)
class DemoOptions:
    """The options of the demo, checked.

    Attributes
    ----------
    sessions
        How many sessions to trade: the last ones of the data, unless ``start`` says otherwise.
    start
        The first session, or None.
    symbols
        The watchlist, or None for every symbol of the data.
    data
        A folder of ``SYMBOL.csv`` files, or None for the shipped prices.
    synthetic
        So many made-up symbols instead of real prices, or None.
    watchlist
        The first so many symbols of the data as the watchlist, or None for ``symbols``.
    seed
        Fixes account ids and random draws.
    partial_fills
        The share of orders filled in two, 0 to 1.
    faults
        How much trouble the exchange makes.
    kill_at
        After this session every process is ended by SIGKILL, or None.
    resume
        Go on from the last checkpoint of a killed demo.
    state
        The private stack's folder.
    """

    sessions: int = 250
    start: date | None = None
    symbols: tuple[str, ...] | None = None
    data: Path | None = None
    synthetic: int | None = None
    watchlist: int | Literal["all"] | None = None
    seed: int = 1
    partial_fills: Decimal = Decimal(0)
    faults: Literal["none", "light", "heavy"] = "none"
    kill_at: int | None = None
    resume: bool = False
    state: Path = DEFAULT_STATE / "demo"
