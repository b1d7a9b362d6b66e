"""What has waited goes as one message, once; and the day is told of after its close, once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError

from alpaquero import wall
from alpaquero.broker.breaker import Breaker
from alpaquero.errors import BrokerUnavailable
from alpaquero.events.mails import mail_of
from alpaquero.events.schemas import DaySummarised, EquityMarked, Event
from alpaquero.notifications import channels
from alpaquero.notifications.preferences import OWNER, Channel, Preferences
from alpaquero.orders.intent import Side
from alpaquero.orders.order import Fill
from alpaquero.portfolio.movements import CashMovement
from alpaquero.portfolio.trades import Trade
from alpaquero.prices.sessions import Session
from alpaquero.risk.book import RiskBook
from alpaquero.store import analytics, checks
from alpaquero.store import notifications as store
from alpaquero.store.books import Books
from alpaquero.store.broker_state import OutboundState
from alpaquero.store.notifications import Delivery, State
from alpaquero.store.tables import to_body
from functions.notification import deliver, digest
from tests.unit.notification.conftest import Clock
from tests.unit.notification.samples import BREACH, FILLED, REJECTED, degraded

Batch = Callable[..., dict[str, Any]]
HOURLY = Channel(name="mail", kind="email", address="ana@example.com", digest="hourly")
OPEN = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
MONDAY = Session(date(2026, 1, 5), OPEN, OPEN + timedelta(hours=6.5))
FRIDAY = Session(date(2026, 1, 2), OPEN - timedelta(days=3), OPEN - timedelta(days=3) + timedelta(hours=6.5))


@pytest.fixture
def held(outbox: list[Any], delivered: Batch, clock: Clock) -> list[Any]:
    """Two messages that wait for the next full hour; the mails that are sent from now on."""
    store.save_preferences("paper", Preferences(user=OWNER, channels=[HOURLY]), clock.at)
    deliver.handler(delivered(FILLED, REJECTED), None)
    assert outbox == []
    return outbox


def states() -> dict[str, str]:
    """The state of each delivery."""
    logged, _ = store.newest("paper", 50)
    return {one.delivery.event: one.state.value for one in logged}


def test_what_waited_goes_as_one_message(held: list[Any], clock: Clock) -> None:
    """Not before it is due; then all of it, and the log says that each was sent."""
    assert digest.send_digests(clock.at) == 0
    clock.move(minutes=40)
    assert digest.send_digests(clock.at) == 1
    (mail,) = held
    assert mail.subject == "[paper] 2 messages"
    assert mail_of(FILLED).subject in mail.body
    assert mail_of(REJECTED).text in mail.body
    assert states() == {"OrderFilled": "sent", "TradeRejected": "sent", "Digest": "sent"}
    assert (store.waiting("paper"), digest.send_digests(clock.at)) == ([], 0)


def test_one_that_waited_alone_goes_as_it_is(outbox: list[Any], delivered: Batch, clock: Clock) -> None:
    """A digest of one would only hide it."""
    store.save_preferences("paper", Preferences(user=OWNER, channels=[HOURLY]), clock.at)
    deliver.handler(delivered(FILLED), None)
    clock.move(hours=1)
    digest.send_digests(clock.at)
    assert [mail.subject for mail in outbox] == [mail_of(FILLED).subject]


def no_mail(broken: pytest.MonkeyPatch, error: Exception | None = None) -> list[datetime]:
    """Lets every mail fail; the times at which one was tried."""
    tried: list[datetime] = []

    def fail() -> None:
        tried.append(wall.now())
        raise error or ConnectionError("no route")

    broken.setattr(channels, "ses", fail)
    return tried


def test_a_digest_that_fails_is_sent_the_next_minute(
    held: list[Any], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps waiting, and the log says why."""
    clock.move(hours=1)
    with monkeypatch.context() as broken:
        no_mail(broken)
        assert digest.send_digests(clock.at) == 0
    assert states() == {"OrderFilled": "held", "TradeRejected": "held", "Digest": "failed"}
    clock.move(minutes=1)
    assert digest.send_digests(clock.at) == 1
    assert len(held) == 1


ANSWER: Any = {
    "Error": {"Code": "MessageRejected", "Message": "no"},
    "ResponseMetadata": {"HTTPStatusCode": 400},
}
REFUSED = ClientError(ANSWER, "SendEmail")


def test_a_channel_that_fails_for_good_is_tried_less_and_less_then_given_up(
    held: list[Any], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address that mail refuses opens no breaker: a hundred tries in a day, not 1,440, then an alert."""
    clock.move(hours=1)
    began = clock.at
    tried = no_mail(monkeypatch, REFUSED)
    while clock.at < began + timedelta(days=1, minutes=20):
        digest.send_digests(clock.at)
        clock.move(minutes=1 if len(tried) < 5 else 15)
    waited = [(later - sooner) // timedelta(minutes=1) for sooner, later in pairwise(tried)]
    assert (waited[:5], set(waited[4:])) == ([1, 2, 4, 8, 15], {15})
    due = began.replace(minute=0)  # the full hour that they waited for
    assert due + timedelta(days=1) <= tried[-1] < due + timedelta(days=1, minutes=15)
    assert (store.waiting("paper"), held) == ([], [])
    given_up, _ = store.newest("paper", 50, state=State.GIVEN_UP)
    assert {one.delivery.event for one in given_up} == {"OrderFilled", "TradeRejected"}
    assert all("tried for a day" in one.outcome and "MessageRejected" in one.outcome for one in given_up)
    found = checks.undelivered_finding(clock.at)
    assert (found.is_bad, "2 of owner's mail" in found.message) == (True, True)
    assert checks.undelivered_finding(clock.at + timedelta(days=1)).is_bad is False


def test_what_comes_while_a_channel_rests_goes_with_what_it_rests_for(
    held: list[Any], delivered: Batch, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that is due meanwhile is no reason to try again sooner; then all go as one."""
    clock.move(hours=1)
    with monkeypatch.context() as broken:
        tried = no_mail(broken, REFUSED)
        for _ in range(4):
            digest.send_digests(clock.at)
            clock.move(minutes=1)
        assert len(tried) == 3
        store.hold(
            "paper",
            Delivery(
                event_id="e-9", event="OrderFilled", user=OWNER, channel="mail", kind="email",
                category="fill", severity="info", subject="late",
            ),
            mail_of(FILLED), clock.at, why="a test", now=clock.at,
        )  # fmt: skip
        digest.send_digests(clock.at)
        assert len(tried) == 3
    clock.move(minutes=4)
    assert digest.send_digests(clock.at) == 1
    assert [mail.subject for mail in held] == ["[paper] 3 messages"]


def test_what_was_sent_meanwhile_is_not_put_off(held: list[Any], clock: Clock) -> None:
    """Of two workers one sends; what the other one failed with does not come back for that."""
    waiting = store.waiting("paper")
    clock.move(hours=1)
    assert digest.send_digests(clock.at) == 1
    store.put_off("paper", waiting, clock.at)
    assert (store.waiting("paper"), len(held)) == ([], 1)


def test_a_digest_of_a_channel_that_is_left_alone_waits_on(
    held: list[Any], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mail that failed five times is not asked again before its time; nothing of what waited is lost."""
    clock.move(hours=1)
    is_open = Breaker(failures=5, open_until=clock.at.timestamp() + 60, opened=1, version=1)
    OutboundState().swap("mail", Breaker(), is_open)
    with monkeypatch.context() as broken:
        tried = no_mail(broken)
        assert digest.send_digests(clock.at) == 0
    (failed,), _ = store.newest("paper", 5, state=State.FAILED)
    assert "keeps failing and is left alone" in failed.outcome
    assert (tried, held, len(store.waiting("paper"))) == ([], [], 2)
    clock.move(minutes=1)
    assert (digest.send_digests(clock.at), len(held)) == (1, 1)


def test_a_crash_after_the_digest_was_sent_sends_no_second(
    held: list[Any], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own record says that it went, so what is left is to note it for each message."""
    clock.move(hours=1)
    with monkeypatch.context() as broken:
        broken.setattr(store, "let_go", Mock(side_effect=ConnectionError("the table is away")))
        digest.send_digests(clock.at)
    assert len(store.waiting("paper")) == 2
    digest.send_digests(clock.at)
    assert (len(held), store.waiting("paper")) == (1, [])


def test_a_crash_before_the_digest_was_recorded_sends_it_again(
    held: list[Any], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the lease is over, for nobody knows whether it went."""
    clock.move(hours=1)
    with monkeypatch.context() as broken:
        broken.setattr(store, "record", Mock(side_effect=ConnectionError("the table is away")))
        digest.send_digests(clock.at)
    assert digest.send_digests(clock.at) == 0
    clock.move(seconds=store.LEASE_SECONDS + 1)
    assert digest.send_digests(clock.at) == 1
    assert len(held) == 2


def test_what_waits_for_a_channel_that_is_gone_is_given_up(held: list[Any], clock: Clock) -> None:
    """Whoever removes a channel wants nothing over it any more, and the log says so."""
    store.save_preferences("paper", Preferences(user=OWNER, version=1), clock.at)
    clock.move(hours=1)
    assert digest.send_digests(clock.at) == 0
    assert set(states().values()) == {"given_up"}
    assert (held, store.waiting("paper")) == ([], [])


# the day


class Market:
    """A clock and a calendar of two sessions."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def clock(self) -> Market:
        return self


@pytest.fixture
def market(monkeypatch: pytest.MonkeyPatch) -> Market:
    """A quarter of an hour after Monday's close."""
    one = Market(MONDAY.close + timedelta(minutes=15))
    monkeypatch.setattr(digest, "_clock", lambda: one)
    monkeypatch.setattr(digest, "sessions_around", lambda _clock, _now: (FRIDAY, MONDAY))
    return one


def mark(at: datetime, equity: str) -> None:
    """Keeps an equity mark."""
    one = EquityMarked(
        id=f"mark:{at}", occurred_at=at, account="paper", equity=Decimal(equity), cash=Decimal(500),
        peak_equity=Decimal(2000), drawdown_percent=Decimal("2.5"),
    )  # fmt: skip
    analytics.save_mark("paper", one)


def books() -> None:
    """A risk book, a fill of each day, and a deposit on Monday."""
    fills = [
        Fill(
            id=f"{session.open:%Y%m%d%H%M%S}::x", account="paper", client_order_id=None, broker_order_id="b",
            symbol="IBM",
            side=Side.BUY, quantity=Decimal(2), price=Decimal(100), at=session.open,
        )
        for session in (FRIDAY, MONDAY)
    ]  # fmt: skip
    deposit = CashMovement(id="d", account="paper", kind="CSD", at=MONDAY.open, amount=Decimal(100))
    book = RiskBook(
        account="paper",
        cash=Decimal(500),
        equity=Decimal(1000),
        peak_equity=Decimal(2000),
        as_of=MONDAY.close,
    )
    Books("paper").commit(risk_book=book, new_fills=fills, movements=[deposit])


def round_trip(closed_at: datetime, pnl: str) -> None:
    """Keeps a trade under the sort key that the projection gives it."""
    one, name = Decimal(1), f"{analytics.TRADE}{closed_at.isoformat()}#IBM"
    trade = Trade(
        symbol="IBM", side=Side.BUY, quantity=one, opened_at=FRIDAY.open, closed_at=closed_at,
        entry_price=one, exit_price=one, pnl=Decimal(pnl), pnl_percent=None,
    )  # fmt: skip
    analytics.AnalyticsItem("paper", name, body=to_body(trade)).save()


@pytest.mark.usefixtures("outbox")
def test_the_day_is_told_of_once_after_its_close(
    market: Market, clock: Clock, published: list[Event], delivered: Batch
) -> None:
    """Result without the deposit, the day's own fills and trades, and what people were warned of since."""
    books()
    round_trip(FRIDAY.close, "3")
    round_trip(MONDAY.open, "4")
    mark(FRIDAY.close, "1000")
    mark(MONDAY.open, "1090")
    mark(MONDAY.close, "1150")
    deliver.handler(delivered(FILLED, REJECTED), None)
    assert digest.handler({"job": "digest"}, None)["summary"] == "2026-01-05"
    assert digest.handler({"job": "digest"}, None)["summary"] is None
    (told,) = published
    assert isinstance(told, DaySummarised)
    assert (told.id, told.occurred_at) == ("summary:paper:2026-01-05", MONDAY.close)
    assert (told.equity, told.pnl, told.deposits, told.pnl_percent) == (1150, 50, 100, 5)
    assert (told.fills, [one.pnl for one in told.trades], told.troubles) == (1, [4], {})


@pytest.mark.usefixtures("tables")
def test_the_day_is_not_told_of_before_the_books_are_level(
    market: Market, clock: Clock, published: list[Event]
) -> None:
    """Ten minutes after the close, not before; until then the session before counts."""
    books()
    mark(MONDAY.close, "1150")
    market.now = MONDAY.close + timedelta(minutes=9)
    assert digest.handler({"job": "digest"}, None)["summary"] is None
    assert published == []
    market.now = MONDAY.close + timedelta(minutes=10)
    assert digest.handler({"job": "digest"}, None)["summary"] == "2026-01-05"


@pytest.mark.usefixtures("tables")
def test_a_day_that_was_never_marked_is_not_told_of(
    market: Market, clock: Clock, published: list[Event]
) -> None:
    """A stack that was set up after the close has nothing to say."""
    assert digest.handler({"job": "digest"}, None)["summary"] is None
    books()
    assert digest.handler({"job": "digest"}, None)["summary"] is None
    assert published == []


def test_without_market_time_the_digests_go_all_the_same(
    held: list[Any], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker being away holds up the summary alone."""

    def away() -> None:
        raise BrokerUnavailable("no answer")

    monkeypatch.setattr(digest, "_clock", away)
    clock.move(hours=1)
    assert digest.handler({"job": "digest"}, None) == {"digests": 1, "summary": None}


@pytest.mark.usefixtures("outbox")
def test_troubles_are_what_people_were_warned_of(delivered: Batch, clock: Clock) -> None:
    """An event counts once however many were told; what is only information does not."""
    deliver.handler(delivered(BREACH, degraded(1), FILLED), None)
    assert store.troubles("paper", clock.at) == {"RiskLimitBreached": 1, "ServiceDegraded": 1}
    assert store.troubles("paper", clock.at + timedelta(seconds=1)) == {}
