"""Telling people: nothing is told twice or lost, each channel for itself, and preferences are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sns.models import sns_backends

from alpaquero.events.mails import mail_of
from alpaquero.events.schemas import NoticeGiven, ServiceRecovered, SignalRaised, TradingStateChanged
from alpaquero.notifications import channels
from alpaquero.notifications.preferences import OWNER, Channel, Preferences
from alpaquero.store import notifications as store
from alpaquero.store.notifications import NotificationItem, State
from functions.notification import deliver, digest
from tests.fakes.http_server import Reply, scripted_server
from tests.fakes.queues import FakeQueues
from tests.unit.notification.conftest import Clock
from tests.unit.notification.samples import (
    AT,
    BREACH,
    COMMON,
    FILLED,
    KEY,
    REJECTED,
    degraded,
    keep_webhook,
)

Batch = Callable[..., dict[str, Any]]
ALL_WELL: dict[str, Any] = {"batchItemFailures": []}
FIRST_FAILED = {"batchItemFailures": [{"itemIdentifier": "0"}]}
MAIL = Channel(name="mail", kind="email", address="ana@example.com")
PHONE = Channel(name="phone", kind="sms", address="+15551234567")
HOOK = Channel(name="hook", kind="webhook", address="team")


def wants(*ways: Channel, clock: Clock, user: str = OWNER, **more: Any) -> None:
    """A user's settings; the owner's own by default, so that nobody else is told."""
    found = store.preferences_of("paper", user)
    version = found.version if found else 0
    store.save_preferences(
        "paper", Preferences(user=user, channels=list(ways), version=version, **more), clock.at
    )


def log() -> dict[str, tuple[str, int]]:
    """State and attempts of each delivery."""
    logged, _ = store.newest("paper", 50)
    return {one.delivery.id: (one.state.value, one.attempts) for one in logged}


def tries(batch: dict[str, Any], number: int) -> dict[str, Any]:
    """The batch as SQS brings it for the `number`th time."""
    for record in batch["Records"]:
        record["attributes"] = {"ApproximateReceiveCount": str(number)}
    return batch


def test_a_batch_is_mailed_and_recorded(outbox: list[Any], delivered: Batch) -> None:
    """Without settings each event is one mail to the owner, and one delivery in the log."""
    assert deliver.handler(delivered(FILLED, REJECTED), None) == ALL_WELL
    assert [mail.subject for mail in outbox] == [mail_of(FILLED).subject, mail_of(REJECTED).subject]
    assert (outbox[0].source, outbox[0].destinations["ToAddresses"]) == (
        "alpaquero@example.com",
        ["owner@example.com"],
    )
    assert outbox[0].body == mail_of(FILLED).text
    assert log() == {"filled:1#owner#email": ("sent", 1), "rejected:1#owner#email": ("sent", 1)}
    item = NotificationItem.get("paper", "SENT#filled:1#owner#email")
    assert item.outcome
    assert item.expires_at


@pytest.mark.usefixtures("outbox")
def test_deliveries_are_forgotten_after_a_month(delivered: Batch, clock: Clock) -> None:
    """The table deletes them by itself."""
    deliver.handler(delivered(FILLED), None)
    item = NotificationItem.get("paper", "SENT#filled:1#owner#email")
    assert item.expires_at == int(clock.at.timestamp()) + 30 * 24 * 3600


def test_a_repeated_event_is_told_once(outbox: list[Any], delivered: Batch) -> None:
    """Queues deliver at least once; the owner reads it once."""
    deliver.handler(delivered(FILLED, FILLED), None)
    deliver.handler(delivered(FILLED), None)
    assert len(outbox) == 1


def test_a_failure_comes_again_later_and_later(
    outbox: list[Any], queues: FakeQueues, delivered: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four pauses that grow; after the fifth try it is given up at once, and the log says why."""
    monkeypatch.setattr(channels, "ses", Mock(side_effect=ConnectionError("no route")))
    for number in range(1, 6):
        assert deliver.handler(tries(delivered(FILLED), number), None) == FIRST_FAILED
        state = "failed" if number < 5 else "given_up"
        assert log() == {"filled:1#owner#email": (state, number)}
    assert [pause for _, _, pause in queues.delayed] == [15, 60, 300, 900]
    (given_up,), _ = store.newest("paper", 5, state=State.GIVEN_UP)
    assert given_up.outcome == "ConnectionError: no route"
    assert outbox == []


def test_a_redriven_event_is_delivered(
    outbox: list[Any], queues: FakeQueues, delivered: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was given up is sent when its dead letter comes back."""
    with monkeypatch.context() as broken:
        broken.setattr(channels, "ses", Mock(side_effect=ConnectionError("no route")))
        deliver.handler(tries(delivered(FILLED), 5), None)
    assert deliver.handler(delivered(FILLED), None) == ALL_WELL
    assert (len(outbox), log()) == (1, {"filled:1#owner#email": ("sent", 2)})


def test_one_channel_that_fails_holds_up_no_other(
    outbox: list[Any], queues: FakeQueues, delivered: Batch, clock: Clock
) -> None:
    """The mail goes out once although the webhook has no secret; only the webhook is tried again."""
    wants(HOOK, MAIL, clock=clock)
    assert deliver.handler(delivered(FILLED), None) == FIRST_FAILED
    assert deliver.handler(delivered(FILLED), None) == FIRST_FAILED
    assert len(outbox) == 1
    assert log() == {"filled:1#owner#hook": ("failed", 2), "filled:1#owner#mail": ("sent", 1)}


def test_a_crash_between_sending_and_recording_sends_again(
    outbox: list[Any], queues: FakeQueues, delivered: Batch, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent and not recorded means sent again, once the lease is over: twice is better than never."""
    with monkeypatch.context() as broken:
        broken.setattr(store, "record", Mock(side_effect=ConnectionError("the table is away")))
        assert deliver.handler(delivered(FILLED), None) == FIRST_FAILED
    assert log() == {"filled:1#owner#email": ("sending", 1)}
    assert deliver.handler(delivered(FILLED), None) == FIRST_FAILED  # the lease of the dead worker
    assert len(outbox) == 1
    clock.move(seconds=store.LEASE_SECONDS + 1)
    assert deliver.handler(delivered(FILLED), None) == ALL_WELL
    assert (len(outbox), log()) == (2, {"filled:1#owner#email": ("sent", 2)})


def test_of_two_workers_one_sends(
    outbox: list[Any], queues: FakeQueues, delivered: Batch, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one sends, another that has the same event leaves it, and it comes back after the lease."""
    real, nested = channels.send, []

    def slow(*given: Any, **more: Any) -> str:
        if not nested:
            nested.append(None)
            nested[0] = deliver.handler(delivered(FILLED), None)
        return real(*given, **more)

    monkeypatch.setattr(channels, "send", slow)
    assert deliver.handler(delivered(FILLED), None) == ALL_WELL
    assert nested == [FIRST_FAILED]
    assert [pause for _, _, pause in queues.delayed] == [store.LEASE_SECONDS]
    assert len(outbox) == 1


def test_each_user_is_told_as_he_wants(outbox: list[Any], delivered: Batch, clock: Clock) -> None:
    """One wants all by mail, another what is critical by SMS."""
    wants(MAIL, clock=clock, user="ana")
    wants(
        Channel(name="phone", kind="sms", address="+15551234567", severity="critical"),
        clock=clock,
        user=OWNER,
    )
    assert deliver.handler(delivered(FILLED, BREACH), None) == ALL_WELL
    assert [mail.subject for mail in outbox] == [mail_of(FILLED).subject, mail_of(BREACH).subject]
    texts = sns_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sms_messages
    assert [(number, text) for number, text in texts.values()] == [
        ("+15551234567", "[paper] Risk: stop_missing IBM. No stop.")
    ]


def test_quiet_hours_hold_a_message(outbox: list[Any], delivered: Batch, clock: Clock) -> None:
    """It waits, is in the log as held, and the same event again changes nothing."""
    wants(MAIL, clock=clock, quiet_from="12:00", quiet_until="14:00")
    for _ in range(2):
        assert deliver.handler(delivered(FILLED), None) == ALL_WELL
    assert outbox == []
    assert log() == {"filled:1#owner#mail": ("held", 1)}
    (waiting,) = store.waiting("paper")
    assert (waiting.mail, waiting.due_at) == (mail_of(FILLED), clock.at.replace(hour=19, minute=0))


def test_the_same_news_is_told_once_in_ten_minutes(
    outbox: list[Any], queues: FakeQueues, delivered: Batch, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that turns bad again and again is one mail; that it failed once does not silence it."""
    with monkeypatch.context() as broken:
        broken.setattr(channels, "ses", Mock(side_effect=ConnectionError("no route")))
        deliver.handler(delivered(degraded(1)), None)
    deliver.handler(delivered(degraded(1)), None)
    deliver.handler(delivered(degraded(2)), None)
    assert (len(outbox), log()["degraded:2#owner#email"]) == (1, ("repeated", 1))
    clock.move(minutes=10, seconds=1)
    deliver.handler(delivered(degraded(3)), None)
    assert len(outbox) == 2


def state(number: int, state: str) -> TradingStateChanged:
    """A change of the trading state, in the same words each time."""
    return TradingStateChanged(
        **COMMON, id=f"state:{number}", state=state, previous_state="", author="ana", reason="news"
    )


@pytest.mark.parametrize(
    "told",
    [
        (
            degraded(1),
            ServiceRecovered(**COMMON, id="recovered:1", service="signal", check="", degraded_since=AT),
            degraded(2),
        ),
        (state(1, "HALTED"), state(2, "ACTIVE"), state(3, "HALTED")),
    ],
)
def test_the_last_word_on_a_state_is_the_one_in_force(
    outbox: list[Any], delivered: Batch, told: tuple[Any, ...]
) -> None:
    """A service that is told well and fails again within ten minutes is news: else it would pass for well."""
    deliver.handler(delivered(*told), None)
    assert [mail.subject for mail in outbox] == [mail_of(event).subject for event in told]


def test_two_fills_in_the_same_words_are_two(outbox: list[Any], delivered: Batch) -> None:
    """Each fact of trading is told."""
    second = type(FILLED)(**{f: getattr(FILLED, f) for f in FILLED.__struct_fields__} | {"id": "filled:2"})
    deliver.handler(delivered(FILLED, second), None)
    assert len(outbox) == 2


def test_what_passes_the_rate_limit_waits(outbox: list[Any], delivered: Batch, clock: Clock) -> None:
    """The third of a channel that takes two an hour is held for the next hour; nothing is lost."""
    wants(Channel(name="mail", kind="email", address="ana@example.com", most_per_hour=2), clock=clock)
    deliver.handler(delivered(FILLED, REJECTED, BREACH), None)
    assert len(outbox) == 2
    assert log()["breach:1#owner#mail"] == ("held", 1)
    (waiting,) = store.waiting("paper")
    assert waiting.due_at == clock.at.replace(hour=18, minute=0)
    clock.move(hours=1)
    deliver.handler(delivered(degraded(1)), None)
    assert len(outbox) == 3


def test_what_is_critical_and_passes_the_rate_limit_waits_for_no_quiet_hours(
    outbox: list[Any], delivered: Batch, clock: Clock
) -> None:
    """A missing stop waits for the next hour at most, in the night too."""
    quiet = {"quiet_from": "12:00", "quiet_until": "20:00"}
    wants(
        Channel(name="mail", kind="email", address="ana@example.com", most_per_hour=1), clock=clock, **quiet
    )
    deliver.handler(delivered(degraded(1), BREACH), None)
    assert len(outbox) == 1
    (waiting,) = store.waiting("paper")
    assert waiting.due_at == clock.at.replace(hour=18, minute=0)


@pytest.mark.usefixtures("outbox")
def test_a_webhook_is_signed_and_sent(queues: FakeQueues, delivered: Batch, clock: Clock) -> None:
    """The body, the same id in each try, a timestamp of the try, and a signature over all three."""
    wants(HOOK, clock=clock)
    with scripted_server() as server:
        keep_webhook(f"{server.url}/hook?x=1", signing_key=f"whsec_{KEY}")
        server.script = [Reply(503), Reply(204)]
        assert deliver.handler(delivered(FILLED), None) == FIRST_FAILED
        clock.move(seconds=20)
        assert deliver.handler(delivered(FILLED), None) == ALL_WELL
        first, second = server.asked
    assert (second.path, second.query) == ("/hook", {"x": "1"})
    assert second.body["type"] == "alpaquero.fill"
    assert second.body["data"] == {
        "severity": "info", "subject": mail_of(FILLED).subject, "text": mail_of(FILLED).text
    }  # fmt: skip
    headers = [{name.lower(): text for name, text in asked.headers.items()} for asked in (first, second)]
    assert {one["webhook-id"] for one in headers} == {"filled:1#owner#hook"}
    assert int(headers[1]["webhook-timestamp"]) - int(headers[0]["webhook-timestamp"]) == 20
    assert headers[0]["webhook-signature"] != headers[1]["webhook-signature"]


@pytest.mark.usefixtures("outbox")
def test_a_failure_names_no_secret(
    queues: FakeQueues, delivered: Batch, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither log nor delivery holds the address or the key: a chat's address is a password."""
    wants(HOOK, clock=clock)
    keep_webhook("http://127.0.0.1:9/hush-hush")
    assert deliver.handler(delivered(FILLED), None) == FIRST_FAILED
    (logged,), _ = store.newest("paper", 5)
    told = capsys.readouterr().out + logged.outcome
    assert "did not answer" in told
    assert "hush" not in told
    assert KEY not in told


def test_a_host_that_does_not_answer_is_waited_for_once_a_batch(
    outbox: list[Any], queues: FakeQueues, delivered: Batch, clock: Clock
) -> None:
    """The mails of a batch do not wait five seconds each for the same webhook."""
    wants(HOOK, MAIL, clock=clock)
    with scripted_server() as server:
        keep_webhook(server.url)
        server.script = [Reply(cut=True)]
        answer = deliver.handler(delivered(FILLED, REJECTED), None)
        assert len(server.asked) == 1
    assert [one["itemIdentifier"] for one in answer["batchItemFailures"]] == ["0", "1"]
    assert len(outbox) == 2


def test_a_webhook_that_keeps_failing_is_left_alone_and_nothing_is_lost(
    outbox: list[Any], queues: FakeQueues, delivered: Batch, clock: Clock
) -> None:
    """After five failures the sixth message is not tried but held; the digest sends it once it answers."""
    wants(HOOK, MAIL, clock=clock)
    with scripted_server() as server:
        keep_webhook(server.url)
        server.script = [Reply(503)] * 5 + [Reply(204)]
        for number in range(1, 6):
            fill = msgspec.structs.replace(FILLED, id=f"filled:0{number}")
            assert deliver.handler(delivered(fill), None) == FIRST_FAILED
        assert deliver.handler(delivered(FILLED), None) == ALL_WELL
        assert len(server.asked) == 5
        ((logged,), _) = store.newest("paper", 9, state=State.HELD)
        assert logged.outcome.startswith("hook keeps failing and is left alone, until")
        assert log()["filled:1#owner#mail"] == ("sent", 1)
        clock.move(minutes=1)
        assert digest.send_digests(clock.at) == 1
        assert len(server.asked) == 6
    assert log()["filled:1#owner#hook"] == ("sent", 1)


def test_a_persons_word_goes_to_whom_he_named(outbox: list[Any], delivered: Batch, clock: Clock) -> None:
    """To one user, over one of his channels, in quiet hours too."""
    second = Channel(name="second", kind="email", address="second@example.com")
    wants(MAIL, second, clock=clock, user="ana", quiet_from="12:00", quiet_until="14:00")
    notice = NoticeGiven(
        **COMMON,
        id="notice:1",
        author="bo",
        subject="Hello",
        text="",
        severity="info",
        user="ana",
        channel="second",
    )
    deliver.handler(delivered(notice), None)
    assert [mail.destinations["ToAddresses"] for mail in outbox] == [["second@example.com"]]


def test_nothing_is_begun_that_cannot_be_ended(
    outbox: list[Any], queues: FakeQueues, delivered: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no time left in the invocation the event goes back untouched."""
    monkeypatch.setattr("alpaquero.deadline.seconds_left", lambda: 1.0)
    assert deliver.handler(delivered(FILLED), None) == FIRST_FAILED
    assert (outbox, log()) == ([], {})


def test_an_event_nobody_is_told_of_goes_back(outbox: list[Any], delivered: Batch) -> None:
    """If the rule sent one by mistake it ends in the dead-letter queue, where it is seen."""
    raised = SignalRaised(
        **COMMON, id="signal:1", run_id="r", symbol="AAPL", side="buy", strategy="s", timeframe="1Day",
        bar_close=AT, strength=1, reference_price=FILLED.price, reason="", values={},
    )  # fmt: skip
    assert deliver.handler(delivered(raised), None) == FIRST_FAILED
    assert outbox == []
