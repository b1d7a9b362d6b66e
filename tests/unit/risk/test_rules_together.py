"""The rules together: whatever is asked in whatever order, approved orders never break a limit."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from alpaquero.orders.identity import manual_key
from alpaquero.orders.intent import Intent, OrderClass, OrderType, Purpose, Side
from alpaquero.risk import sizing
from alpaquero.risk.book import HeldPosition, Reservation, RiskBook
from alpaquero.risk.limits import RiskLimits, SizingMethod
from alpaquero.risk.rules import assess, reservation_for
from tests.unit.orders.builders import an_intent, at
from tests.unit.risk.builders import a_book, some_facts

SECTORS = {"A": "energy", "B": "energy", "C": "health"}
LIMITS = RiskLimits(
    sectors=SECTORS,
    one_position_per_symbol=False,
    one_open_entry_per_symbol=False,
    order_notional_limit_dollars=Decimal(9_000),
    orders_per_minute_limit=4,
)
ASKED = st.tuples(
    st.sampled_from(["A", "B", "C", "D"]),
    st.one_of(st.none(), st.integers(1, 400)),  # shares, None: sized
    st.decimals("1", "500", places=2),  # dollars a share
    st.integers(0, 40),  # seconds since the one before
    st.booleans(),  # whether it fills at once
)


def _intent(number: int, symbol: str, shares: int | None, price: Decimal) -> Intent:
    return an_intent(
        symbol=symbol,
        key=manual_key("paper", str(number)),
        quantity=None if shares is None else Decimal(shares),
        reference_price=price,
    )


def _filled(book: RiskBook, order: str, price: Decimal) -> RiskBook:
    """The book once the order filled at the price it was judged at."""
    reserved = book.reservations[order]
    cost, old = reserved.quantity * price, book.positions.get(reserved.symbol)
    shares = reserved.quantity + (old.quantity if old else 0)
    position = HeldPosition(shares, cost + (old.market_value if old else Decimal(0)))
    after = replace(book, cash=book.cash - cost, positions={**book.positions, reserved.symbol: position})
    return after.without_reservation(order)


@settings(deadline=None)
@given(st.lists(ASKED, min_size=1, max_size=25))
def test_no_order_of_approvals_breaks_a_limit(
    asked: list[tuple[str, int | None, Decimal, int, bool]],
) -> None:
    """Each approval moves the book that the next is judged by; after each, every cap still holds."""
    book, seconds = a_book(buying_power=Decimal(80_000)), 0
    bought: list[int] = []
    for number, (symbol, shares, price, later, fills) in enumerate(asked):
        seconds += later
        facts = some_facts(now=at(seconds / 60), market=None if number % 7 == 6 else some_facts().market)
        facts = replace(
            facts, market=facts.market and replace(facts.market, at=facts.now, bid=price, ask=price)
        )
        intent = _intent(number, symbol, shares, price)
        verdict = assess(intent, book, LIMITS, facts)
        assert verdict.approved is not bool(verdict.failed)
        if not verdict.approved:
            continue
        bought.append(seconds)
        order = intent.client_order_id
        book = book.with_order(order, reservation_for(intent, verdict), facts.now)
        for code, cap in sizing.caps(symbol, book, LIMITS).items():
            assert code == "order_notional" or cap.left >= 0, code
        assert verdict.reserve_notional <= LIMITS.order_notional_limit_dollars
        assert sum(seconds - 60 < then for then in bought) <= LIMITS.orders_per_minute_limit
        if fills:
            book = _filled(book, order, price)


@given(
    price=st.decimals("1", "2000", places=2),
    equity=st.decimals("1000", "500000", places=2),
    held=st.decimals("0", "200000", places=2),
    range_percent=st.decimals("0.1", "20", places=1),
    method=st.sampled_from(SizingMethod),
)
def test_a_sized_entry_fails_no_rule_about_amounts(
    price: Decimal, equity: Decimal, held: Decimal, range_percent: Decimal, method: SizingMethod
) -> None:
    """What sizing allows the rules allow, by every method; only when no share fits do they name the cap."""
    limits = RiskLimits(sizing_method=method, sectors=SECTORS)
    book = a_book(
        cash=equity,
        equity=equity,
        peak_equity=equity,
        buying_power=equity,
        positions={"B": HeldPosition(Decimal(1), held)},
    )
    facts = some_facts(average_true_range=price * range_percent / 100)
    facts = replace(facts, market=facts.market and replace(facts.market, bid=price, ask=price))
    verdict = assess(_intent(1, "A", None, price), book, limits, facts)
    refused = {result.code for result in verdict.failed}
    assert not refused or "quantity" in refused
    if verdict.approved:
        assert verdict.quantity >= 1
        assert verdict.stop_loss_price is not None
        assert verdict.stop_loss_price < price


AMOUNTS = {
    "equity_at_risk", "order_notional", "position_limit", "exposure_limit", "sector_limit",
    "leverage_limit", "cash_reserve", "buying_power", "intraday_margin",
}  # fmt: skip
MONEY = st.decimals("0", "60000", places=2)


@settings(deadline=None)
@given(
    shares=st.integers(1, 300),
    price=st.decimals("1", "400", places=2),
    cash=MONEY,
    held=st.tuples(MONEY, MONEY, MONEY),  # of A, of B in its sector, of D
    promised=st.tuples(MONEY, MONEY),  # to entries in B that the broker counts, and does not count yet
    bound=st.sampled_from(["nothing", "position_limit", "leverage_limit", "order_notional", "buying_power"]),
    cents=st.integers(-1, 1),
)
def test_an_amount_is_refused_exactly_where_its_limit_would_be_crossed(
    *,
    shares: int,
    price: Decimal,
    cash: Decimal,
    held: tuple[Decimal, Decimal, Decimal],
    promised: tuple[Decimal, Decimal],
    bound: str,
    cents: int,
) -> None:
    """To the cent, for a limit order whose cost is known: at a limit it passes, a cent above it does not."""
    cost, (of_a, of_b, of_d), (known, unknown) = shares * price, held, promised
    room = Decimal(cents) / 100
    exposure = of_a + of_b + of_d + known + unknown
    equity = {
        "position_limit": 10 * (of_a + cost + room),
        "leverage_limit": exposure + cost + room,
    }.get(bound, cash + of_a + of_b + of_d)
    limits = replace(LIMITS, order_notional_limit_dollars=Decimal(9_000))
    if bound == "order_notional":
        limits = replace(LIMITS, order_notional_limit_dollars=max(cost + room, Decimal("0.01")))
    power = unknown + cost + room if bound == "buying_power" else Decimal(80_000)
    book = a_book(
        cash=cash,
        equity=equity,
        buying_power=power,
        deducted=("known",),
        positions={s: HeldPosition(Decimal(1), v) for s, v in zip("ABD", held, strict=True)},
        reservations={
            "known": Reservation("B", Side.BUY, Purpose.ENTRY, known, Decimal(1)),
            "unknown": Reservation("B", Side.BUY, Purpose.ENTRY, unknown, Decimal(1)),
        },
    )
    terms = {"order_type": OrderType.LIMIT, "limit_price": price, "order_class": OrderClass.SIMPLE}
    intent = an_intent(symbol="A", quantity=Decimal(shares), reference_price=None, **terms)
    refused = {result.code for result in assess(intent, book, limits, some_facts()).failed} & AMOUNTS
    one_percent = Fraction(equity) / 100
    used_and_most: dict[str, tuple[Decimal, Fraction]] = {
        "equity_at_risk": (cost * 3 / 100, 2 * one_percent),
        "order_notional": (cost, Fraction(limits.order_notional_limit_dollars)),
        "position_limit": (of_a + cost, 10 * one_percent),
        "exposure_limit": (exposure + cost, 95 * one_percent),
        "sector_limit": (exposure - of_d + cost, 25 * one_percent),
        "leverage_limit": (exposure + cost, 100 * one_percent),
        "cash_reserve": (known + unknown + cost, Fraction(cash) - 5 * one_percent),
        "buying_power": (unknown + cost, Fraction(power)),
        "intraday_margin": (exposure + cost, 10_000 * one_percent / 30),
    }
    crossed = {code for code, (used, most) in used_and_most.items() if Fraction(used) > most}
    assert refused == crossed


@settings(deadline=None)
@given(
    judged=st.decimals("5", "400", places=2),
    moved=st.decimals("-4.9", "5.2", places=2),  # percent, since it was judged
    shares=st.one_of(st.none(), st.integers(1, 2_000)),
    position_percent=st.sampled_from([10, 100]),
)
def test_a_price_that_jumped_before_the_order_is_counted(
    judged: Decimal, moved: Decimal, shares: int | None, position_percent: int
) -> None:
    """An order at market pays what is asked now, and its stop stays where it was judged: both count."""
    ask = (judged * (100 + moved) / 100).quantize(Decimal("0.01"))
    limits = RiskLimits(position_limit_percent=Decimal(position_percent))
    facts = some_facts()
    facts = replace(facts, market=facts.market and replace(facts.market, bid=ask, ask=ask))
    verdict = assess(_intent(1, "A", shares, judged), a_book(), limits, facts)
    if not verdict.approved:
        return
    assert verdict.stop_loss_price is not None
    assert verdict.quantity * ask <= 1_000 * position_percent
    assert verdict.quantity * ask <= verdict.reserve_notional or ask <= judged
    # The stop is a step at most below the percentage, for it is rounded down.
    step = Decimal("0.01") if verdict.stop_loss_price >= 1 else Decimal("0.0001")
    assert verdict.quantity * (ask - verdict.stop_loss_price - step) <= 2_000
