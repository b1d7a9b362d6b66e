"""The fault switchboard without HTTP: which requests a rule meets, its draws, its limits and its counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laptop.exchange.connection import Outgoing, Verdict
from laptop.exchange.fault_streams import SpoiltStreams
from laptop.exchange.faults import (
    GROUPS,
    MIXES,
    STREAM_KINDS,
    Asked,
    FaultKind,
    FaultRule,
    FaultRuleError,
    Switchboard,
)

AT = datetime(2012, 11, 20, 15, tzinfo=UTC)


def asked(target: str, number: int = 0, client_order_id: str | None = None) -> Asked:
    """A request such as `POST /v2/orders`."""
    method, path = target.split(" ")
    return Asked(method, path, AT, f"request-{number}", lambda: client_order_id)


def hits(switchboard: Switchboard, targets: Sequence[str]) -> list[list[FaultKind]]:
    """What each of the requests meets, one after another."""
    return [
        [hit.kind for hit in switchboard.draw(asked(target, number))] for number, target in enumerate(targets)
    ]


@pytest.mark.parametrize(
    ("route", "met", "missed"),
    [
        ("", ["GET /v2/account", "POST /v2/orders", "GET /v2/stocks/bars"], []),
        ("all", ["DELETE /v2/orders/x"], []),
        ("orders", ["POST /v2/orders", "GET /v2/orders:by_client_order_id"], ["GET /v2/positions"]),
        ("submit", ["POST /v2/orders"], ["GET /v2/orders", "DELETE /v2/orders/x"]),
        ("cancel", ["DELETE /v2/orders/x", "DELETE /v2/orders"], ["GET /v2/orders/x"]),
        ("account", ["GET /v2/account", "GET /v2/account/activities/FILL"], ["GET /v2/assets"]),
        ("data", ["GET /v2/stocks/bars"], ["GET /v2/clock"]),
        ("/v2/positions/*", ["GET /v2/positions/X", "DELETE /v2/positions/X"], ["GET /v2/positions"]),
        ("GET /v2/positions", ["GET /v2/positions"], ["DELETE /v2/positions", "GET /v2/positions/X"]),
    ],
)
def test_a_rule_meets_its_group_or_pattern(route: str, met: list[str], missed: list[str]) -> None:
    """Groups and patterns take the requests they name and no others."""
    switchboard = Switchboard()
    switchboard.add(FaultRule(kind=FaultKind.SERVER_ERROR, route=route))
    assert hits(switchboard, met) == [[FaultKind.SERVER_ERROR]] * len(met)
    assert hits(switchboard, missed) == [[]] * len(missed)


def test_a_rule_for_requests_meets_no_stream() -> None:
    """`all` means all requests; a stream's messages are another matter."""
    switchboard = Switchboard()
    switchboard.add(FaultRule(kind=FaultKind.SERVER_ERROR))
    assert hits(switchboard, ["STREAM trade_updates"]) == [[]]


@given(seed=st.integers(0, 1000), probability=st.floats(0.05, 0.95))
def test_the_same_requests_meet_the_same_faults(seed: int, probability: float) -> None:
    """Draws follow from seed, rule and the number of the match: two switchboards are alike."""

    def run() -> list[list[FaultKind]]:
        switchboard = Switchboard()
        switchboard.add(FaultRule(kind=FaultKind.UNAVAILABLE, probability=probability, seed=seed))
        return hits(switchboard, ["GET /v2/account"] * 50)

    assert run() == run()


def test_a_rule_added_in_front_does_not_move_the_draws_of_another() -> None:
    """With an id of its own a rule hits the same matches, whatever else is in force."""
    late = FaultRule(id="late", kind=FaultKind.LATENCY, probability=0.3, seed=5)
    alone, beside = Switchboard(), Switchboard()
    alone.add(late)
    beside.add(FaultRule(kind=FaultKind.SERVER_ERROR, probability=0.5, seed=9))
    beside.add(late)
    targets = ["GET /v2/clock"] * 200
    latencies = [[kind for kind in met if kind is FaultKind.LATENCY] for met in hits(beside, targets)]
    assert latencies == hits(alone, targets)


def test_another_seed_hits_other_requests_about_as_often_as_it_says() -> None:
    """A tenth of 2,000 requests, give or take, and not the same ones with another seed."""
    patterns = []
    for seed in (1, 2):
        switchboard = Switchboard()
        switchboard.add(FaultRule(kind=FaultKind.SERVER_ERROR, probability=0.1, seed=seed))
        patterns.append(hits(switchboard, ["GET /v2/account"] * 2000))
        assert 140 < switchboard.counts()["500"] < 260
    assert patterns[0] != patterns[1]


def test_a_rule_stops_after_its_times_and_goes_on_counting_matches() -> None:
    """Two of five requests are hit, all five matched."""
    switchboard = Switchboard()
    switchboard.add(FaultRule(kind=FaultKind.CUT_AFTER, route="submit", times=2))
    met = hits(switchboard, ["POST /v2/orders"] * 5)
    assert met == [[FaultKind.CUT_AFTER]] * 2 + [[]] * 3
    [state] = switchboard.states()
    assert (state.matched, state.injected) == (5, 2)


def test_one_fault_a_request_beside_latency_and_the_first_rule_wins() -> None:
    """The second rule keeps its `times` for a request that the first one spares."""
    switchboard = Switchboard()
    switchboard.add(FaultRule(kind=FaultKind.LATENCY, milliseconds=20))
    switchboard.add(FaultRule(kind=FaultKind.SERVER_ERROR, times=1))
    switchboard.add(FaultRule(kind=FaultKind.HTML, times=1))
    assert hits(switchboard, ["GET /v2/clock"] * 3) == [
        [FaultKind.LATENCY, FaultKind.SERVER_ERROR],
        [FaultKind.LATENCY, FaultKind.HTML],
        [FaultKind.LATENCY],
    ]


def test_a_latency_lies_between_its_bounds_and_is_given_in_seconds() -> None:
    """20 to 50 ms, not always the same."""
    switchboard = Switchboard()
    switchboard.add(FaultRule(kind=FaultKind.LATENCY, milliseconds=20, most_milliseconds=50))
    delays = [switchboard.draw(asked("GET /v2/clock"))[0].delay for _ in range(100)]
    assert 0.02 <= min(delays) < 0.03
    assert 0.04 < max(delays) <= 0.05


def test_every_injected_fault_is_listed_and_survives_the_rule() -> None:
    """Kind, rule, route, time, request and order; cleared rules leave list and counts as they are."""
    switchboard = Switchboard()
    switchboard.add(FaultRule(id="mine", kind=FaultKind.TIMEOUT_AFTER, route="submit"))
    switchboard.draw(asked("POST /v2/orders", 7, "order-7"))
    switchboard.draw(asked("POST /v2/orders", 8, "order-8"))
    switchboard.clear()
    assert not switchboard
    assert switchboard.counts() == {"504_after": 2}
    [second] = switchboard.injected(after=1)
    assert (second.number, second.kind, second.rule) == (2, FaultKind.TIMEOUT_AFTER, "mine")
    assert (second.route, second.at, second.request_id) == ("POST /v2/orders", AT, "request-8")
    assert second.client_order_id == "order-8"
    assert [fault.number for fault in switchboard.injected(limit=1)] == [1]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (FaultRule(kind=FaultKind.HTML, probability=0), "probability must be"),
        (FaultRule(kind=FaultKind.HTML, probability=1.1), "probability must be"),
        (FaultRule(kind=FaultKind.HTML, probability=float("nan")), "probability must be"),
        (FaultRule(kind=FaultKind.HTML, times=0), "times must be 1 or more"),
        (FaultRule(kind=FaultKind.HTML, status=99), "status must be"),
        (FaultRule(kind=FaultKind.LATENCY, milliseconds=-1), "must not be negative"),
        (FaultRule(kind=FaultKind.LATENCY, milliseconds=9, most_milliseconds=8), "must not be less"),
        (FaultRule(kind=FaultKind.HTML, route="everything"), "route 'everything' is unknown; give all, "),
        (FaultRule(kind=FaultKind.STALE_CLOCK, route="orders"), "leave route out"),
        (FaultRule(kind=FaultKind.STREAM_MUTE, route="orders"), "cannot meet orders"),
        (FaultRule(kind=FaultKind.HTML, route="trade_updates"), "cannot meet trade_updates"),
    ],
)
def test_a_rule_that_cannot_be_says_what_to_give(rule: FaultRule, said: str) -> None:
    """Nothing is put in force."""
    switchboard = Switchboard()
    with pytest.raises(FaultRuleError, match=said):
        switchboard.add(rule)
    assert not switchboard


def test_an_id_serves_one_rule_at_a_time() -> None:
    """A second rule with it is refused until the first is removed; ids are given to those without."""
    switchboard = Switchboard()
    assert switchboard.add(FaultRule(kind=FaultKind.HTML)).rule.id == "rule-1"
    switchboard.add(FaultRule(id="mine", kind=FaultKind.HTML))
    with pytest.raises(FaultRuleError, match="a rule mine already"):
        switchboard.add(FaultRule(id="mine", kind=FaultKind.HTML))
    switchboard.remove("mine")
    switchboard.add(FaultRule(id="mine", kind=FaultKind.HTML))
    with pytest.raises(KeyError):
        switchboard.remove("other")


def test_the_heavy_mix_has_every_kind_that_a_rest_client_meets() -> None:
    """Light has no more than the documented four; both take any seed."""
    heavy = {rule.kind for rule in MIXES["heavy"](3)}
    assert heavy == set(FaultKind) - STREAM_KINDS
    assert {rule.kind.value for rule in MIXES["light"](3)} == {"latency", "429", "500", "504_after"}
    for mix in MIXES.values():
        switchboard = Switchboard()
        for rule in mix(3):
            assert switchboard.add(rule).rule.seed == 3


def test_the_heavy_mix_injects_each_kind_in_the_traffic_of_some_sessions() -> None:
    """Among 600 reads and 30 submissions, as 20 sessions make, no kind is missing."""
    switchboard = Switchboard()
    for rule in MIXES["heavy"](1):
        switchboard.add(rule)
    reads = ["GET /v2/clock", "GET /v2/account", "GET /v2/positions", "GET /v2/orders", "GET /v2/stocks/bars"]
    hits(switchboard, [*reads * 4, "POST /v2/orders"] * 30)
    assert set(switchboard.counts()) == {kind.value for kind in set(FaultKind) - STREAM_KINDS}


def test_every_group_is_of_requests_or_of_streams() -> None:
    """So a rule's kind and its group either fit or are refused."""
    for patterns in GROUPS.values():
        assert len({pattern.startswith("STREAM ") for pattern in patterns}) == 1


def message(kind: str = "fill", connection: int = 1, stream: str = "trade_updates") -> Outgoing:
    """A message on its way to a websocket."""
    return Outgoing(stream, "", kind, "X", connection)


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        (FaultKind.STREAM_DUPLICATE, Verdict.DUPLICATE),
        (FaultKind.STREAM_REORDER, Verdict.HOLD),
        (FaultKind.STREAM_LOST, Verdict.SWALLOW),
        (FaultKind.STREAM_CUT, Verdict.CUT),
    ],
)
def test_a_stream_fault_hits_one_message_and_no_control_message(kind: FaultKind, verdict: Verdict) -> None:
    """Control messages pass unless the rule names them."""
    switchboard = Switchboard()
    streams = SpoiltStreams(switchboard, lambda: AT)
    switchboard.add(FaultRule(kind=kind, times=1))
    messages = [message("control"), message(), message()]
    assert [streams.judge(one) for one in messages] == [Verdict.DELIVER, verdict, Verdict.DELIVER]
    [fault] = switchboard.injected()
    assert (fault.route, fault.request_id) == ("STREAM trade_updates fill", "connection 1")
    switchboard.add(FaultRule(kind=kind, event="control", times=1))
    assert streams.judge(message("control")) is verdict


def test_a_mute_connection_stays_mute_until_the_rule_is_removed() -> None:
    """One fault is counted; other connections and the other stream are not touched."""
    switchboard = Switchboard()
    streams = SpoiltStreams(switchboard, lambda: AT)
    rule = switchboard.add(FaultRule(kind=FaultKind.STREAM_MUTE, route="trade_updates", times=1)).rule
    assert streams.judge(message(stream="data", connection=3)) is Verdict.DELIVER
    muted = [streams.judge(message(kind)) for kind in ("new", "fill", "control")]
    assert muted == [Verdict.SWALLOW] * 3
    assert streams.judge(message(connection=2)) is Verdict.DELIVER
    assert switchboard.counts() == {"stream_mute": 1}
    switchboard.remove(rule.id)
    assert streams.judge(message()) is Verdict.DELIVER
