"""What a day costs is quantity times list price, and nothing for what nobody counted."""

from __future__ import annotations

from decimal import Decimal

from alpaquero.monitoring.costs import LARGER_MB, MEMORY_MB, PRICES, cost_of, memory_mb
from laptop.template import functions, template


def test_the_memory_billed_is_the_template_s() -> None:
    """A function that is given more memory must be named here."""
    shared = template()["Globals"]["Function"]["MemorySize"]
    larger = {
        name: properties["MemorySize"]
        for name, properties in functions().items()
        if properties.get("MemorySize", shared) != shared
    }
    assert (shared, larger) == (MEMORY_MB, dict(LARGER_MB))
    assert memory_mb("AnalyticsBacktest") > memory_mb("TradingSync")


def test_a_line_is_quantity_times_price() -> None:
    """A million invocations cost 20 cents, 400,000 GB-seconds $6.67; what is not counted has no price."""
    lines = {line.price.what: line for line in cost_of({"lambda_requests": 1e6, "lambda_compute": 400_000})}
    assert lines["lambda_requests"].usd == Decimal("0.2")
    assert lines["lambda_compute"].usd == Decimal("6.66668")
    assert (lines["log_bytes"].quantity, lines["log_bytes"].usd) == (None, None)


def test_every_price_says_where_it_is_from() -> None:
    """Each names AWS's own page once, and no two price the same thing."""
    assert all(price.source.startswith("https://aws.amazon.com/") for price in PRICES)
    assert len({price.what for price in PRICES}) == len(PRICES)
