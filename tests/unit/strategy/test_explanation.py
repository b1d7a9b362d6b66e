"""The chain from schedule tick to fill, and where it ended, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.orders.intent import Side
from alpaquero.prices.bars import Bar
from alpaquero.risk.verdict import RuleResult
from alpaquero.strategy.conclusion import Decision
from alpaquero.strategy.explanation import Asked, Evidence, chain, explained, intent_on
from alpaquero.strategy.protocol import Condition
from alpaquero.strategy.run import Judged, PassedOver, RunState, ShardReport
from alpaquero.strategy.signal import Withheld, WithheldCode
from alpaquero.strategy.told import Chain
from tests.unit.orders.builders import a_fill, an_order
from tests.unit.signal.made import CLOSE, FRIDAY, a_run, a_signal, midnight

CONDITIONS = (
    Condition(side=Side.BUY, text="EMA fast above EMA slow", left=101.0, right=99.0, holds=True),
    Condition(side=Side.BUY, text="K below oversold level", left=25.5, right=20.0, holds=False),
    Condition(side=Side.SELL, text="EMA fast below EMA slow", left=101.0, right=99.0, holds=False),
    Condition(side=Side.SELL, text="K above overbought level", left=25.5, right=80.0, holds=False),
)
OK = RuleResult("exposure_limit", True, "room for it", Decimal(95), Decimal(10))
REFUSED = RuleResult("market_open", False, "the market is closed")
JUDGED = {"AAPL": Judged(bars=250, digest="00ff"), "IBM": Judged(bars=250, digest="00fe")}


def report(*raised: Any, withheld: tuple[Withheld, ...] = ()) -> ShardReport:
    return ShardReport(raised=raised, withheld=withheld, judged=JUDGED, rules_version=1)


def decision(*passed: PassedOver) -> Decision:
    return Decision(shards=(0,), passed_over=passed, risk_book=None, rules_version=1)


def evidence(**changes: Any) -> Evidence:
    """AAPL raised a signal on Friday's bar, second to IBM's exit; nothing further is on record."""
    given: dict[str, Any] = {
        "symbol": "AAPL",
        "strategy": "stochrsi_ema",
        "timeframe": "1Day",
        "mode": "trade",
        "run": a_run(state=RunState.CONCLUDED),
        "reports": {0: report(a_signal("AAPL"), a_signal("IBM", Side.SELL))},
        "decision": decision(),
        "bar": Bar(midnight(FRIDAY), 99.0, 101.0, 98.0, 100.0, 5000),
        "values": {"k": 12.5},
        "conditions": (replace(CONDITIONS[0]),),
    }
    return Evidence(**{**given, **changes})


def ended(found: Chain) -> tuple[str, str]:
    """The last link, and the whole in a sentence."""
    return found.steps[-1].name, found.answer


def test_a_trade_is_told_from_tick_to_fill() -> None:
    """Every link is there, in order, with market times; the answer is what was filled."""
    found = evidence()
    intent = intent_on(found)
    assert intent is not None
    order = replace(an_order(), client_order_id=intent.client_order_id)
    fills = [a_fill(1, Side.BUY, "3", "100.50")]
    told = chain(
        replace(
            found,
            verdicts=[Asked(at=CLOSE + timedelta(minutes=30), approved=True, results=(OK,))],
            order=order,
            fills=fills,
        )
    )
    names = ["schedule", "bar", "values", "signal", "ranking", "verdict", "order", "fills"]
    assert names == [step.name for step in told.steps]
    assert all(step.passed for step in told.steps)
    assert "it traded: 3 filled at 100.5000 on average" == told.answer
    ranking = told.steps[4]
    assert ranking.result.startswith("number 2 of 2")
    assert intent.client_order_id in ranking.lines[0].text
    assert "exposure_limit: room for it (used 10 of 95)" == told.steps[5].lines[0].text


@pytest.mark.parametrize(
    ("changes", "link", "says"),
    [
        ({"run": None}, "schedule", "no run of a 1Day bar is on record"),
        ({"missed_since": CLOSE}, "schedule", "too many to catch up"),
        ({"reports": {}, "run": a_run()}, "bar", "has not reported yet"),
        ({"reports": {}}, "bar", "did not report before the deadline"),
        (
            {"reports": {0: report()}, "conditions": CONDITIONS},
            "values",
            "BUY failed on K below oversold level (25.5 against 20, off by 5.5); SELL on 2 of 2 conditions",
        ),
        ({"decision": None}, "signal", "has not been concluded yet"),
        (
            {"decision": Decision(shards=(), passed_over=(), risk_book=None, rules_version=1)},
            "signal",
            "reported after the run was concluded",
        ),
        (
            {
                "decision": decision(
                    PassedOver(strategy="stochrsi_ema", symbol="AAPL", code="cooldown", message="sold lately")
                )
            },
            "signal",
            "cooldown: sold lately (BUY at 100, strength 80",
        ),
        ({}, "verdict", "execute has not judged the intent yet"),
        (
            {"verdicts": [Asked(at=CLOSE, approved=False, results=(OK, REFUSED))]},
            "verdict",
            "risk refused: market_open",
        ),
        ({"verdicts": [Asked(at=CLOSE, approved=True, results=(OK,))]}, "order", "not written to the books"),
        (
            {
                "verdicts": [Asked(at=CLOSE, approved=True, results=(OK,))],
                "order": replace(an_order(), status="expired"),
            },
            "fills",
            "no fill; the order is expired",
        ),
    ],
)
def test_where_the_chain_ended_is_said(changes: dict[str, Any], link: str, says: str) -> None:
    """The last link names what failed, and the answer says it."""
    name, answer = ended(chain(evidence(**changes)))
    assert (link, "it did not trade: ") == (name, answer[:18])
    assert says in answer


def test_what_could_not_be_judged_says_why() -> None:
    """The code and message of the report, and what could be computed."""
    withheld = Withheld(
        symbol="AAPL",
        strategy="stochrsi_ema",
        timeframe="1Day",
        bar_close=CLOSE,
        code=WithheldCode.SHORT_HISTORY,
        message="12 bars, 250 are needed",
        values={"k": 1.0},
    )
    told = chain(evidence(reports={0: report(withheld=(withheld,))}))
    assert ("values", "it did not trade: short_history: 12 bars, 250 are needed") == ended(told)


def test_a_condition_that_failed_says_by_how_much() -> None:
    """What held has no distance."""
    told = chain(evidence(reports={0: report()}, conditions=CONDITIONS))
    lines = {line.text: (line.holds, line.by) for line in told.steps[-1].lines if line.holds is not None}
    assert (True, None) == lines["BUY: EMA fast above EMA slow: 101 against 99"]
    assert (False, 5.5) == lines["BUY: K below oversold level: 25.5 against 20"]


def test_an_order_that_waits_is_under_way() -> None:
    """Neither traded nor ended."""
    asked = [Asked(at=CLOSE, approved=True, results=(OK,))]
    told = chain(evidence(verdicts=asked, order=replace(an_order(), status="accepted")))
    assert ("fills", "under way: no fill; the order is accepted") == ended(told)


def test_a_late_run_says_so() -> None:
    """It may exit and enters nothing."""
    [schedule, *_] = chain(evidence(run=a_run(late=True))).steps
    assert "late, after a newer bar had closed" in schedule.result


@pytest.mark.parametrize(
    ("timeframe", "named"),
    [
        ("1Day", f"the session of {FRIDAY}: open 99.0, "),
        ("1Hour", "the bar from 2024-01-05 05:00 UTC, closed "),
    ],
)
def test_a_bar_is_named_as_a_trader_names_it(timeframe: str, named: str) -> None:
    """A day by its session of New York, not by its first moment in UTC; volume in thousands."""
    run = a_run(state=RunState.CONCLUDED, timeframe=timeframe)
    told = chain(evidence(run=run)).steps[1].result
    assert told.startswith(named)
    assert told.endswith("volume 5,000")


def test_bars_that_are_not_those_judged_are_marked() -> None:
    """Somebody changed the store behind the run."""
    bar = chain(evidence(bars_changed=True)).steps[1]
    assert [False] == [line.holds for line in bar.lines if line.holds is not None]


def test_a_symbol_that_nobody_judges_is_answered_too() -> None:
    """The watchlist and the strategies' symbols are where to add it."""
    told = explained("ZZZ", None, [], watched=5)
    assert ([], True) == (told.chains, "not among the 5 symbols of the watchlist" in told.answer)
