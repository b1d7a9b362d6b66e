"""What was counted times `prices.PRICES`; used by the health monitor's usage route and `alpaquero cost`.

A batch of messages counts as its messages here, since that is what CloudWatch counts; AWS bills a batch as
one request, so the queues' line is an upper bound. A quantity that nobody counted costs None, never nought.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from alpaquero.monitoring.prices import Price, price_of

# Held against the template by a test.
OF_THE_API = frozenset({"GatewayAuthorizer", "GatewayApi", "GatewaySocket"})
OF_BACKTESTS = frozenset({"AnalyticsBacktest"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """MB that functions are billed for: the template's WorkerMemory, ApiMemory and BacktestMemory."""

    worker: int = 512
    api: int = 512
    backtest: int = 1769

    def of(self, function: str) -> int:
        """Those of the function of this logical id.

        >>> memory = Memory(api=1024)
        >>> memory.of("TradingApi"), memory.of("TradingSync")
        (1024, 512)
        """
        if function in OF_BACKTESTS:
            return self.backtest
        return self.api if function in OF_THE_API or function.endswith("Api") else self.worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One line of the bill; `quantity` and `usd` are None when nobody counted."""

    price: Price
    quantity: float | None
    usd: Decimal | None


# What CloudWatch counts of a day, each with its price; the rest of a bill is estimated by `alpaquero cost`.
COUNTED = (
    "lambda_requests",
    "lambda_compute",
    "dynamodb_reads",
    "dynamodb_writes",
    "sqs_requests",
    "sqs_fifo_requests",
    "log_bytes",
    "metrics_read",
)


def cost_of(quantities: Mapping[str, float | None]) -> list[Cost]:
    """A line for each thing that CloudWatch counts.

    >>> lines = cost_of({"lambda_requests": 2_000_000.0})
    >>> [(line.price.what, line.usd) for line in lines[:2]]
    [('lambda_requests', Decimal('0.400000')), ('lambda_compute', None)]
    """
    return [cost_line(what, quantities.get(what)) for what in COUNTED]


def cost_line(what: str, quantity: float | None) -> Cost:
    """One thing at its list price, nothing of it free. Raises `KeyError` for what has no price."""
    price = price_of(what)
    usd = None
    if quantity is not None:
        usd = (Decimal(str(quantity)) * price.usd / price.per).quantize(Decimal("0.000001"))
    return Cost(price=price, quantity=quantity, usd=usd)
