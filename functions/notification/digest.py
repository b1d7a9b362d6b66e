"""Sends what has waited, and tells of the day once it is over; started each minute by `DigestSchedule`.

What waited for a digest, the end of quiet hours, the next hour or a channel that kept failing goes as one
message a channel. A channel that fails is tried less and less, and after a day in vain its messages are
given up, with an alert. The day's summary is an event like any other, raised some minutes after the close,
when the books are level.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from hashlib import sha256
from typing import Any

from alpaquero import wall
from alpaquero.broker.alpaca import connect_clock
from alpaquero.broker.protocol import ClockReader
from alpaquero.errors import BrokerError, LeftAlone
from alpaquero.events import bus
from alpaquero.events.mails import digest_of
from alpaquero.events.schemas import DayPosition, DaySummarised, DayTrade, EquityMarked
from alpaquero.notifications import channels
from alpaquero.notifications.preferences import Channel, recipients
from alpaquero.observability import count, logger, observed
from alpaquero.portfolio.movements import begins
from alpaquero.prices.sessions import NEW_YORK, Session
from alpaquero.settings import ClockSettings, Text, load
from alpaquero.store import analytics, health
from alpaquero.store import notifications as store
from alpaquero.store.books import Books
from alpaquero.store.notifications import Delivery, State, Summary, Waiting
from alpaquero.store.risk_facts import sessions_around

AFTER_CLOSE = timedelta(minutes=10)  # by then sync has the last fills, and the monitor has marked
LOOK_BACK = timedelta(days=7)  # to the mark before, over any holiday
ONE_DAY = timedelta(days=1)
MOST_AT_ONCE = 50  # messages of a digest
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(minutes=15)  # between two tries of a channel


class DigestSettings(ClockSettings, frozen=True, kw_only=True):
    """What this function needs: clock and calendar, the bus, from whom and to which owner."""

    bus: Text
    mail_from: Text
    mail_to: Text


SETTINGS = load(DigestSettings)
BOOKS = Books(SETTINGS.account)


@cache
def _clock() -> ClockReader:
    return connect_clock(SETTINGS)


@observed("notification")
def handler(_event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Sends the digests that are due, then the summary; answers what it did."""
    sent = send_digests(wall.now())
    try:
        day = summarise(_clock().clock().now)
    except BrokerError as error:
        logger.warning("no market time, so no summary yet; the next minute asks again", error=str(error))
        day = None
    health.record_work("notification", detail="digest")
    return {"digests": sent, "summary": day}


# digests


def send_digests(now: datetime) -> int:
    """Sends what is due, one message a channel; answers how many.

    A channel that failed rests, twice as long each time; what was due a day ago is given up.
    """
    due = _due(now)
    if not due:
        return 0
    known = {
        (preferences.user, channel.name): channel
        for preferences in recipients(store.preferences(SETTINGS.account), SETTINGS.mail_to)
        for channel in preferences.channels
    }
    sent = 0
    for (user, name), waiting in due.items():
        channel = known.get((user, name))
        if channel is None:
            _end(waiting, "the channel was removed", now)
            continue
        chosen = sorted(waiting, key=lambda one: one.due_at)[:MOST_AT_ONCE]
        try:
            sent += _send(chosen, channel, now)
        except LeftAlone as error:
            logger.warning("a digest waits on", user=user, channel=name, error=str(error))
        except Exception:
            logger.exception("a digest was not delivered", user=user, channel=name)
            count("NotDelivered", channel=channel.kind)
    return sent


def _due(now: datetime) -> dict[tuple[str, str], list[Waiting]]:
    """What is due by user and channel, without the channels that rest after a failure."""
    by_way: dict[tuple[str, str], list[Waiting]] = defaultdict(list)
    for one in store.waiting(SETTINGS.account):
        by_way[one.delivery.user, one.delivery.channel].append(one)
    awake = {
        way: waiting
        for way, waiting in by_way.items()
        if not any(one.tries and one.due_at > now for one in waiting)
    }
    due = {way: [one for one in waiting if one.due_at <= now] for way, waiting in awake.items()}
    return {way: waiting for way, waiting in due.items() if waiting}


def _pause(tries: int) -> timedelta:
    """How long a channel rests after a failure that `tries` others went before."""
    return min(FIRST_PAUSE * (1 << min(tries, 10)), LONGEST_PAUSE)


def _give_up_old(waiting: Sequence[Waiting], now: datetime, error: Exception) -> list[Waiting]:
    """Ends what has been due for a day and tells the health monitor; answers the rest."""
    old = [one for one in waiting if now - one.due_since >= ONE_DAY]
    if old:
        first = old[0].delivery
        logger.error("messages were given up", user=first.user, channel=first.channel, messages=len(old))
        health.record_undelivered(
            health.Undelivered(user=first.user, channel=first.channel, messages=len(old), at=now)
        )
        _end(old, f"tried for a day; {type(error).__name__}: {error}", now)
    return [one for one in waiting if one not in old]


def _send(waiting: Sequence[Waiting], channel: Channel, now: datetime) -> bool:
    first = waiting[0].delivery
    mail = (
        waiting[0].mail if len(waiting) == 1 else digest_of([one.mail for one in waiting], SETTINGS.account)
    )
    content = "\n".join(one.delivery.id for one in waiting)
    digest = Delivery(
        event_id=f"digest:{sha256(content.encode()).hexdigest()[:16]}",
        event="Digest",
        user=first.user,
        channel=first.channel,
        kind=channel.kind,
        category=mail.category,
        severity="info",  # each message in it is in the log with its own
        subject=mail.subject,
    )
    if store.claim(SETTINGS.account, digest, now):
        try:
            outcome = channels.send(
                mail,
                channel,
                digest.id,
                mail_from=SETTINGS.mail_from,
                local=SETTINGS.environment == "local",
            )
        except Exception as error:
            store.record(SETTINGS.account, digest, State.FAILED, f"{type(error).__name__}: {error}", now)
            left = _give_up_old(waiting, now, error)
            if not isinstance(error, LeftAlone):  # which was no try
                store.put_off(SETTINGS.account, left, now + _pause(max(one.tries for one in waiting)))
            raise
        store.record(SETTINGS.account, digest, State.SENT, outcome, wall.now())
    elif store.state_of(SETTINGS.account, digest) is not State.SENT:
        return False  # another worker has it in hand
    for one in waiting:
        store.record(SETTINGS.account, one.delivery, State.SENT, f"in {digest.event_id}", wall.now())
    store.let_go(SETTINGS.account, waiting)
    count("Delivered", channel=channel.kind)
    return True


def _end(waiting: Sequence[Waiting], why: str, now: datetime) -> None:
    """Gives messages up, as the log says."""
    for one in waiting:
        store.record(SETTINGS.account, one.delivery, State.GIVEN_UP, why, now)
    store.let_go(SETTINGS.account, waiting)


# the day


def summarise(now: datetime) -> str | None:
    """Tells of the newest session that is over at market time `now`; its date, None when it was told.

    The event goes out first: a crash in between tells it again under the same id, which is dropped.
    """
    session = over(sessions_around(_clock(), now), now)
    last = store.last_summary(SETTINGS.account)
    if session is None or (last is not None and last.day >= session.date.isoformat()):
        return None
    summary = summary_of(session, last.at if last else wall.now() - ONE_DAY)
    if summary is None:
        return None
    bus.publish([bus.encoded(summary, "notification")], SETTINGS.bus)
    store.record_summary(SETTINGS.account, Summary(day=summary.date, at=wall.now()))
    return summary.date


def over(sessions: Sequence[Session], now: datetime) -> Session | None:
    """The newest session that has been over for some minutes."""
    return max(
        (one for one in sessions if one.close + AFTER_CLOSE <= now), key=lambda one: one.close, default=None
    )


def summary_of(session: Session, warned_since: datetime) -> DaySummarised | None:
    """What a session came to by the marks, fills and trades of its day; None when it was never marked.

    `warned_since` is wall time: since the last summary.
    """
    marks = analytics.marks_since(SETTINGS.account, session.open - LOOK_BACK)
    of_day = [mark for mark in marks if _day(mark.occurred_at) == session.date]
    book = BOOKS.risk_book()
    if not of_day or book is None:
        return None
    before = [mark for mark in marks if _day(mark.occurred_at) < session.date]
    start: EquityMarked = before[-1] if before else of_day[0]
    deposits = sum(
        (
            movement.amount
            for movement in BOOKS.cash_movements()
            if movement.is_funding and start.occurred_at < movement.at <= of_day[-1].occurred_at
        ),
        Decimal(0),
    )
    end = of_day[-1]
    pnl = end.equity - start.equity - deposits
    begin = begins(session.date)  # years of fills and trades are not read for a day
    trades = analytics.trades_since(SETTINGS.account, begin)
    closed = [trade for trade in trades if _day(trade.closed_at) == session.date]
    return DaySummarised(
        id=f"summary:{SETTINGS.account}:{session.date}",
        occurred_at=session.close,
        account=SETTINGS.account,
        date=session.date.isoformat(),
        equity=end.equity,
        cash=end.cash,
        pnl=pnl,
        pnl_percent=pnl / start.equity * 100 if start.equity > 0 else Decimal(0),
        deposits=deposits,
        drawdown_percent=end.drawdown_percent,
        fills=sum(_day(fill.at) == session.date for fill in BOOKS.fills_since(begin)),
        trades=[DayTrade(symbol=one.symbol, quantity=one.quantity, pnl=one.pnl) for one in closed],
        positions=[
            DayPosition(symbol=symbol, quantity=held.quantity, value=held.market_value)
            for symbol, held in sorted(book.positions.items())
        ],
        troubles=store.troubles(SETTINGS.account, warned_since),
    )


def _day(at: datetime) -> date:
    return at.astimezone(NEW_YORK).date()
