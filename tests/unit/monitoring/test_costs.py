"""What a day costs is quantity times list price, and nothing for what nobody counted."""

from __future__ import annotations

from decimal import Decimal

from alpaquero.monitoring.costs import COUNTED, Memory, cost_of
from alpaquero.monitoring.prices import PRICES, price_of
from laptop.template import functions, template

PARAMETERS = {"WorkerMemory": 1, "ApiMemory": 2, "BacktestMemory": 3}


def test_each_function_is_billed_for_the_memory_that_the_template_gives_it() -> None:
    """Which of the three parameters a function has is known here, and what each is by default."""
    shared = template()["Globals"]["Function"]["MemorySize"]
    given = {
        name: PARAMETERS[properties.get("MemorySize", shared)["Ref"]]
        for name, properties in functions().items()
    }
    memory = Memory(worker=1, api=2, backtest=3)
    assert {name: memory.of(name) for name in given} == given
    defaults = [template()["Parameters"][name]["Default"] for name in PARAMETERS]
    assert Memory() == Memory(worker=defaults[0], api=defaults[1], backtest=defaults[2])


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
