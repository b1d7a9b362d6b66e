"""How much one caller may ask for, alone and from several functions at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alpaquero.errors import SharedStateLost, Throttled
from alpaquero.store import rate_limits
from alpaquero.web.app import service_app
from alpaquero.web.user_limit import USERS_SHARE, Share, UserLimit, shares_of
from tests.fakes.proxy import ORIGIN, body_of, proxy_event

SHARE = Share(requests=100, seconds=10)  # in blocks of 10
START = 1_000_000_000.0


class Clock:
    """Wall time that stands until it is set."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


def passed(limit: UserLimit, caller: str, asked: int) -> int:
    """How many of so many requests are admitted."""

    def admitted() -> bool:
        try:
            limit.admit(caller, SHARE)
        except Throttled:
            return False
        return True

    return sum(admitted() for _ in range(asked))


def test_who_asks_little_costs_nothing(clock: Clock) -> None:
    """The first requests of a span never reach the shared count."""

    def unasked(*_: object) -> bool:
        raise AssertionError("the shared count was asked")

    limit = UserLimit(unasked, clock)
    for _ in range(3):
        assert passed(limit, "ana", SHARE.block) == SHARE.block
        clock.at += SHARE.seconds


def test_functions_share_what_a_caller_may(tables: None, clock: Clock) -> None:
    """Two functions together admit the share, and the free block of each; nobody else's."""
    one, other = UserLimit(rate_limits.take, clock), UserLimit(rate_limits.take, clock)
    together = sum(passed(limit, "ana", SHARE.block) for _ in range(30) for limit in (one, other))
    assert together == SHARE.requests + 2 * SHARE.block
    assert passed(one, "ben", 20) == 20


def test_the_next_span_is_a_new_one(tables: None, clock: Clock) -> None:
    """Who was refused goes on when his span is over, which the refusal told him."""
    limit = UserLimit(rate_limits.take, clock)
    assert passed(limit, "ana", 200) == SHARE.requests + SHARE.block
    clock.at += 3.2
    with pytest.raises(Throttled, match="100 requests in 10 seconds") as refused:
        limit.admit("ana", SHARE)
    assert refused.value.retry_after_seconds == 7
    clock.at += refused.value.retry_after_seconds
    assert passed(limit, "ana", 5) == 5


def test_who_is_refused_asks_the_table_once(clock: Clock) -> None:
    """A flood costs no writes once the share is used up."""
    asked: list[str] = []

    def none_left(caller: str, *_: object) -> bool:
        asked.append(caller)
        return False

    limit = UserLimit(none_left, clock)
    assert passed(limit, "ana", 1000) == SHARE.block
    assert asked == ["ana"]


def test_a_table_that_does_not_answer_lets_pass(clock: Clock) -> None:
    """The limit is a shield: without its table pages go on."""

    def lost(*_: object) -> bool:
        raise SharedStateLost("gone")

    assert passed(UserLimit(lost, clock), "ana", 300) == 300


def test_an_exact_share_is_counted_one_by_one(tables: None, clock: Clock) -> None:
    """What a key may ask in a day holds to the request over all functions, its first ones too."""
    share = Share(3, 86_400, is_exact=True)
    functions = [UserLimit(rate_limits.take, clock) for _ in range(3)]
    for function in functions:
        function.admit("key:bot", share)
    for function in functions:
        with pytest.raises(Throttled):
            function.admit("key:bot", share)


def test_a_key_has_a_share_of_the_day_too() -> None:
    """People have none, however long they look."""
    assert shares_of(None) == (USERS_SHARE,)
    assert shares_of(2000) == (USERS_SHARE, Share(2000, 86_400, is_exact=True))


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (lambda: proxy_event("GET", "/api/thing"), 429),
        (lambda: proxy_event("GET", "/market_data/thing"), 200),
    ],
    ids=["people and keys", "signed callers"],
)
def test_a_refusal_has_the_one_error_shape(
    monkeypatch: pytest.MonkeyPatch, event: Callable[[], dict[str, object]], status: int
) -> None:
    """429 with `Retry-After`; whoever signs is bounded by the stage alone."""
    monkeypatch.setenv("ENVIRONMENT", "local")
    monkeypatch.setenv("DASHBOARD_ORIGIN", ORIGIN)
    app = service_app("market_data")
    app.endpoint("GET", public="/api/thing", service="/market_data/thing")(dict)
    monkeypatch.setattr(app, "_limit", UserLimit(lambda *_: False))
    answers = [app(event(), None) for _ in range(USERS_SHARE.block + 1)]
    assert [answer["statusCode"] for answer in answers] == [200] * USERS_SHARE.block + [status]
    if status == 429:
        assert body_of(answers[-1])["error"]["code"] == "throttled"
        assert 1 <= int(answers[-1]["headers"]["Retry-After"]) <= USERS_SHARE.seconds
