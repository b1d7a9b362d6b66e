"""The equity folded from fills and splits is what the book recorded, whatever was traded."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alpaquero.simulation import MatchingTerms
from laptop.exchange.equity import equity_at
from laptop.exchange.errors import RefusedError
from laptop.exchange.history import folder_history
from laptop.exchange.opening import open_venue
from laptop.exchange.terms import OrderRequest
from laptop.exchange.venue import Venue

DAYS = ["2012-11-19", "2012-11-20", "2012-11-21", "2012-11-23", "2012-11-26", "2012-11-27"]
# FORWARD splits 3:1, ODD 2:1 and again 3:1, three shares of BACK become one; closes differ from opens.
CLOSES = {
    "STILL": [100, 104, 97, 101, 99, 103],
    "FORWARD": [90, 96, 93, 31, 33, 30],
    "ODD": [120, 118, 60, 61, 20, 21],
    "BACK": [10, 11, 10, 31, 30, 29],
}
SPLITS = "FORWARD,2012-11-23,3,1\nODD,2012-11-21,2,1\nODD,2012-11-26,3,1\nBACK,2012-11-23,1,3\n"
ORDERS = st.lists(
    st.tuples(
        st.sampled_from(sorted(CLOSES)),
        st.sampled_from(["buy", "sell"]),
        st.sampled_from(["1", "7", "30", "2.5"]),
    ),
    max_size=3,
)


def written(folder: Path) -> Path:
    """The made prices as CSV files: each day opens at the close before, split-adjusted or not."""
    folder.mkdir()
    for symbol, closes in CLOSES.items():
        rows = [
            f"{day},{close - 1},{close + 2},{close - 2},{close},9000"
            for day, close in zip(DAYS, closes, strict=True)
        ]
        (folder / f"{symbol}.csv").write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]))
    (folder / "splits.csv").write_text(f"symbol,ex_date,new_shares,old_shares\n{SPLITS}")
    return folder


def traded(venue: Venue, days: list[list[tuple[str, str, str]]]) -> None:
    """Place the orders of each day, as far as they are taken, and trade the day."""
    for orders in days:
        for symbol, side, quantity in orders:
            with suppress(RefusedError):
                venue.place_order(
                    OrderRequest(
                        symbol=symbol, side=side, qty=Decimal(quantity), type="market", time_in_force="day"
                    )
                )
        venue.step()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ORDERS, min_size=5, max_size=5))
def test_equity_folded_again_meets_the_equity_recorded_at_every_close(
    days: list[list[tuple[str, str, str]]],
) -> None:
    """Long and short, whole and broken shares, across splits: the same at each session's close."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        history = folder_history(written(folder / "data"))
        terms = MatchingTerms(1, Decimal(1), 0.0)
        venue = open_venue(history, folder / "state", terms, first=date.fromisoformat(DAYS[1]))
        try:
            traded(venue, days)
            closes = [session.close for session in venue.sessions]
            recorded = [closing.equity for closing in venue.book.closings]
            assert recorded == list(equity_at(venue.book, venue.market, closes))
        finally:
            venue.close()
