"""What a day costs is quantity times list price, and nothing for what nobody counted."""

from __future__ import annotations

from decimal import Decimal

from alpaquero.monitoring.costs import COUNTED, LARGER_MB, MEMORY_MB, cost_of, memory_mb
from alpaquero.monitoring.prices import PRICES, price_of
from laptop.template import defaulted, functions, template


def test_the_memory_billed_is_the_template_s() -> None:
    """A function that is given more memory must be named here."""
    shared = defaulted(template()["Globals"]["Function"]["MemorySize"])
    given = {
        name: defaulted(properties.get("MemorySize", shared)) for name, properties in functions().items()
    }
    larger = {name: memory for name, memory in given.items() if memory != shared}
    assert (shared, larger) == (MEMORY_MB, dict(LARGER_MB))
    assert memory_mb("AnalyticsBacktest") > memory_mb("TradingSync")


def test_a_line_is_quantity_times_price() -> None:
    """A million invocations cost 20 cents, 400,000 GB-seconds $6.67; what is not counted has no price."""
    lines = {line.price.what: line for line in cost_of({"lambda_requests": 1e6, "lambda_compute": 400_000})}
    assert lines["lambda_requests"].usd == Decimal("0.2")
    assert lines["lambda_compute"].usd == Decimal("6.66668")
    assert (lines["log_bytes"].quantity, lines["log_bytes"].usd) == (None, None)


def test_every_price_says_where_it_is_from() -> None:
    """Each names AWS's own page and where it was seen, dated only by that page; none is there twice."""
    assert all(price.source.startswith("https://aws.amazon.com/") for price in PRICES)
    assert all(price.seen for price in PRICES)
    assert not [price.what for price in PRICES if price.priced_on and "second hand" in price.seen]
    assert len({price.what for price in PRICES}) == len(PRICES)
    assert all(price_of(what).what == what for what in COUNTED)


def test_a_request_to_a_fifo_queue_costs_more() -> None:
    """A million to the queue of orders cost ten cents more than to any other."""
    lines = {line.price.what: line.usd for line in cost_of({"sqs_requests": 1e6, "sqs_fifo_requests": 1e6})}
    assert (lines["sqs_requests"], lines["sqs_fifo_requests"]) == (Decimal("0.4"), Decimal("0.5"))
