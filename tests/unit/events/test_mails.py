"""What people read of each event: words, category, severity."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from alpaquero.events.mails import MAILED_EVENTS, Mail, digest_of, kind_of, mail_of
from alpaquero.events.schemas import (
    EVENTS,
    BooksDrifted,
    DayPosition,
    DaySummarised,
    DayTrade,
    Event,
    NoticeGiven,
    OrderFilled,
    OrderUpdated,
    RiskLimitBreached,
    RunMissed,
    ServiceDegraded,
    ServiceRecovered,
    TradingStateChanged,
)
from tests.unit.notification.samples import AT, BREACH, COMMON, FILLED, REJECTED


def test_a_fill_says_what_when_and_why() -> None:
    """Side, symbol, quantity, price and total, New York time, the reason and the order."""
    mail = mail_of(FILLED)
    assert mail.subject == "[paper] Bought 53 AAPL at 187.25 USD"
    assert mail.text.splitlines() == [
        "53 x 187.25 USD = 9,924.25 USD",
        "Why: StochRSI crossed up at 14.2 (entry)",
        "Order: aq1-sig-AAPL-k1-0",
        "When: 2026-01-05 09:30:01 New York",
        "",
        "Account paper. Event filled:1, correlation id run-1.",
    ]


UPDATED: dict[str, Any] = {
    **COMMON,
    "id": "updated:1",
    "client_order_id": "aq1-sig-IBM-k2-0",
    "version": 3,
    "symbol": "IBM",
    "side": "sell",
    "purpose": "exit",
    "role": "stop",
    "previous_status": "SUBMITTED",
    "filled_quantity": Decimal("1.5"),
    "filled_average_price": None,
}


@pytest.mark.parametrize(
    ("event", "subject", "holds"),
    [
        (REJECTED, "[paper] Not traded: buy IBM", ["the limit is 10%", "position_limit, cash_reserve"]),
        (
            OrderUpdated(**UPDATED, quantity=Decimal(7), status="rejected", message="asset halted"),
            "[paper] Order rejected: sell 7 IBM",
            ["Why: asset halted", "Filled: 1.5"],
        ),
        (
            OrderUpdated(**UPDATED, quantity=None, status="UNKNOWN"),
            "[paper] Order UNKNOWN: sell IBM",
            ["the broker gave no reason"],
        ),
        (
            RiskLimitBreached(
                **COMMON, id="r", code="missing_stop", message="No stop.", symbol="IBM", limit="1", used="0"
            ),
            "[paper] Risk: missing_stop IBM",
            ["No stop.", "Limit 1, used 0."],
        ),
        (
            BooksDrifted(**COMMON, id="b", message="After sync.", differences={"cash": "5 against 6"}),
            "[paper] Our books and the broker's disagree",
            ["cash: 5 against 6"],
        ),
        (
            TradingStateChanged(
                **COMMON, id="t", state="HALTED", previous_state="ACTIVE", author="ana", reason="news"
            ),
            "[paper] Trading is HALTED",
            ["from ACTIVE to HALTED, by ana: news"],
        ),
        (
            RunMissed(**COMMON, id="m", bar_close=AT, message="No run in time."),
            "[paper] A bar was not judged",
            ["Bar close: 2026-01-05 09:30:01 New York"],
        ),
        (
            ServiceDegraded(**COMMON, id="s", service="signal", message="no answer"),
            "[paper] signal is degraded",
            ["no answer"],
        ),
        (
            ServiceRecovered(**COMMON, id="s", service="signal", check="signal", degraded_since=AT),
            "[paper] signal is well again",
            ["since 2026-01-05 09:30:01 New York"],
        ),
        (
            NoticeGiven(
                **COMMON, id="n", author="ana", subject="Back at six", text="By train.", severity="info"
            ),
            "[paper] Back at six",
            ["By train.", "Sent by ana."],
        ),
    ],
)
def test_each_event_has_its_words(event: Event, subject: str, holds: list[str]) -> None:
    """Every event that the topic carries becomes a mail that says what matters."""
    mail = mail_of(event)
    assert mail.subject == subject
    assert not [part for part in holds if part not in mail.text]


def test_a_subject_is_one_line() -> None:
    """Text from outside cannot add headers to the mail."""
    event = ServiceDegraded(**COMMON, id="s", service="signal\r\nBcc: x@example.com", message="")
    assert "\n" not in mail_of(event).subject
    assert "\r" not in mail_of(event).subject


@pytest.mark.parametrize(
    ("price", "text"), [("1234567.891", "1,234,567.891 USD"), ("5", "5.00 USD"), ("1E+3", "1,000.00 USD")]
)
def test_money_is_never_rounded(price: str, text: str) -> None:
    """At least two decimals, and as many as the amount has."""
    filled = OrderFilled(
        **COMMON,
        id="f",
        fill_id="f",
        client_order_id="c",
        symbol="A",
        side="sell",
        purpose="exit",
        role="target",
        quantity=Decimal(1),
        price=Decimal(price),
        reason="",
    )
    assert mail_of(filled).subject == f"[paper] Sold 1 A at {text}"


def day(pnl: str, **more: Any) -> DaySummarised:
    """A day's summary."""
    given: dict[str, Any] = {
        "date": "2026-01-05", "equity": Decimal("100250.5"), "cash": Decimal(90000), "pnl": Decimal(pnl),
        "pnl_percent": Decimal("0.25"), "deposits": Decimal(0), "drawdown_percent": Decimal("1.5"),
        "fills": 3, "trades": [], "positions": [], "troubles": {},
    }  # fmt: skip
    return DaySummarised(**COMMON, id="summary:1", **{**given, **more})


def test_a_summary_says_what_the_day_came_to() -> None:
    """Result, equity, trades and positions with their money, and what went wrong."""
    mail = mail_of(
        day(
            "250.504",
            deposits=Decimal(100),
            trades=[DayTrade(symbol="IBM", quantity=Decimal(5), pnl=Decimal("-12.5031"))],
            positions=[DayPosition(symbol="AAPL", quantity=Decimal(53), value=Decimal("9924.25"))],
            troubles={"TradeRejected": 2},
        )
    )
    assert mail.subject == "[paper] 2026-01-05: up 250.50 USD"
    assert mail.text.splitlines()[:7] == [
        "Equity 100,250.50 USD, cash 90,000.00 USD, 1.50% below the peak.",
        "Result of the day 250.50 USD (+0.25%), deposits of 100.00 USD apart.",
        "Fills: 3. Trades closed: 1, for -12.50 USD.",
        "  IBM 5: -12.50 USD",
        "Positions: 1.",
        "  AAPL 53: 9,924.25 USD",
        "Trouble: 2 TradeRejected.",
    ]


@pytest.mark.parametrize(("pnl", "word"), [("0", "flat"), ("-3", "down 3.00 USD")])
def test_a_summary_has_the_result_in_its_subject(pnl: str, word: str) -> None:
    """Whoever reads the subject alone knows how the day went."""
    mail = mail_of(day(pnl))
    assert mail.subject.endswith(word)
    assert "Positions: none." in mail.text
    assert "Trouble: none." in mail.text


def test_a_summary_of_many_positions_stays_short() -> None:
    """Thirty are named, the rest is counted."""
    held = [DayPosition(symbol=f"S{n}", quantity=Decimal(1), value=Decimal(1)) for n in range(40)]
    assert "  and 10 more" in mail_of(day("0", positions=held)).text.splitlines()


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (FILLED, ("fill", "info")),
        (
            OrderFilled(**{**{f: getattr(FILLED, f) for f in FILLED.__struct_fields__}, "purpose": "exit"}),
            ("exit", "info"),
        ),
        (REJECTED, ("order", "info")),
        (BREACH, ("risk", "critical")),
        (RiskLimitBreached(**COMMON, id="r", code="loss_streak", message="m"), ("risk", "warning")),
        (
            TradingStateChanged(
                **COMMON, id="t", state="HALTED", previous_state="ACTIVE", author="a", reason="r"
            ),
            ("risk", "critical"),
        ),
        (
            TradingStateChanged(
                **COMMON, id="t", state="ACTIVE", previous_state="HALTED", author="a", reason="r"
            ),
            ("risk", "warning"),
        ),
        (
            NoticeGiven(**COMMON, id="n", author="a", subject="s", text="", severity="critical"),
            ("notice", "critical"),
        ),
        (
            NoticeGiven(**COMMON, id="n", author="a", subject="s", text="", severity="loud"),
            ("notice", "info"),
        ),
    ],
)
def test_an_event_has_its_category_and_severity(event: Event, kind: tuple[str, str]) -> None:
    """Preferences go by both."""
    assert kind_of(event) == kind


def test_what_is_mailed_can_be_told() -> None:
    """Every event that people are mailed about is an event; a person's word does not go over the bus."""
    assert set(MAILED_EVENTS) <= set(EVENTS)
    assert "NoticeGiven" not in MAILED_EVENTS


def test_a_digest_lists_its_mails_and_is_as_severe_as_the_worst() -> None:
    """Subjects first, then each in full, in order."""
    mails = [Mail("one", "first text", "fill", "info"), Mail("two", "second text", "order", "warning")]
    digest = digest_of(mails, "paper")
    assert (digest.subject, digest.severity) == ("[paper] 2 messages", "warning")
    assert digest.text.splitlines()[:2] == ["- one", "- two"]
    assert digest.text.index("first text") < digest.text.index("second text")
