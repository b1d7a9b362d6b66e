"""What surrounds each call: the invocation's end, the shared guard, and what is loaded only when needed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from alpaca.trading.client import TradingClient

from alpaquero import deadline, wall
from alpaquero.broker.alpaca import AlpacaReader, AlpacaSubmitter
from alpaquero.broker.breaker import FAILURES_TO_OPEN
from alpaquero.broker.budget import Priority
from alpaquero.broker.guard import Guard
from alpaquero.broker.transport import BrokerTransport, OrderTransport
from alpaquero.errors import BrokerError, BrokerUnavailable, BrokerUnclear
from tests.fakes.broker_state import FakeSharedState
from tests.fakes.http_server import Reply, ScriptedServer
from tests.unit.broker.payloads import ACCOUNT, NOT_FOUND, order, refusal
from tests.unit.broker.test_submit import REQUEST

FAR_OFF = {"X-RateLimit-Limit": "200", "X-RateLimit-Reset": "4102444800"}


@dataclass
class Context:
    """Lambda's context of an invocation with `seconds` left."""

    seconds: float

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


@dataclass
class Shared:
    """A submitter behind a guard, and what it shares."""

    broker: AlpacaSubmitter
    state: FakeSharedState
    waits: list[float] = field(default_factory=list)


@pytest.fixture
def shared(server: ScriptedServer) -> Shared:
    state = FakeSharedState()
    waits: list[float] = []
    guard = Guard("trading:host", "keys", state, sleep=waits.append)
    client = TradingClient("key", "secret", raw_data=True, url_override=server.url)
    transport = OrderTransport(client, guard, sleep=waits.append, jitter=lambda: 0.0)
    return Shared(AlpacaSubmitter(transport), state, waits)


@pytest.fixture
def _no_end() -> object:
    deadline.begin(None)
    yield
    deadline.begin(None)


@pytest.mark.usefixtures("_no_end")
def test_no_order_is_sent_without_time_to_wait_for_it(
    broker: AlpacaSubmitter, server: ScriptedServer
) -> None:
    """With three seconds left an order would go unanswered: it is not sent at all."""
    deadline.begin(Context(3))
    with pytest.raises(BrokerUnavailable, match="no time left"):
        broker.submit(REQUEST)
    assert server.asked == []


@pytest.mark.usefixtures("_no_end")
def test_a_mute_broker_does_not_outlast_the_invocation(
    broker: AlpacaSubmitter, server: ScriptedServer, waits: list[float]
) -> None:
    """The time-out of a call is what is left, and a read that would go beyond is not tried again."""
    deadline.begin(Context(deadline.RESERVE_SECONDS + 2.1))
    server.script = [Reply(stall=True)] * 3
    with pytest.raises(BrokerUnclear, match="ReadTimeout"):
        broker.account()
    assert (len(server.asked), waits) == (1, [])
    assert deadline.seconds_left() < 1


@pytest.mark.usefixtures("_no_end")
def test_without_an_invocation_there_is_no_end() -> None:
    """On a laptop's command line, in tests and in a backtest calls have their usual time."""
    assert deadline.seconds_left() == float("inf")
    deadline.begin(Context(30))
    assert 28 < deadline.seconds_left() <= 30 - deadline.RESERVE_SECONDS


@pytest.mark.parametrize(
    "reply",
    [Reply(500, b""), Reply(504, b"<html>"), Reply(200, b"<html>hello</html>"), Reply(cut=True)],
    ids=str,
)
def test_what_the_host_fails_counts_for_the_breaker(
    shared: Shared, server: ScriptedServer, reply: Reply
) -> None:
    """5xx, cut connections and answers that are no JSON open it, and then nothing is asked any more."""
    server.script = [reply] * FAILURES_TO_OPEN
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(BrokerUnclear):
            shared.broker.submit(REQUEST)
    with pytest.raises(BrokerUnavailable, match="keeps failing") as caught:
        shared.broker.submit(REQUEST)
    assert caught.value.retry_after_seconds is not None
    assert len(server.asked) == FAILURES_TO_OPEN


@pytest.mark.parametrize(
    "reply",
    [refusal(401, None, "no"), refusal(403, 40310000, "no"), refusal(422, 42210000, "no"), Reply(429, {})],
    ids=str,
)
def test_a_refusal_is_a_sound_answer(shared: Shared, server: ScriptedServer, reply: Reply) -> None:
    """4xx with a body and a used up budget never open the breaker, and nothing is written."""
    for _ in range(2 * FAILURES_TO_OPEN):
        server.script = [reply, NOT_FOUND]
        with pytest.raises(BrokerError):
            shared.broker.submit(REQUEST)
    assert not any(breaker.is_open for breaker in shared.state.breakers.values())
    assert shared.state.writes == 0


def test_each_try_of_a_read_counts(shared: Shared, server: ScriptedServer) -> None:
    """Two reads of three tries open the breaker at the fifth, so the sixth is not sent."""
    server.script = [Reply(500, b"")] * 6
    with pytest.raises(BrokerUnclear):
        shared.broker.account()
    with pytest.raises(BrokerUnavailable):
        shared.broker.account()
    assert len(server.asked) == FAILURES_TO_OPEN


def test_the_headers_of_each_answer_are_followed(shared: Shared, server: ScriptedServer) -> None:
    """When ten of two hundred are left a sync's read yields, and the order still goes."""
    server.script = [Reply(200, ACCOUNT, FAR_OFF | {"X-RateLimit-Remaining": "10"}), Reply(200, order())]
    shared.broker.account()
    with pytest.raises(BrokerUnavailable, match="more urgent") as caught:
        shared.broker.account()
    assert caught.value.retry_after_seconds == pytest.approx(300, abs=1)
    assert shared.broker.submit(REQUEST).client_order_id == REQUEST.client_order_id


def test_a_reader_has_nothing_to_send_with(server: ScriptedServer) -> None:
    """Neither sync's client nor its transport has a method that places, replaces or cancels."""
    client = TradingClient("key", "secret", raw_data=True, url_override=server.url)
    transport = BrokerTransport(client, priority=Priority.SYNC)
    reader = AlpacaReader(transport)
    for thing in (reader, transport):
        offered = {name for name in dir(thing) if not name.startswith("_")}
        assert not offered & {"submit", "replace", "cancel", "post", "patch", "put", "delete"}


def test_a_retry_loads_tenacity_and_a_first_try_does_not(server: ScriptedServer) -> None:
    """The happy path of a cold function does not pay for the library that repeats."""
    program = f"""
import sys
from alpaca.trading.client import TradingClient
from alpaquero.broker.alpaca import AlpacaReader
from alpaquero.broker.transport import BrokerTransport
client = TradingClient("key", "secret", raw_data=True, url_override={server.url!r})
reader = AlpacaReader(BrokerTransport(client))
reader.account()
assert "tenacity" not in sys.modules, "the first try loaded it"
reader.account()
assert "tenacity" in sys.modules, "the second try did not need it"
"""
    server.script = [Reply(200, ACCOUNT), Reply(500, b""), Reply(200, ACCOUNT)]
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_post_is_never_repeated_however_the_budget_stands(shared: Shared, server: ScriptedServer) -> None:
    """A 429 on an order goes back to the caller with the wait, after a single POST."""
    server.script = [Reply(429, {}, {"Retry-After": "1"})]
    with pytest.raises(BrokerUnavailable):
        shared.broker.submit(REQUEST)
    assert [asked.method for asked in server.asked] == ["POST"]


def test_a_connection_that_slept_through_a_freeze_is_not_used_again(
    broker: AlpacaSubmitter, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other end has closed it: an order sent over it would be lost, and nobody would know whether."""
    at = [datetime.now(UTC)]
    monkeypatch.setattr(wall, "now", lambda: at[0])
    monkeypatch.setattr(wall, "time", SimpleNamespace(monotonic=lambda: 5.0))  # stands, as while frozen
    server.script = [Reply(200, ACCOUNT)] * 3
    broker.account()
    broker.account()
    assert server.connections == 1
    at[0] += timedelta(minutes=10)
    broker.account()
    assert server.connections == 2
