"""The pre-trade rules: each refuses at its edge, under its own code, and halted means halted."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from alpaquero.orders.intent import Intent, OrderType, Purpose, Side
from alpaquero.risk.book import TradingState
from alpaquero.risk.facts import MarketPrice
from alpaquero.risk.limits import RiskLimits
from alpaquero.risk.rules import RULES, Verdict, assess, reservation_for
from tests.unit.orders.builders import NOON, an_exit, an_intent, at
from tests.unit.risk.builders import a_book, entry, held, leaving, some_facts

HOLDING = {"positions": {"AAPL": held("10", "1000")}}


def judge(
    intent: Intent,
    book: dict[str, Any] | None = None,
    limits: dict[str, Any] | None = None,
    quote: str | None = None,
) -> Verdict:
    """The verdict at noon; the last trade was at `quote`, which is then sized by."""
    price = None if quote is None else Decimal(quote)
    facts = some_facts()
    if price is not None:
        last = price if price.is_finite() else None
        facts = some_facts(price=price, market=MarketPrice(facts.now, last=last))
    return assess(intent, a_book(**(book or {})), RiskLimits(**(limits or {})), facts)


def codes(verdict: Verdict) -> list[str]:
    """Which rules refused."""
    return [result.code for result in verdict.failed]


def test_an_entry_is_sized_priced_and_reserved() -> None:
    """A good entry gets whole shares, a stop, a target, and its cost at a gap up set aside."""
    verdict = judge(an_intent())
    assert verdict.approved
    assert (Decimal(98), "position_limit") == (verdict.quantity, verdict.bound_by)
    assert (Decimal("97.00"), Decimal("106.00")) == (verdict.stop_loss_price, verdict.take_profit_price)
    assert Decimal(9996) == verdict.reserve_notional
    assert not verdict.failed


def test_every_rule_answers() -> None:
    """All rules are listed in one order, for an entry and for an exit, whether or not one has refused."""
    halted = {"trading_state": TradingState.HALTED}
    listed = [rule.code for rule in RULES]
    assert listed == [result.code for result in judge(an_intent(), halted).results]
    assert listed == [result.code for result in judge(an_exit(), halted).results]
    assert len(listed) == len(set(listed))


def test_an_exit_is_judged_by_what_makes_sense_for_it() -> None:
    """No exposure, loss or pace rule may keep a position in; HALTED and what is held may."""
    results = judge(an_exit(valid_until=at(1)), HOLDING).results
    assert ["trading_state", "signal_validity", "direction", "nothing_to_sell"] == [
        result.code for result in results if result.outcome == "passed"
    ]
    assert {"passed", "not_applicable"} == {result.outcome for result in results}


@pytest.mark.parametrize(
    ("state", "entry_codes", "exit_codes"),
    [
        (TradingState.ACTIVE, [], []),
        (TradingState.REDUCING, ["trading_state"], []),
        (TradingState.HALTED, ["trading_state"], ["trading_state"]),
    ],
)
def test_the_trading_state_is_obeyed(
    state: TradingState, entry_codes: list[str], exit_codes: list[str]
) -> None:
    """REDUCING only shrinks positions, HALTED places nothing at all."""
    assert entry_codes == codes(judge(an_intent(), {"trading_state": state}))
    assert exit_codes == codes(judge(an_exit(), {"trading_state": state, **HOLDING}))


def test_a_reducing_account_cannot_grow_under_the_name_of_an_exit() -> None:
    """An exit that buys is refused, whatever it calls itself."""
    book = {"trading_state": TradingState.REDUCING, **HOLDING}
    assert ["direction"] == codes(judge(an_exit(side=Side.BUY), book))


def test_an_entry_that_sells_is_refused() -> None:
    """The bot opens no short position."""
    assert ["direction"] == codes(judge(an_intent(side=Side.SELL)))


@pytest.mark.parametrize(
    ("minutes", "refused"), [(1, []), (0, []), (-0.0001, ["signal_validity"]), (-60, ["signal_validity"])]
)
@pytest.mark.parametrize("make", [an_intent, an_exit])
def test_an_intent_is_good_until_its_time(make: Any, minutes: float, refused: list[str]) -> None:
    """To the very moment, and not a moment longer."""
    book = HOLDING if make is an_exit else {}
    assert refused == codes(judge(make(valid_until=at(minutes)), book))


@pytest.mark.parametrize(
    ("book", "limits", "refused"),
    [
        (HOLDING, {}, ["already_held"]),
        ({"positions": {"AAPL": held("-10", "-1000")}}, {}, ["already_held"]),
        ({"reservations": {"o": entry("AAPL", "100")}}, {}, ["duplicate_direction"]),
        (
            {"reservations": {"o": entry("AAPL", "100")}},
            {"one_position_per_symbol": False},
            ["duplicate_direction"],
        ),
        (
            {"reservations": {"o": entry("AAPL", "100")}},
            {"one_position_per_symbol": False, "one_open_entry_per_symbol": False},
            [],
        ),
        ({"positions": {"AAPL": held("0", "0")}}, {}, []),
        ({"positions": {"MSFT": held("10", "1000")}}, {}, []),
        ({"reservations": {"o": leaving("AAPL", "10")}}, {}, []),
        (HOLDING, {"one_position_per_symbol": False}, []),
    ],
)
def test_one_position_or_entry_a_symbol(
    book: dict[str, Any], limits: dict[str, Any], refused: list[str]
) -> None:
    """A symbol that is held or on its way is not bought again unless the settings allow it."""
    assert refused == codes(judge(an_intent(), book, limits))


@pytest.mark.parametrize(
    ("book", "quantity", "sold", "refused"),
    [
        (HOLDING, None, "10", []),
        (HOLDING, "10", "10", []),
        (HOLDING, "3", "3", []),
        (HOLDING, "10.000000001", "0", ["nothing_to_sell"]),
        ({}, None, "0", ["nothing_to_sell"]),
        ({}, "1", "0", ["nothing_to_sell"]),
        ({"positions": {"AAPL": held("-10", "-1000")}}, None, "0", ["nothing_to_sell"]),
        ({"positions": {"AAPL": held("0.5", "50")}}, None, "0.5", []),
        ({**HOLDING, "reservations": {"o": leaving("AAPL", "10")}}, None, "0", ["nothing_to_sell"]),
        ({**HOLDING, "reservations": {"o": leaving("AAPL", "4")}}, None, "6", []),
        ({**HOLDING, "reservations": {"o": leaving("MSFT", "4")}}, None, "10", []),
    ],
)
def test_an_exit_sells_what_is_held_and_not_being_sold(
    book: dict[str, Any], quantity: str | None, sold: str, refused: list[str]
) -> None:
    """Never more than is held, never what another exit is selling, fractions and all."""
    verdict = judge(an_exit(quantity=None if quantity is None else Decimal(quantity)), book)
    assert refused == codes(verdict)
    assert (Decimal(sold), Decimal(0)) == (verdict.quantity, verdict.reserve_notional)
    assert (None, None) == (verdict.stop_loss_price, verdict.take_profit_price)


@pytest.mark.parametrize(
    ("book", "limits", "quantity", "refused"),
    [
        ({}, {}, "98", []),
        ({}, {}, "99", ["position_limit"]),
        ({}, {"position_limit_percent": Decimal("10.098")}, "99", []),
        ({"positions": {"IBM": held("1", "84800")}}, {}, "100", ["position_limit"]),
        ({"positions": {"IBM": held("1", "85004")}}, {}, "98", []),
        ({"positions": {"IBM": held("1", "85004.01")}}, {}, "98", ["exposure_limit"]),
        ({"cash": Decimal("14996")}, {}, "98", []),
        ({"cash": Decimal("14995.99")}, {}, "98", ["cash_reserve"]),
        ({"cash": Decimal("15996"), "reservations": {"o": entry("IBM", "1000")}}, {}, "98", []),
        (
            {"cash": Decimal("15996"), "reservations": {"o": entry("IBM", "1000.01")}},
            {},
            "98",
            ["cash_reserve"],
        ),
        ({}, {"equity_at_risk_percent": Decimal("0.1505")}, "50", []),
        ({}, {"equity_at_risk_percent": Decimal("0.1505")}, "51", ["equity_at_risk"]),
        (
            {"positions": {"IBM": held("1", "99000")}},
            {"total_exposure_limit_percent": Decimal(200)},
            "10",
            ["leverage_limit"],
        ),
        ({}, {}, "1", []),
    ],
)
def test_a_quantity_someone_chose_meets_every_cap(
    book: dict[str, Any], limits: dict[str, Any], quantity: str, refused: list[str]
) -> None:
    """A person's own quantity is not cut down: it passes to the cent or is refused with the cap's code."""
    verdict = judge(an_intent(quantity=Decimal(quantity)), book, limits)
    assert refused == codes(verdict)
    assert (Decimal(0) if refused else Decimal(quantity)) == verdict.quantity


@pytest.mark.parametrize(
    ("book", "limits", "refused"),
    [
        ({"cash": Decimal(5101)}, {}, ["cash_reserve", "quantity"]),
        ({"positions": {"IBM": held("1", "94900")}}, {}, ["exposure_limit", "quantity"]),
        ({}, {"position_limit_percent": Decimal("0.1")}, ["position_limit", "quantity"]),
    ],
)
def test_when_no_share_fits_the_cap_in_the_way_is_named(
    book: dict[str, Any], limits: dict[str, Any], refused: list[str]
) -> None:
    """A refusal for want of a single share says which cap it was."""
    verdict = judge(an_intent(), book, limits)
    assert refused == codes(verdict)
    assert refused[0] == verdict.bound_by


@pytest.mark.parametrize(
    ("changes", "quote", "refused"),
    [
        ({"reference_price": None}, None, ["price_known", "quantity"]),
        ({"reference_price": None}, "100", []),
        ({}, "0", ["price_known", "quantity"]),
        ({}, "-1", ["price_known", "quantity"]),
        ({}, "NaN", ["price_known", "quantity"]),
        ({}, "0.0001", ["price_known"]),
        ({}, "0.01", []),
    ],
)
def test_an_entry_needs_a_price_to_go_by(
    changes: dict[str, Any], quote: str | None, refused: list[str]
) -> None:
    """No price, an impossible one, or one too low for a stop: no entry, and no older price instead."""
    assert refused == codes(judge(an_intent(**changes), quote=quote))


def test_the_last_quote_is_sized_by_before_the_signals_price() -> None:
    """What is bought now is measured by what it costs now."""
    verdict = judge(an_intent(reference_price=Decimal(100)), quote="50")
    assert (Decimal(196), Decimal("48.50")) == (verdict.quantity, verdict.stop_loss_price)


def test_a_limit_order_is_counted_at_its_limit() -> None:
    """It cannot fill higher, so it needs no margin; its stop follows from the limit."""
    limited = an_intent(order_type=OrderType.LIMIT, limit_price=Decimal(80))
    verdict = judge(limited, quote="81")
    assert (Decimal(125), Decimal(10_000)) == (verdict.quantity, verdict.reserve_notional)
    assert Decimal("77.60") == verdict.stop_loss_price


def test_a_stop_order_is_counted_above_its_stop() -> None:
    """A buy stop fills at the market once touched, so the margin applies to it."""
    verdict = judge(an_intent(order_type=OrderType.STOP, stop_price=Decimal(100)), quote="96")
    assert (Decimal(98), Decimal("9996")) == (verdict.quantity, verdict.reserve_notional)


def test_a_refusal_orders_nothing() -> None:
    """A refused entry has no quantity, no prices and no reservation."""
    verdict = judge(an_intent(), {"trading_state": TradingState.HALTED})
    assert (False, Decimal(0), None, None, Decimal(0)) == (
        verdict.approved,
        verdict.quantity,
        verdict.stop_loss_price,
        verdict.take_profit_price,
        verdict.reserve_notional,
    )


def test_messages_give_the_numbers() -> None:
    """A refusal says what was asked and what the limit is, in dollars."""
    (refusal,) = judge(an_intent(quantity=Decimal(99))).failed
    assert "0.00 used and 10098.00 asked of 10000.00 dollars in one symbol" == refusal.message
    assert (Decimal(10_000), Decimal(10_098)) == (refusal.limit, refusal.used)


def test_what_is_reserved_prevents_the_same_twice() -> None:
    """An entry's reservation refuses a second entry, an exit's a second exit."""
    bought = an_intent()
    book = a_book().with_order("o1", reservation_for(bought, judge(bought)), NOON)
    assert "duplicate_direction" in codes(assess(bought, book, RiskLimits(), some_facts()))
    sale = an_exit()
    reserved = reservation_for(sale, judge(sale, HOLDING))
    assert (Purpose.EXIT, Decimal(10), Decimal(0)) == (reserved.purpose, reserved.quantity, reserved.notional)
    book = a_book(**HOLDING).with_order("o2", reserved, NOON)
    assert ["nothing_to_sell"] == codes(assess(sale, book, RiskLimits(), some_facts()))
