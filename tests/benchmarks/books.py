"""What another fill of a symbol costs the projections, after ten fills and after ten thousand.

Units are DynamoDB's (`laptop.meter`), of what `position/project` and `analytics/project` ask one in memory.
Beside a fill at the end is one told later than the newest, for which all facts of the symbol are read again;
it comes before all others and turns every round trip into another, the worst it can do.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from unittest.mock import patch

from alpaquero.events.bus import encoded
from alpaquero.events.schemas import OrderFilled
from alpaquero.store.tables import to_body
from laptop.meter import item_bytes, units
from tests.benchmarks.rows import Goal, Row
from tests.faults.memory_aws import MemoryAws

AFTER: Final = (10, 1_000, 10_000)
MORE: Final = 10  # fills that are measured: five round trips
_BEGIN: Final = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
_TABLES: Final = ("positions", "analytics")
Json = Mapping[str, Any]


def measure() -> Iterator[Row]:
    """The rows of this part."""
    for fills in AFTER:
        with _functions(), MemoryAws().installed() as aws:
            _keep(aws, [_fill(number) for number in range(1, fills)])
            _take(_fill(fills))
            new = _units(aws, range(fills + 1, fills + MORE + 1))
            again = _units(aws, [fills + 1])
            largest = max(map(_weight, _items(aws)))
            late = _units(aws, [0])
        shown, peer = f"books, after {fills:,} fills", "one told late"
        goal = Goal(at_most=8) if fills == AFTER[-1] else None
        yield Row(f"{shown}, read units a fill", new["reads"], "units", peer, late["reads"], goal)
        yield Row(f"{shown}, write units a fill", new["writes"], "units", peer, late["writes"])
        yield Row(f"{shown}, read units a repeat", again["reads"], "units")
        yield Row(f"{shown}, largest item", largest / 1000, "KB")


@contextmanager
def _functions() -> Iterator[None]:
    """The environment of functions, which is not that of other parts."""
    with patch.dict(os.environ):
        from tests.conftest import CREDENTIALS

        os.environ.update(CREDENTIALS, LOG_LEVEL="WARNING")  # a line a fill is no progress
        yield


def _units(aws: MemoryAws, numbers: Sequence[int]) -> dict[str, float]:
    """The read and write units of taking these fills in both projections, a fill."""
    call, count = aws.database.call, {"reads": 0.0, "writes": 0.0}

    def counted(operation: str, request: Json) -> dict[str, Any]:
        answer = call(operation, request)
        asked, told = (json.dumps(_plain(part)).encode() for part in (request, answer))
        for name, number in zip(count, units(operation, asked, told), strict=True):
            count[name] += number / len(numbers)
        return answer

    with patch.object(aws.database, "call", counted):
        for number in numbers:
            _take(_fill(number))
    return count


def _items(aws: MemoryAws) -> Iterator[Json]:
    for name in _TABLES:
        for rows in aws.database.tables[name].items.values():
            yield from rows.values()


def _weight(item: Json) -> int:
    return item_bytes(_plain(item))


def _keep(aws: MemoryAws, fills: Sequence[OrderFilled]) -> None:
    """Puts fills beside what they add up to, which the next one finds missing."""
    for name in _TABLES:
        for fill in fills:
            key = {"pk": {"S": f"paper#{fill.symbol}"}, "sk": {"S": f"FILL#{fill.fill_id}"}}
            aws.database.tables[name].put(key | {"body": {"S": to_body(fill)}})


def _take(fill: OrderFilled) -> None:
    for handler in _handlers():
        failed = handler({"Records": [{"messageId": "1", "body": _delivered(fill)}]}, None)[
            "batchItemFailures"
        ]
        if failed:
            raise RuntimeError("a fill was not taken; the function's log says why")


def _handlers() -> tuple[Callable[[dict[str, Any], object], dict[str, Any]], ...]:
    from functions.analytics import project as trades
    from functions.position import project as positions

    return positions.handler, trades.handler


def _delivered(fill: OrderFilled) -> str:
    event = encoded(fill, "trading")
    return json.dumps({"detail-type": event.name, "source": event.source, "detail": json.loads(event.detail)})


def _fill(number: int) -> OrderFilled:
    """Bought and sold in turn, a minute after the one before, as an order of ours is told; 0 is the first."""
    at = _BEGIN + timedelta(minutes=number)
    side = "buy" if number % 2 else "sell"
    return OrderFilled(
        id=f"fill:{at:%Y%m%d%H%M%S}000::{number:036d}",
        occurred_at=at,
        account="paper",
        correlation_id=f"run-{at:%Y%m%d%H%M}-1Min",
        causation_id=f"order:aq1-sig-AAPL-{number:020d}-0",
        fill_id=f"{at:%Y%m%d%H%M%S}000::{number:036d}",
        client_order_id=f"aq1-sig-AAPL-{number:020d}-0",
        symbol="AAPL",
        side=side,
        purpose="entry",
        role=None,
        quantity=Decimal(10),
        price=Decimal(20_000 + number % 97) / 100,
        reason="the fast average crossed the slow one",
        strategy="crossover",
        arrival_price=Decimal(20_000 + number % 89) / 100,
    )


def _plain(value: Any) -> Any:
    """An item with bytes as they are sent."""
    if isinstance(value, Mapping):
        return {name: _plain(held) for name, held in value.items()}
    if isinstance(value, list):
        return [_plain(held) for held in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
