"""The commands that travel by queue: what must happen, and who it is for.

`ShardQueue`, `ConcludeQueue` and `SyncQueue` carry one kind each; `OrderQueue` carries
`OrderCommand`, told apart by its `type` tag.
"""

from __future__ import annotations

import msgspec

from alpaquero.orders.intent import Intent


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
    """To `trading/sync`: bring the books level with the broker now."""

    reason: str
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


class ProtectPosition(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To `trading/execute`: put a stop under the shares of this holding that no stop covers.

    `episode` is the client order id of the entry that opened it. An entry that is filled in part
    ends there: its legs would wait for the rest.
    """

    symbol: str
    episode: str
    correlation_id: str


OrderCommand = PlaceOrder | ResumeOrder | CancelOrder | ProtectPosition
