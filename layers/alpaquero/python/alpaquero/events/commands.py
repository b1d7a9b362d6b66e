"""The commands that travel by queue: what must happen, and who it is for.

`ShardQueue`, `ConcludeQueue`, `SyncQueue` and `FeedQueue` carry one kind each; `OrderQueue` carries
`OrderCommand`, told apart by its `type` tag, `BacktestQueue` backtests and, with that tag, exports.
"""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from alpaquero.orders.intent import Intent
from alpaquero.orders.lifecycle import is_terminal
from alpaquero.orders.order import Order, OrderPurpose
from alpaquero.orders.replacement import Change


class EvaluateShard(msgspec.Struct, frozen=True, kw_only=True):
    """To `signal/evaluate`: judge these symbols for a run."""

    run_id: str
    shard: int
    symbols: tuple[str, ...]
    correlation_id: str


class ConcludeRun(msgspec.Struct, frozen=True, kw_only=True):
    """To `signal/conclude`: the shards have `reported`, or the `deadline` has passed."""

    run_id: str
    reason: str
    correlation_id: str


class SyncBooks(msgspec.Struct, frozen=True, kw_only=True):
    """To `trading/sync`: bring the books level with the broker now.

    The reason `rebuild` derives what is derived anew; `reconcile` holds the days from `first` to `last`
    (New York, all there are by default) against the broker's statement.
    """

    reason: str
    correlation_id: str
    first: date | None = None
    last: date | None = None


class FeedBeat(msgspec.Struct, frozen=True, kw_only=True):
    """To `market_data/feed`: poll the watched prices once, then send the next beat of the same life."""

    life: str
    beat: int


class IngestBars(msgspec.Struct, frozen=True, kw_only=True):
    """To `historical_data/ingest`: go on with the job; `begun` tells one beginning of it from the next."""

    id: str
    begun: str
    correlation_id: str


class RunBacktest(msgspec.Struct, frozen=True, kw_only=True):
    """To `analytics/backtest`: run the job with this id."""

    id: str
    correlation_id: str


class RunExport(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To `analytics/backtest`: write the file of the export with this id."""

    id: str
    correlation_id: str


class PlaceOrder(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To `trading/execute`: trade what the intent wants, if risk agrees."""

    intent: Intent


class ResumeOrder(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To `trading/execute`: go on with an order that was left half way (not sent, or an exit's next step)."""

    client_order_id: str
    correlation_id: str


class CancelOrder(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To `trading/execute`: cancel an order at the broker, because `requested_by` said so."""

    client_order_id: str
    requested_by: str
    correlation_id: str


class CancelOrders(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To `trading/execute`: cancel what is open, of one symbol or of all.

    Stops and targets of positions stay unless `protection`.
    """

    requested_by: str
    correlation_id: str
    symbol: str | None = None
    protection: bool = False


class ReplaceOrder(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To `trading/execute`: put a changed order in the place of an open one.

    An order is replaced once: the same change again is the same request, another one is refused.
    `asked_at` is wall time; a change that waited too long is refused.
    """

    client_order_id: str
    change: Change
    requested_by: str
    correlation_id: str
    reason: str = ""
    asked_at: datetime | None = None


class ProtectPosition(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To `trading/execute`: put a stop under the shares of this holding that no stop covers.

    `episode` is the client order id of the entry that opened it. An entry that is filled in part
    ends there: its legs would wait for the rest.
    """

    symbol: str
    episode: str
    correlation_id: str


OrderCommand = PlaceOrder | ResumeOrder | CancelOrder | CancelOrders | ReplaceOrder | ProtectPosition


def cancels(command: CancelOrders, order: Order) -> bool:
    """Whether the command means this order, which has something left to do."""
    protects = order.purpose in {OrderPurpose.LEG, OrderPurpose.PROTECTION}
    return (
        command.symbol in {None, order.symbol}
        and not is_terminal(order.status)
        and (command.protection or not protects)
    )
