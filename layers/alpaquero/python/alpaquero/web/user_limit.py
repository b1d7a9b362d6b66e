"""How much one caller may ask for; `alpaquero.web.app` counts each request of the public API.

A count in DynamoDB for each request would cost a write, and its milliseconds, on every read of a page.
So a function lets the first requests of a span pass by itself; only who asks for more than these takes
blocks of requests from the count that all functions share. A page stays below it and costs nothing; who
asks a lot costs a write each `BLOCK` requests, and gets his share and the free ones of each function.
"""

from __future__ import annotations

from collections.abc import Callable

from alpaquero import wall
from alpaquero.errors import SharedStateLost, Throttled
from alpaquero.observability import logger
from alpaquero.quickly_made import dataclass

DAY_SECONDS = 86_400
MOST_CALLERS = 1000  # a function remembers, so that it does not grow for ever

Take = Callable[[str, int, int, int, int], bool]


@dataclass(frozen=True, slots=True)
class Share:
    """At most `requests` in each span of `seconds`; spans begin at multiples of their length.

    An exact share has no free requests and costs a write each: a program's few in a day, spread over many
    functions, would else be far from what it was promised.
    """

    requests: int
    seconds: int
    is_exact: bool = False

    @property
    def block(self) -> int:
        """How many a function lets pass before it asks, and takes when it does."""
        return 1 if self.is_exact else max(1, min(50, self.requests // 10))


USERS_SHARE = Share(requests=500, seconds=10)  # half of what a stage takes of one route


def shares_of(requests_a_day: int | None) -> tuple[Share, ...]:
    """What a caller may ask for; a program's key says how much a day."""
    return (
        (USERS_SHARE,)
        if requests_a_day is None
        else (USERS_SHARE, Share(requests_a_day, DAY_SECONDS, is_exact=True))
    )


@dataclass(slots=True)
class _Span:
    number: int
    left: int
    is_used_up: bool = False


class UserLimit:
    """Counts the requests of callers in this process, and takes more from the shared count."""

    def __init__(self, take: Take, now: Callable[[], float] = wall.seconds) -> None:
        self._take = take
        self._now = now
        self._spans: dict[tuple[str, int], _Span] = {}

    def admit(self, caller: str, *shares: Share) -> None:
        """Counts a request of the caller. Raises `Throttled` when one of his shares is used up."""
        for share in shares:
            self._admit(caller, share)

    def _admit(self, caller: str, share: Share) -> None:
        now = self._now()
        number = int(now // share.seconds)
        span = self._spans.get((caller, share.seconds))
        if span is None or span.number != number:
            if len(self._spans) >= MOST_CALLERS:
                self._spans.clear()
            free = 0 if share.is_exact else share.block
            span = self._spans[caller, share.seconds] = _Span(number, free)
        if not span.left and not span.is_used_up:
            self._refill(span, caller, share)
        if span.is_used_up:
            wait = max(1, round((number + 1) * share.seconds - now))
            raise Throttled(
                f"You have asked for more than {share.requests} requests in {share.seconds} seconds; "
                f"go on in {wait} seconds.",
                retry_after_seconds=wait,
            )
        span.left -= 1

    def _refill(self, span: _Span, caller: str, share: Share) -> None:
        try:
            span.is_used_up = not self._take(caller, share.seconds, span.number, share.block, share.requests)
        except SharedStateLost:
            # A shield, not a guarantee: the stage's limits hold, and a page must not fail for it.
            logger.warning("the shared count of requests does not answer; this function counts alone")
        span.left = share.block


def _take_shared(caller: str, seconds: int, number: int, block: int, most: int) -> bool:
    from alpaquero.store import rate_limits  # only for who asks a lot

    return rate_limits.take(caller, seconds, number, block, most)


def shared_limit() -> UserLimit:
    """The limit of this function, which shares its count with all others."""
    return UserLimit(_take_shared)
