"""Why nobody is asked to trade on a signal: each reason has a code, risk's own words where it is risk's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from alpaquero.orders.intent import Side
from alpaquero.risk.book import RiskBook, TradingState
from alpaquero.risk.limits import RiskLimits
from alpaquero.strategy.conclusion import decide, records_of, wanted
from alpaquero.strategy.run import Run
from alpaquero.strategy.signal import Signal
from tests.unit.risk.builders import a_book, held
from tests.unit.signal.made import CLOSE, a_report, a_run, a_signal

BUY, SELL = a_signal("AAPL"), a_signal("AAPL", Side.SELL)
NOW = CLOSE + timedelta(minutes=30)


def codes(
    *signals: Signal, run: Run | None = None, book: RiskBook | None = None, limits: RiskLimits | None = None
) -> list[tuple[str, str]]:
    """Symbol and code of the signals that were passed over."""
    decision = decide(
        run or a_run(), {0: a_report(*signals)}, book or a_book(as_of=NOW), limits or RiskLimits()
    )
    return [(one.symbol, one.code) for one in decision.passed_over]


def sold_at(minutes_ago: int) -> RiskBook:
    book = a_book(as_of=NOW)
    sold = {"AAPL": NOW - timedelta(minutes=minutes_ago)}
    return replace(book, activity=replace(book.activity, last_exit_at=sold))


@pytest.mark.parametrize(
    ("signal", "given", "code"),
    [
        (replace(BUY, shadow=True), {}, "shadow"),
        (replace(SELL, shadow=True), {"book": a_book(positions={"AAPL": held("10", "1000")})}, "shadow"),
        (BUY, {"run": a_run(late=True)}, "late"),
        (BUY, {"book": a_book(as_of=NOW, positions={"AAPL": held("10", "1000")})}, "already_held"),
        (SELL, {}, "nothing_held"),
        (BUY, {"limits": RiskLimits(locked_symbols=("AAPL",))}, "locked"),
        (BUY, {"book": a_book(as_of=NOW, trading_state=TradingState.REDUCING)}, "locked"),
        (BUY, {"book": a_book(as_of=NOW, trading_state=TradingState.HALTED)}, "locked"),
        (BUY, {"book": sold_at(59)}, "cooldown"),
    ],
)
def test_each_reason_has_its_code(signal: Signal, given: dict[str, Any], code: str) -> None:
    """The record says it, and no intent follows."""
    assert [("AAPL", code)] == codes(signal, **given)


@pytest.mark.parametrize(
    ("signal", "given"),
    [
        (BUY, {}),
        (BUY, {"limits": RiskLimits(locked_symbols=("IBM",))}),
        (BUY, {"book": sold_at(60)}),
        (SELL, {"book": a_book(as_of=NOW, positions={"AAPL": held("10", "1000")})}),
        (SELL, {"book": a_book(positions={"AAPL": held("10", "1000")}), "run": a_run(late=True)}),
        (
            SELL,
            {
                "book": a_book(
                    as_of=NOW, positions={"AAPL": held("1", "9")}, trading_state=TradingState.REDUCING
                )
            },
        ),
    ],
)
def test_what_risk_may_let_through_is_sent_to_it(signal: Signal, given: dict[str, Any]) -> None:
    """A late run may exit, reducing may exit, a cooldown ends to the minute."""
    assert [] == codes(signal, **given)


def test_of_two_strategies_that_buy_a_symbol_the_stronger_does() -> None:
    """The other is told as held: two entries of one symbol never leave together."""
    other = replace(a_signal("AAPL", strength=90), strategy="other")
    run = a_run(valid_until={"stochrsi_ema": CLOSE, "other": CLOSE})
    reports = {0: a_report(BUY, other)}
    decision = decide(run, reports, a_book(as_of=NOW), RiskLimits())
    assert [("stochrsi_ema", "already_held")] == [(one.strategy, one.code) for one in decision.passed_over]
    ranked, intents = wanted(run, reports.values(), decision)
    assert (["other", "stochrsi_ema"], ["other"]) == (
        [signal.strategy for signal in ranked],
        [intent.strategy for intent in intents],
    )


def test_two_strategies_never_share_an_order_id() -> None:
    """The name of the instance is in the key of the intent."""
    other = replace(BUY, strategy="other")
    run = a_run(valid_until={"stochrsi_ema": CLOSE, "other": CLOSE})
    ids = set()
    for signal in (BUY, other):
        reports = {0: a_report(signal)}
        _, intents = wanted(run, reports.values(), decide(run, reports, None, RiskLimits()))
        ids |= {intent.client_order_id for intent in intents}
    assert 2 == len(ids)


def test_a_decision_keeps_the_book_only_where_it_mattered() -> None:
    """Without a signal nothing rests on it."""
    book = a_book(as_of=NOW)
    assert book == decide(a_run(), {0: a_report(BUY)}, book, RiskLimits()).risk_book
    assert None is decide(a_run(), {0: a_report()}, book, RiskLimits()).risk_book


def test_the_record_of_a_signal_passed_over_keeps_what_it_was() -> None:
    """Side, price and values stay beside the reason, in risk's words."""
    reports = {0: a_report(BUY)}
    decision = decide(a_run(), reports, a_book(as_of=NOW), RiskLimits(locked_symbols=("AAPL",)))
    ranked, _ = wanted(a_run(), reports.values(), decision)
    [record] = records_of(a_run(), ranked, reports.values(), decision)
    assert ("withheld", "locked", "buy", "100") == (
        record.outcome,
        record.code,
        record.side,
        record.reference_price,
    )
    assert record.message.endswith("AAPL is among locked_symbols")
