"""What a day costs, from what was counted and list prices; used by the health monitor's usage route.

List prices of us-east-1 in dollars, before free tiers and discounts; `priced_on` is the date of the copy
of its source that the figure was held against, None for one that was not checked yet. A quantity that
nobody counted has no price: it is None, never nought.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

MEMORY_MB = 512  # of a function, unless it is named here; held against the template by a test
LARGER_MB: Mapping[str, int] = {"AnalyticsBacktest": 1769}


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Dollars for `per` units of `what`, and where that is written."""

    what: str
    unit: str
    usd: Decimal
    per: int
    source: str
    priced_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One line of the bill; `quantity` and `usd` are None when nobody counted."""

    price: Price
    quantity: float | None
    usd: Decimal | None


_READ_ON = date(2025, 5, 9)  # copies of the pages; hold them against the live ones before you lean on them
_MILLION = 1_000_000
PRICES = (
    Price(
        what="lambda_requests",
        unit="invocations",
        usd=Decimal("0.20"),
        per=_MILLION,
        source="https://aws.amazon.com/lambda/pricing/",
        priced_on=_READ_ON,
    ),
    Price(
        what="lambda_compute",
        unit="GB-seconds, x86",
        usd=Decimal("16.6667"),
        per=_MILLION,
        source="https://aws.amazon.com/lambda/pricing/",
        priced_on=_READ_ON,
    ),
    Price(
        what="dynamodb_reads",
        unit="read request units",
        usd=Decimal("0.125"),
        per=_MILLION,
        source="https://aws.amazon.com/dynamodb/pricing/on-demand/",
        priced_on=_READ_ON,
    ),
    Price(
        what="dynamodb_writes",
        unit="write request units",
        usd=Decimal("0.625"),
        per=_MILLION,
        source="https://aws.amazon.com/dynamodb/pricing/on-demand/",
        priced_on=_READ_ON,
    ),
    Price(
        what="sqs_requests",
        unit="messages sent, received and deleted, and empty receives; a batch counts as its messages",
        usd=Decimal("0.40"),
        per=_MILLION,
        source="https://aws.amazon.com/sqs/pricing/",
        priced_on=None,
    ),
    Price(
        what="log_bytes",
        unit="bytes taken in",
        usd=Decimal("0.50"),
        per=1_000_000_000,
        source="https://aws.amazon.com/cloudwatch/pricing/",
        priced_on=None,
    ),
    Price(
        what="metrics_read",
        unit="metrics read by the health monitor",
        usd=Decimal("0.01"),
        per=1_000,
        source="https://aws.amazon.com/cloudwatch/pricing/",
        priced_on=None,
    ),
)


def memory_mb(function: str) -> int:
    """The memory that the function of this logical id is billed for."""
    return LARGER_MB.get(function, MEMORY_MB)


def cost_of(quantities: Mapping[str, float | None]) -> list[Cost]:
    """A line for each price.

    >>> lines = cost_of({"lambda_requests": 2_000_000.0})
    >>> [(line.price.what, line.usd) for line in lines[:2]]
    [('lambda_requests', Decimal('0.400000')), ('lambda_compute', None)]
    """
    return [
        Cost(price=price, quantity=quantities.get(price.what), usd=_usd(price, quantities.get(price.what)))
        for price in PRICES
    ]


def _usd(price: Price, quantity: float | None) -> Decimal | None:
    if quantity is None:
        return None
    return (Decimal(str(quantity)) * price.usd / price.per).quantize(Decimal("0.000001"))
