"""Our books are held against the broker's statement line by line, day by day and as they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from alpaquero.broker.protocol import BrokerActivity, BrokerFill
from alpaquero.broker.statement import BrokersWord, DifferenceKind, OurBooks, reconciled
from alpaquero.orders.order import Fill
from alpaquero.portfolio.movements import CashMovement, ShareMovement, SharesKind, begins
from tests.unit.orders.builders import a_fill, at

DAY = date(2012, 7, 2)
FILLS = [a_fill(1, "buy", "10", "100"), a_fill(2, "sell", "4", "110")]
FEE = CashMovement(id="n1", account="paper", kind="FEE", at=begins(DAY), amount=Decimal("-0.02"))


def told(fill: Fill) -> BrokerFill:
    return BrokerFill(
        fill.id, fill.broker_order_id, fill.symbol, fill.side, fill.quantity, fill.price, fill.at
    )


def ours(fills: Sequence[Fill] = FILLS, cash: Sequence[CashMovement] = (FEE,)) -> OurBooks:
    return OurBooks(opening_cash=Decimal(1000), entries=fills, cash=cash, known_before=frozenset({"old"}))


def brokers(
    fills: Sequence[BrokerFill] | None = None,
    activities: Sequence[BrokerActivity] = (BrokerActivity("n1", "FEE", DAY, Decimal("-0.02")),),
    cash: str = "439.98",
) -> BrokersWord:
    lines = [told(fill) for fill in FILLS] if fills is None else fills
    return BrokersWord(fills=lines, activities=activities, cash=Decimal(cash), shares={"AAPL": Decimal(6)})


def test_books_that_agree_say_so_by_day_and_kind() -> None:
    """Sums of what was paid and received, the fee apart, and cash and shares to the last cent."""
    days, differences, balances = reconciled(ours(), brokers(), DAY, DAY)
    assert [(one.kind, one.our_lines, one.broker_lines, one.ours, one.difference) for one in days] == [
        ("FEE", 1, 1, Decimal("-0.02"), Decimal(0)),
        ("FILL", 2, 2, Decimal(-560), Decimal(0)),
    ]
    assert differences == ()
    assert [(one.name, one.ours, one.broker) for one in balances] == [
        ("cash", Decimal("439.98"), Decimal("439.98")), ("AAPL", Decimal(6), Decimal(6)),
    ]  # fmt: skip


def test_every_line_that_differs_is_named() -> None:
    """A fill that we lack, one the broker does not know, one at another price, a dividend not booked."""
    elsewhere = told(replace(FILLS[0], id="f0009", quantity=Decimal(1)))
    dearer = replace(told(FILLS[0]), price=Decimal(101))
    dividend = BrokerActivity("n2", "DIV", DAY, Decimal("1.5"), "AAPL")
    _, differences, _ = reconciled(ours(), brokers([dearer, elsewhere], [dividend]), DAY, DAY)
    assert [(one.difference, one.id, one.ours, one.broker) for one in differences] == [
        (DifferenceKind.NOT_IN_BOOKS, "n2", "", "DIV 1.5"),
        (DifferenceKind.NOT_AT_BROKER, "n1", "FEE -0.02", ""),
        (DifferenceKind.DIFFERENT, "f0001", "buy 10 at 100", "buy 10 at 101"),
        (DifferenceKind.NOT_AT_BROKER, "f0002", "sell 4 at 110", ""),
        (DifferenceKind.NOT_IN_BOOKS, "f0009", "", "buy 1 at 100"),
    ]


def test_what_was_taken_over_without_a_reason_stands_out() -> None:
    """Cash and shares that nothing explains agree with the broker, and are differences all the same."""
    cash = CashMovement(
        id="unexplained:cash:x", account="paper", kind="unexplained", at=at(5), amount=Decimal(3)
    )
    shares = ShareMovement(
        id="unexplained:IBM:x", account="paper", symbol="IBM", at=at(5), quantity=Decimal(2),
        price=Decimal(40), kind=SharesKind.UNEXPLAINED,
    )  # fmt: skip
    books = replace(ours(cash=[FEE, cash]), entries=[*FILLS, shares])
    word = replace(brokers(cash="442.98"), shares={"AAPL": Decimal(6), "IBM": Decimal(2)})
    _, differences, balances = reconciled(books, word, DAY, DAY)
    assert [one.difference for one in differences] == [DifferenceKind.UNEXPLAINED] * 2
    assert all(one.ours == one.broker for one in balances)


def test_other_days_and_what_was_there_before_are_left_out() -> None:
    """Activities in the opening cash are not ours to have; lines of other days are not compared."""
    before = BrokerActivity("old", "CSD", DAY, Decimal(500))
    days, differences, _ = reconciled(ours(), brokers([], [before]), date(2012, 7, 3), date(2012, 7, 9))
    assert (days, differences) == ((), ())


def test_an_activity_of_shares_is_told_by_the_balance() -> None:
    """Our books have a split of their own; only shares that do not add up are a difference."""
    split = BrokerActivity("n3", "SPLIT", DAY, symbol="AAPL", quantity=Decimal(6))
    word = replace(
        brokers(activities=[BrokerActivity("n1", "FEE", DAY, Decimal("-0.02")), split]),
        shares={"AAPL": Decimal(12)},
    )
    _, differences, balances = reconciled(ours(), word, DAY, DAY)
    assert differences == ()
    assert [one.name for one in balances if one.ours != one.broker] == ["AAPL"]
