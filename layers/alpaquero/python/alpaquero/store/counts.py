"""How many runs, orders and fills there are, counted on from the last count instead of anew.

The health monitor's probe keeps a count each minute in the Health table; its metrics go on from there,
so that neither reads the whole history. What is written late, before the newest that was counted, is
missed until the next day's first count, which begins at nought.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from alpaquero.monitoring.counts import Counts, Tally
from alpaquero.store import runs
from alpaquero.store.books import Books
from alpaquero.strategy.run import Run


def counted_on(
    account: str, before: Counts | None, today: date, newest: Mapping[str, Run] | None = None
) -> Counts:
    """The count of now: what came since `before`, or everything when that is of another day.

    `newest` are the newest runs by timeframe, for whoever has read them: a timeframe whose newest was
    counted already is not looked at again.
    """
    kept, books = before if before and before.day == today else Counts(day=today), Books(account)
    return Counts(
        day=today,
        orders=kept.orders.with_later(books.order_keys(kept.orders.newest)),
        fills=kept.fills.with_later(books.fill_ids(kept.fills.newest)),
        runs=kept.runs
        | {
            frame: tally
            if (tally := kept.runs.get(frame, Tally())).newest == run.id
            else tally.with_later(runs.ids(account, frame, after=tally.newest))
            for frame, run in (runs.newest_of_each(account) if newest is None else newest).items()
        },
    )
