"""The returns that Monte Carlo draws from, out of a backtest's outcome or its file."""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path

import msgspec

from alpaquero.backtests.monte_carlo import Method
from alpaquero.backtests.outcome import Outcome, decoded
from alpaquero.portfolio.curve import returns
from alpaquero.prices.sessions import NEW_YORK
from laptop.errors import LaptopError


def returns_of(outcome: Outcome, method: Method) -> list[float]:
    """Returns on equity: one a session, or one a trade in the order they closed.

    A trade's return is its gain over the equity at the end of the session before it was opened.
    """
    curve = outcome.equity
    if method is Method.SESSIONS:
        return returns([float(outcome.asked.cash), *curve.equity])
    found = []
    for trade in sorted(outcome.round_trips, key=lambda row: row.closed_at):
        place = bisect_right(curve.days, trade.opened_at.astimezone(NEW_YORK).date()) - 2
        equity = curve.equity[place] if place >= 0 else float(outcome.asked.cash)
        found.append(float(trade.pnl) / equity)
    return found


def read_result(path: Path) -> Outcome:
    """The outcome in a result file. Raises `LaptopError` for a file that holds none."""
    try:
        return decoded(path.read_bytes())
    except (msgspec.DecodeError, OSError) as error:
        raise LaptopError(
            f"{path} holds no result of a backtest ({error}); write one with `alpaquero backtest --out DIR`"
        ) from error
