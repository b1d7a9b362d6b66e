"""What risk and sizing answer on fixed inputs belongs to a version of the rules."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256

from alpaquero.orders.intent import Purpose
from alpaquero.orders.kinds import Side
from alpaquero.risk.book import RiskBook
from alpaquero.risk.limits import RiskLimits, SizingMethod
from alpaquero.risk.rules import assess
from alpaquero.rules_version import RULES_VERSION
from tests.unit.orders.builders import an_intent, at
from tests.unit.risk.builders import a_book, entry, held, some_facts

VERSION = 3
OUTCOMES = "2d110a9b5aa90af3"
SYMBOLS = "ABCD"


def drawn_book(draw: random.Random) -> RiskBook:
    """A book between empty and full, in a drawdown or not."""
    cash = Decimal(draw.randrange(0, 100_000))
    positions = {symbol: held(str(draw.randrange(1, 200)), str(draw.randrange(100, 20_000)))
                 for symbol in SYMBOLS if draw.random() < 0.4}  # fmt: skip
    equity = cash + sum((position.market_value for position in positions.values()), Decimal(0))
    entries = {f"order {symbol}": entry(symbol, str(draw.randrange(100, 9000)))
               for symbol in SYMBOLS if draw.random() < 0.2}  # fmt: skip
    return a_book(
        cash=cash,
        equity=equity,
        peak_equity=equity * Decimal(draw.choice(["1", "1.05", "1.2"])),
        positions=positions,
        reservations=entries,
        buying_power=cash * draw.choice([1, 2]),
    )


def answer(draw: random.Random) -> str:
    """A drawn entry or exit, and what the rules say to it, without their wording."""
    symbol, price = draw.choice(SYMBOLS), Decimal(draw.randrange(100, 40_000)) / 100
    leaves = draw.random() < 0.3
    intent = an_intent(
        symbol=symbol,
        side=Side.SELL if leaves else Side.BUY,
        purpose=Purpose.EXIT if leaves else Purpose.ENTRY,
        quantity=draw.choice([None, Decimal(draw.randrange(1, 300))]),
        reference_price=price,
    )
    facts = some_facts(now=at(draw.choice([0, 1, 30, 600])), average_true_range=price / draw.randrange(5, 90))
    quoted = replace(facts.market, at=facts.now, bid=price, ask=price) if facts.market else None
    limits = RiskLimits(
        sizing_method=draw.choice(list(SizingMethod)),
        sectors={"A": "energy", "B": "energy"},
        one_position_per_symbol=draw.random() < 0.5,
    )
    said = assess(intent, drawn_book(draw), limits, replace(facts, market=quoted))
    failed = sorted(result.code for result in said.failed)
    figures = (said.quantity, said.stop_loss_price, said.take_profit_price, said.reserve_notional)
    return f"{said.approved} {failed} {[str(figure) for figure in figures]} {said.bound_by}"


def test_a_changed_verdict_raises_the_version() -> None:
    """Code and wording may change; approvals, sizes, prices and the rules that failed may not."""
    draw = random.Random(1)
    answers = [answer(draw) for _ in range(400)]
    digest = sha256("\n".join(answers).encode()).hexdigest()[:16]
    assert 50 < sum(said.startswith("True") for said in answers) < 350
    assert (VERSION, OUTCOMES) == (RULES_VERSION, digest), (
        "verdicts are different: if that is meant, raise RULES_VERSION in alpaquero/rules_version.py and put "
        f"VERSION and {digest!r} here; a replay of older verdicts then tells the versions apart"
    )
