"""The owner's mail: what it says, and that nothing is told twice or lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import boto3
import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from alpaquero.events.mails import mail_of
from alpaquero.events.schemas import (
    BooksDrifted,
    Event,
    OrderFilled,
    OrderUpdated,
    RiskLimitBreached,
    RunMissed,
    ServiceDegraded,
    SignalRaised,
    TradeRejected,
    TradingStateChanged,
)
from alpaquero.store.notifications import DeliveryItem, record_sent
from functions.notification import api, deliver
from tests.fakes.proxy import body_of, proxy_event

Batch = Callable[..., dict[str, Any]]
AT = datetime(2026, 1, 5, 14, 30, 1, tzinfo=UTC)
COMMON: dict[str, Any] = {"occurred_at": AT, "correlation_id": "run-1", "account": "paper"}
FILLED = OrderFilled(
    **COMMON,
    id="filled:1",
    fill_id="20260105093001000::1",
    client_order_id="aq1-sig-AAPL-k1-0",
    symbol="AAPL",
    side="buy",
    purpose="entry",
    role=None,
    quantity=Decimal("53.000"),
    price=Decimal("187.2500"),
    reason="StochRSI crossed up at 14.2",
)
REJECTED = TradeRejected(
    **COMMON,
    id="rejected:1",
    client_order_id="aq1-sig-IBM-k2-0",
    symbol="IBM",
    side="buy",
    codes=["position_limit", "cash_reserve"],
    message="the position would be 12% of equity, the limit is 10%",
)


@pytest.fixture
def outbox(tables: None) -> Iterator[list[Any]]:
    """The mails SES took during a test."""
    deliver.ses.cache_clear()
    boto3.client("ses").verify_email_identity(EmailAddress="alpaquero@example.com")
    yield ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages
    deliver.ses.cache_clear()


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


def test_a_batch_is_mailed_and_recorded(outbox: list[Any], delivered: Batch) -> None:
    """Each event is one mail from and to the addresses of the settings, and one record."""
    assert deliver.handler(delivered(FILLED, REJECTED), None) == {"batchItemFailures": []}
    assert [mail.subject for mail in outbox] == [mail_of(FILLED).subject, mail_of(REJECTED).subject]
    assert (outbox[0].source, outbox[0].destinations["ToAddresses"]) == (
        "alpaquero@example.com",
        ["owner@example.com"],
    )
    assert outbox[0].body == mail_of(FILLED).text
    records = {item.sk: item for item in DeliveryItem.query("paper")}
    assert set(records) == {"SENT#filled:1#email", "SENT#rejected:1#email"}
    filled = records["SENT#filled:1#email"]
    assert (filled.event, filled.subject) == ("OrderFilled", mail_of(FILLED).subject)
    assert filled.expires_at - filled.sent_at == 30 * 24 * 3600


def test_a_repeated_event_is_mailed_once(outbox: list[Any], delivered: Batch) -> None:
    """Queues deliver at least once; the owner reads it once."""
    deliver.handler(delivered(FILLED, FILLED), None)
    deliver.handler(delivered(FILLED), None)
    assert len(outbox) == 1


def test_a_mail_that_fails_is_sent_again(outbox: list[Any], delivered: Batch) -> None:
    """A refused mail leaves no record, so its queue brings it again; others are not held up."""
    real = deliver.ses()

    class Ses:
        def send_email(self, **mail: Any) -> Any:
            if "AAPL" in mail["Message"]["Subject"]["Data"]:
                raise ConnectionError("no route")
            return real.send_email(**mail)

    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(deliver, "ses", Ses)
        answer = deliver.handler(delivered(FILLED, REJECTED), None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert [mail.subject for mail in outbox] == [mail_of(REJECTED).subject]
    assert deliver.handler(delivered(FILLED), None) == {"batchItemFailures": []}
    assert [mail.subject for mail in outbox] == [mail_of(REJECTED).subject, mail_of(FILLED).subject]


def test_a_crash_before_the_record_mails_again(outbox: list[Any], delivered: Batch) -> None:
    """Sent but not recorded means sent again: twice is better than never."""

    def crash(*_: Any, **__: Any) -> bool:
        raise ConnectionError("the table is away")

    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(deliver, "record_sent", crash)
        assert deliver.handler(delivered(FILLED), None)["batchItemFailures"]
    assert deliver.handler(delivered(FILLED), None) == {"batchItemFailures": []}
    assert len(outbox) == 2


def test_two_workers_record_one_delivery(tables: None) -> None:
    """Of two workers with the same event one is told that the other was first."""
    record: dict[str, Any] = {"event": "OrderFilled", "subject": "s", "message_id": "m"}
    assert record_sent("paper", "e1", "email", **record) is True
    assert record_sent("paper", "e1", "email", **record) is False
    assert record_sent("paper", "e1", "sms", **record) is True


def test_an_event_nobody_is_mailed_about_goes_back(outbox: list[Any], delivered: Batch) -> None:
    """If the rule sent one by mistake it ends in the dead-letter queue, where it is seen."""
    raised = SignalRaised(
        **COMMON,
        id="signal:1",
        run_id="r",
        symbol="AAPL",
        side="buy",
        strategy="s",
        timeframe="1Day",
        bar_close=AT,
        strength=1,
        reference_price=Decimal(1),
        reason="",
        values={},
    )
    assert deliver.handler(delivered(raised), None) == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert outbox == []


def test_the_settings_name_channel_and_events() -> None:
    """The services' API tells who is mailed about what."""
    answer = api.app(proxy_event("GET", "/notification/notifications/settings"), None)
    settings = body_of(answer)
    assert settings["channels"] == {"email": "owner@example.com"}
    assert {"OrderFilled", "TradeRejected", "RunMissed"} <= set(settings["events"])
    assert body_of(api.app(proxy_event("GET", "/notification/health"), None))["status"] == "ok"
