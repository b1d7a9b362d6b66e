"""A glance at an intent never lets through what one of the rules refuses."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from alpaquero.orders.intent import Intent, Purpose, TimeInForce
from alpaquero.orders.kinds import Side
from alpaquero.risk import glance, rules
from alpaquero.risk.activity import Activity
from alpaquero.risk.book import Lock, RiskBook, TradingState
from alpaquero.risk.facts import Facts, MarketPrice, OpenOrder
from alpaquero.risk.limits import Blackout, RiskLimits, SizingMethod
from alpaquero.risk.rules import assess
from tests.unit.orders.builders import NOON, an_exit, an_intent
from tests.unit.risk.builders import SESSIONS, a_book, entry, held, leaving

D = Decimal
CLOSED = NOON.replace(hour=20, minute=30)  # half an hour after Monday's close
SYMBOLS = "ABCD"
DRAWS = 1000
# What a glance at what these draws hold cannot show: no prices, quotes or terms of the intent's own.
NOT_DRAWN = {"market_clock", "request_age", "intraday_margin", "sector_limit", "direction", "tradable"}


def a_draw(draw: random.Random) -> tuple[Intent, RiskBook, RiskLimits, Facts]:
    """What a backtest asks, with a thing or two out of the ordinary."""
    odd = Counter(draw.choices(range(24), k=draw.choice([0, 1, 1, 2])))
    price = D(draw.randrange(90, 40_000)) / 100 if not odd[0] else D(draw.choice(["0.8", "1.02", "100000"]))
    symbol, cash = draw.choice(SYMBOLS), D(draw.randrange(20_000, 100_000))
    positions = {
        one: held(str(draw.randrange(1, 50)), str(draw.randrange(100, 3_000)))
        for one in SYMBOLS
        if draw.random() < 0.2
    }
    equity = cash + sum((position.market_value for position in positions.values()), D(0))
    if odd[1]:
        cash = D(draw.randrange(0, 300))
    reserved = {f"order {one}": entry(one, "900") for one in SYMBOLS if draw.random() < 0.1}
    if odd[2]:
        reserved["exit"] = leaving(symbol, str(draw.randrange(1, 60)))
    ago = [CLOSED - timedelta(hours=draw.randrange(1, 60)) for _ in range(draw.choice([0, 2, 5]))]
    book = a_book(
        cash=cash,
        equity=equity,
        as_of=CLOSED,
        day="2012-07-02",
        peak_equity=equity * D(draw.choice(["1.17", "1.1765", "1.18", "1.1"])) if odd[3] else equity,
        day_start_equity=equity * D(draw.choice(["1.05", "1.0526316", "1.06"])) if odd[4] else equity,
        positions=positions,
        reservations=reserved,
        buying_power=cash * draw.choice([1, 2]) if not odd[5] else D(1),
        recent_orders=(CLOSED,) * draw.choice([29, 30, 31]) if odd[6] else (),
        trading_state=draw.choice(list(TradingState)) if odd[7] else TradingState.ACTIVE,
        locks={"daily_loss": Lock(state=TradingState.REDUCING, since=CLOSED, reason="")} if odd[8] else {},
        activity=Activity(
            loss_streak=draw.choice([5, 6, 7]) if odd[9] else 0,
            last_loss_at=CLOSED - timedelta(hours=draw.choice([2, 30])),
            stop_exits=tuple(sorted(ago)),
            last_exit_at={symbol: CLOSED - timedelta(minutes=draw.choice([59, 60, 61]))} if odd[10] else {},
        ),
    )
    limits = RiskLimits(
        sizing_method=draw.choice(list(SizingMethod)),
        one_position_per_symbol=draw.random() < 0.8,
        allow_entries_while_closed=not odd[11],
        session_open_delay_minutes=10 if odd[12] else 0,
        blackouts=(Blackout(symbol=draw.choice([symbol, "X"]), start=NOON, end=CLOSED),) if odd[13] else (),
        locked_symbols=(draw.choice([symbol, "X"]),) if odd[14] else (),
        open_positions_limit=1 if odd[15] else 1000,
        order_notional_limit_dollars=D(draw.randrange(50, 500)) if odd[16] else D(100_000),
        total_exposure_limit_percent=D(draw.randrange(1, 20)) if odd[17] else D(95),
        leverage_limit=D("0.05") if odd[23] else D(1),
        price_age_limit_minutes=draw.choice([29, 30]) if odd[18] else 60,
        symbol_cooldown_minutes=60,
    )
    market = MarketPrice(NOON.replace(hour=20) if not odd[18] else NOON, last=price)
    if odd[19]:
        market = replace(market, last=price * D(draw.choice(["1.04", "1.06"])))
    facts = Facts(
        now=CLOSED,
        price=price,
        market=market if draw.random() < 0.98 else None,
        sessions=SESSIONS if not odd[20] else SESSIONS[:1],
        open_orders=(OpenOrder("x", symbol, Side.SELL),) if odd[21] else (),
        average_true_range=price / draw.randrange(5, 90) if draw.random() < 0.9 else None,
    )
    make = an_exit if draw.random() < 0.25 else an_intent
    terms: dict[str, Any] = (
        {"valid_until": CLOSED - timedelta(seconds=draw.choice([-1, 0, 1]))} if odd[22] else {}
    )
    if draw.random() < 0.05:
        terms["time_in_force"] = TimeInForce.DAY
    if draw.random() < 0.05:
        terms["quantity"] = D(draw.randrange(1, 300))
    return make(symbol=symbol, reference_price=price, **terms), book, limits, facts


def test_a_verdict_without_words_is_the_verdict() -> None:
    """Approval, size, prices, reserve, bound and the rules that failed are those of asking every rule."""
    draw, approved, refused = random.Random(7), 0, Counter[str]()
    for _ in range(DRAWS):
        asked = a_draw(draw)
        full, short = assess(*asked), assess(*asked, failed_only=True)
        assert replace(full, results=full.failed) == short
        approved += short.approved
        refused.update(result.code for result in short.failed)
    assert DRAWS * 0.2 < approved < DRAWS * 0.8
    assert glance.ANSWERED - refused.keys() <= NOT_DRAWN


def test_a_glance_answers_for_rules_that_there_are() -> None:
    """A rule that is renamed or taken out is taken out here; a new one is asked until it is taken in."""
    assert {rule.code for rule in rules.RULES} >= glance.ANSWERED


def test_most_of_a_backtest_is_seen_at_a_glance() -> None:
    """An ordinary entry and an ordinary exit pass without a rule being asked."""
    facts = Facts(
        now=CLOSED,
        price=D(50),
        market=MarketPrice(NOON.replace(hour=20), last=D(50)),
        sessions=SESSIONS,
    )
    facts = replace(facts, market=MarketPrice(NOON.replace(hour=20), last=facts.price))
    book = a_book(
        as_of=CLOSED, day="2012-07-02", day_start_equity=D(100_000), positions={"B": held("5", "9")}
    )
    buys = rules._proposal(an_intent(symbol="A", reference_price=facts.price), book, RiskLimits(), facts)
    sells = rules._proposal(an_exit(symbol="B"), book, RiskLimits(), Facts(now=CLOSED))
    assert (buys.intent.purpose, sells.intent.purpose) == (Purpose.ENTRY, Purpose.EXIT)
    assert glance.in_doubt(buys) == glance.in_doubt(sells) == glance.NONE


def test_after_losses_the_rules_about_losses_alone_are_asked() -> None:
    """What else a glance answers for is answered: a verdict after six losses asks four rules, not all."""
    facts = Facts(now=CLOSED, price=D(50), sessions=SESSIONS)
    facts = replace(facts, market=MarketPrice(NOON.replace(hour=20), last=facts.price))
    book = a_book(as_of=CLOSED, day="2012-07-02", day_start_equity=D(100_000))
    book = replace(book, activity=Activity(loss_streak=6, last_loss_at=CLOSED - timedelta(hours=30)))
    intent = an_intent(symbol="A", reference_price=facts.price)
    doubt = glance.in_doubt(rules._proposal(intent, book, RiskLimits(), facts))
    assert doubt == {"daily_loss", "drawdown", "loss_streak", "stop_guard"} <= glance.ANSWERED
    assert assess(intent, book, RiskLimits(), facts, failed_only=True).approved
