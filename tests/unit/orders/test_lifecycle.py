"""The life of an order: late, doubled and disordered news end where news in order ends."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpaquero.orders.intent import OrderClass
from alpaquero.orders.lifecycle import (
    TERMINAL,
    BrokerUpdate,
    OrderStatus,
    Phase,
    advance,
    given_up,
    intended,
    is_live,
    is_terminal,
    may_be_sent_again,
    phase_in,
    phase_of,
    step_exit,
    unclear,
)
from alpaquero.orders.order import ExitStep, Order, OrderEvent, OrderOrigin, OrderPurpose
from alpaquero.risk.verdict import RuleResult, Verdict
from tests.unit.orders.builders import NOON, an_exit, an_intent, an_order, at

ALPACA = {
    "pending_new", "accepted", "accepted_for_bidding", "held", "new", "stopped", "suspended",
    "partially_filled", "pending_cancel", "pending_replace", "done_for_day", "calculated",
}  # fmt: skip
APPROVED = Verdict(
    approved=True,
    quantity=Decimal(10),
    results=(RuleResult("cash_reserve", True, "enough", Decimal(2), Decimal(1)),),
    stop_loss_price=Decimal("97.00"),
    take_profit_price=Decimal("106.00"),
)


def news(status: str, minutes: float = 1, **given_fields: Any) -> BrokerUpdate:
    """What the broker says so many minutes after noon."""
    return BrokerUpdate(status=status, at=at(minutes), **given_fields)


@pytest.mark.parametrize("status", sorted(ALPACA | {"a_word_of_next_year"}))
def test_alpacas_open_states_are_live(status: str) -> None:
    """Whatever has not ended may still fill, also a word we have never heard."""
    assert Phase.LIVE is phase_of(status)
    assert is_live(status)
    assert not is_terminal(status)


def test_five_states_end_an_order() -> None:
    """Filled, canceled, expired, rejected and replaced are for good; nothing else is."""
    assert {"filled", "canceled", "expired", "rejected", "replaced"} == TERMINAL
    assert all(is_terminal(status) for status in TERMINAL)
    assert [Phase.UNSENT, Phase.UNCLEAR] == [phase_of("intended"), phase_of("unknown")]


def test_a_new_order_carries_its_intent_and_verdict() -> None:
    """The first record says who asked, what risk answered, and that nothing is sent."""
    intent = an_intent(bar_close=NOON, run_id="r1", reason="oversold", correlation_id="c1")
    order = intended(intent, APPROVED, at=at(1), wall_at=at(2))
    assert (OrderStatus.INTENDED, OrderOrigin.SIGNAL, OrderPurpose.ENTRY) == (
        order.status,
        order.origin,
        order.purpose,
    )
    assert intent.client_order_id == order.client_order_id
    assert (OrderClass.BRACKET, Decimal("97.00"), Decimal("106.00")) == (
        order.order_class,
        order.stop_loss_price,
        order.take_profit_price,
    )
    assert (Decimal(10), APPROVED.results, 1) == (order.quantity, order.verdict, order.version)
    assert (at(1), at(1), at(2)) == (order.created_at, order.updated_at, order.wall_created_at)
    assert (OrderEvent(at=at(1), status="intended", why="oversold"),) == order.history
    assert order.exit_step is None


def test_an_exit_begins_with_its_first_step() -> None:
    """An exit is a simple order that first frees the shares."""
    sale = Verdict(approved=True, quantity=Decimal(10), results=())
    order = intended(an_exit(), sale, at=NOON, wall_at=NOON)
    assert (OrderClass.SIMPLE, ExitStep.CANCEL_LEGS) == (order.order_class, order.exit_step)


def test_a_refused_intent_never_becomes_an_order() -> None:
    """Without an approval there is nothing to write."""
    with pytest.raises(ValueError, match="refused by risk"):
        intended(an_intent(), replace(APPROVED, approved=False), at=NOON, wall_at=NOON)


def test_an_order_survives_the_store() -> None:
    """An order with verdict and history reads back as it was written."""
    order = advance(intended(an_exit(), APPROVED, at=NOON, wall_at=NOON), news("new"))
    assert order == msgspec.json.decode(msgspec.json.encode(order), type=Order)


@pytest.mark.parametrize(
    ("before", "update", "after"),
    [
        ("intended", news("pending_new"), "pending_new"),
        ("intended", news("filled"), "filled"),
        ("intended", news("rejected"), "rejected"),
        ("unknown", news("new"), "new"),
        ("unknown", news("canceled"), "canceled"),
        ("unknown", news("intended"), "unknown"),
        ("new", news("unknown"), "new"),
        ("new", news("intended"), "new"),
        ("new", news("a_word_of_next_year"), "a_word_of_next_year"),
        ("filled", news("new"), "filled"),
        ("filled", news("canceled"), "filled"),
        ("canceled", news("filled"), "canceled"),
        ("rejected", news("new"), "rejected"),
        ("replaced", news("canceled"), "replaced"),
        ("done_for_day", news("new"), "new"),
    ],
)
def test_what_may_follow_what(before: str, update: BrokerUpdate, after: str) -> None:
    """An order moves on, never back, and never again once it has ended."""
    told = NOON if before in TERMINAL else None
    assert after == advance(an_order(status=before, broker_updated_at=told), update).status


@pytest.mark.parametrize("status", ["canceled", "expired", "rejected"])
@pytest.mark.parametrize(
    "update",
    [news("new"), news("filled", filled_quantity=Decimal(10)), news("canceled", broker_order_id="b1")],
)
def test_the_brokers_word_overrules_an_end_of_ours(status: str, update: BrokerUpdate) -> None:
    """An order given up that turns up at the broker lives on there, and then ends for good."""
    order = given_up(an_order(status="unknown"), status, at=at(1), why="it never arrived")
    assert (status, Phase.GIVEN_UP) == (order.status, phase_in(order))
    found = advance(order, update)
    assert update.status == found.status
    assert Phase.GIVEN_UP is not phase_in(found)


@pytest.mark.parametrize("status", ["new", "filled", "canceled"])
def test_what_the_broker_has_is_not_given_up(status: str) -> None:
    """Neither a live order nor one that has ended is ended again by us."""
    order = advance(an_order(), news(status))
    assert order is given_up(order, "canceled", at=at(2), why="withdrawn")


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        (news("new", 2), news("accepted", 1), "new"),
        (news("accepted", 1), news("new", 2), "new"),
        (news("pending_cancel", 2), news("new", 3), "new"),
        (news("new", 1), news("pending_new", 1), "new"),
        (news("pending_new", 1), news("new", 1), "new"),
        (news("new", 5), news("filled", 1), "filled"),
    ],
)
def test_of_two_live_states_the_newer_counts(first: BrokerUpdate, second: BrokerUpdate, status: str) -> None:
    """The broker's time decides, the usual order of states when the times are equal, an end always."""
    assert status == advance(advance(an_order(), first), second).status


@pytest.mark.parametrize("status", ["new", "pending_new", "partially_filled", "filled"])
def test_old_news_changes_nothing(status: str) -> None:
    """News that is older, repeated or overtaken gives back the very same order."""
    filled = news("filled", 3, filled_quantity=Decimal(10), filled_average_price=Decimal(101))
    order = advance(an_order(), filled)
    assert order is advance(order, filled)
    assert order is advance(order, news(status, 2, filled_quantity=Decimal(4)))


def test_a_change_is_dated_and_counted() -> None:
    """Each change is one version and one line of history with the broker's answer."""
    order = advance(an_order(), news("rejected", 4, why="sent", answer="403 insufficient buying power"))
    assert (2, at(4), at(4)) == (order.version, order.updated_at, order.broker_updated_at)
    assert OrderEvent(at(4), "rejected", "sent", "403 insufficient buying power") == order.history[-1]


def test_a_fill_that_comes_after_the_end_still_counts() -> None:
    """A cancel may overtake the news of a partial fill; the shares are ours all the same."""
    order = advance(an_order(), news("canceled", 2))
    late = advance(
        order, news("partially_filled", 1, filled_quantity=Decimal(3), filled_average_price=Decimal(100))
    )
    assert ("canceled", Decimal(3), Decimal(100)) == (
        late.status,
        late.filled_quantity,
        late.filled_average_price,
    )


def test_a_late_fill_does_not_set_the_clock_back() -> None:
    """Older news may bring shares, and still the state and times of the newer stay."""
    order = advance(an_order(), news("pending_cancel", 5))
    late = advance(order, news("partially_filled", 2, filled_quantity=Decimal(3)))
    assert ("pending_cancel", Decimal(3)) == (late.status, late.filled_quantity)
    assert (at(5), at(5)) == (late.updated_at, late.broker_updated_at)
    assert late is advance(late, news("new", 4))


def test_a_price_that_comes_after_its_quantity_is_taken() -> None:
    """The average price fills in when it was missing, and the quantity stays."""
    order = advance(an_order(), news("filled", 1, filled_quantity=Decimal(10)))
    priced = advance(
        order, news("filled", 2, filled_quantity=Decimal(10), filled_average_price=Decimal("100.5"))
    )
    assert (Decimal(10), Decimal("100.5")) == (priced.filled_quantity, priced.filled_average_price)


def test_the_brokers_id_is_learned_once() -> None:
    """The id of the first answer stays; the successor of a replaced order is kept."""
    order = advance(an_order(), news("new", 1, broker_order_id="b1"))
    order = advance(order, news("replaced", 2, broker_order_id="b2", replaced_by="b3"))
    assert ("b1", "b3") == (order.broker_order_id, order.replaced_by)


def test_an_unclear_send_is_unknown_and_never_rejected() -> None:
    """A time-out says nothing about the order: it is to be looked up."""
    order = unclear(an_order(), at=at(1), why="timed out after 10 s")
    assert ("unknown", 2, "timed out after 10 s") == (order.status, order.version, order.history[-1].why)


def test_an_unclear_order_sent_again_counts_its_tries() -> None:
    """Three without an answer are enough; a stop and a replacement are decided anew instead."""
    order = unclear(an_order(), at=at(1), why="timed out")
    assert may_be_sent_again(order)
    again = unclear(unclear(order, at=at(2), why="timed out"), at=at(3), why="timed out")
    assert ("unknown", 3, 4, False) == (
        again.status, again.times_unclear, again.version, may_be_sent_again(again),
    )  # fmt: skip
    assert not may_be_sent_again(replace(order, purpose=OrderPurpose.PROTECTION))
    assert not may_be_sent_again(replace(order, replaces="old"))


@pytest.mark.parametrize("status", ["new", "filled", "rejected"])
def test_an_order_we_have_heard_of_does_not_become_unknown(status: str) -> None:
    """A time-out after an answer takes nothing back."""
    order = an_order(status=status)
    assert order is unclear(order, at=at(1), why="timed out")


def test_a_step_of_an_exit_is_written_once() -> None:
    """Naming the step an exit is at changes nothing; another is one version."""
    order = an_order(exit_step=ExitStep.CANCEL_LEGS)
    assert order is step_exit(order, ExitStep.CANCEL_LEGS, at=at(1), why="again")
    assert (ExitStep.CONFIRM, 2) == (
        (after := step_exit(order, ExitStep.CONFIRM, at=at(1), why="legs cancelled")).exit_step,
        after.version,
    )


def test_remaining_is_what_is_not_filled() -> None:
    """An order by dollars has no known remainder."""
    assert Decimal(7) == an_order(filled_quantity=Decimal(3)).remaining_quantity
    assert an_order(quantity=None, notional=Decimal(500)).remaining_quantity is None


@st.composite
def lives(draw: st.DrawFn) -> list[BrokerUpdate]:
    """What a broker says of one order: its times and fills rise, its last state is an end."""
    statuses = draw(st.lists(st.sampled_from(sorted(ALPACA | {"novel"})), max_size=6))
    statuses.append(draw(st.sampled_from(sorted(TERMINAL))))
    filled, minutes, told = 0, 0, []
    for status in statuses:
        filled += draw(st.integers(0, 3))
        minutes += draw(st.integers(0, 2))
        price = Decimal(100 + filled) if filled else None
        told.append(
            news(
                status,
                minutes,
                filled_quantity=Decimal(filled),
                filled_average_price=price,
                broker_order_id="b1",
                replaced_by="b2" if status == "replaced" else None,
            )
        )
    return told


@given(life=lives(), start=st.sampled_from(["intended", "unknown"]), data=st.data())
def test_any_order_of_the_news_ends_alike(life: list[BrokerUpdate], start: str, data: st.DataObject) -> None:
    """Shuffled and doubled news end as news in order do, and filled quantity never falls."""
    told = data.draw(st.permutations(life + data.draw(st.lists(st.sampled_from(life), max_size=3))))
    order = an_order(status=start)
    for update in told:
        after = advance(order, update)
        assert after.filled_quantity >= order.filled_quantity
        assert is_terminal(after.status) or not is_terminal(order.status)
        assert after is order or (after.version, len(after.history)) == (
            order.version + 1,
            len(order.history) + 1,
        )
        order = after
    last = life[-1]
    assert (last.status, last.filled_quantity, last.filled_average_price, "b1", last.replaced_by) == (
        order.status,
        order.filled_quantity,
        order.filled_average_price,
        order.broker_order_id,
        order.replaced_by,
    )
