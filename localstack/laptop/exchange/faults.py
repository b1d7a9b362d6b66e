"""The fault switchboard: rules that say which request or stream message goes wrong, and how.

The HTTP gate and the streams ask it, the admin routes change it, and a fault campaign may hold one in
its own process. It knows no clock and no socket: whether a fault hits follows from the rule's seed,
its id and how many requests matched it before, so the same requests in the same order go wrong alike.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Final

import msgspec

_LISTED = 100_000
_LARGEST_DRAW = 2**64


class FaultKind(StrEnum):
    """What can go wrong. "Before" leaves the request undone, "after" does it and loses the answer."""

    LATENCY = "latency"
    RATE_LIMITED = "429"
    SERVER_ERROR = "500"
    UNAVAILABLE = "503"
    TIMEOUT_BEFORE = "504_before"
    TIMEOUT_AFTER = "504_after"
    CUT_BEFORE = "cut_before"
    CUT_AFTER = "cut_after"
    HTML = "html"
    TRUNCATED = "truncated"
    STALE_CLOCK = "stale_clock"
    ACCOUNT_BLOCKED = "account_blocked"
    STREAM_DUPLICATE = "stream_duplicate"
    STREAM_REORDER = "stream_reorder"
    STREAM_LOST = "stream_lost"
    STREAM_MUTE = "stream_mute"
    STREAM_CUT = "stream_cut"


# The method of a stream's messages, and the type of those that are no news.
STREAM: Final = "STREAM"
_CONTROL: Final = "control"
STREAM_KINDS: Final = frozenset(kind for kind in FaultKind if kind.startswith("stream_"))
# Routes that place an order, now or by closing a position: what a blocked account may not do.
_PLACING: Final = ("POST /v2/orders", "PATCH /v2/orders/*", "DELETE /v2/positions", "DELETE /v2/positions/*")
_FIXED_ROUTE: Final[Mapping[FaultKind, str]] = {
    FaultKind.STALE_CLOCK: "clock",
    FaultKind.ACCOUNT_BLOCKED: "blockable",
}

# Named groups of routes; a pattern without a method takes every method.
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "all": ("*",),
    "orders": ("/v2/orders", "/v2/orders/*", "/v2/orders:*"),
    "submit": ("POST /v2/orders",),
    "cancel": ("DELETE /v2/orders", "DELETE /v2/orders/*"),
    "account": ("/v2/account", "/v2/account/*"),
    "activities": ("/v2/account/activities", "/v2/account/activities/*"),
    "positions": ("/v2/positions", "/v2/positions/*"),
    "clock": ("/v2/clock", "/v3/clock"),
    "calendar": ("/v2/calendar",),
    "assets": ("/v2/assets", "/v2/assets/*"),
    "watchlists": ("/v2/watchlists", "/v2/watchlists/*", "/v2/watchlists:*"),
    "data": ("/v2/stocks/*", "/v1beta1/*"),
    "blockable": (*_PLACING, "GET /v2/account"),
    "stream": ("STREAM *",),
    "trade_updates": ("STREAM trade_updates",),
    "data_stream": ("STREAM data",),
}


class FaultRuleError(ValueError):
    """A rule that cannot be; the message says what to give."""


class FaultRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule, as the admin route takes it.

    `route` is a group of GROUPS or a pattern such as `GET /v2/orders/*` or `/v2/stocks/*`; empty means
    all requests, or all stream messages for the kinds of streams. The last six fields serve one kind each:
    `milliseconds` to `most_milliseconds` latency, `retry_after` (seconds) 429, `status` html,
    `age_seconds` stale_clock, `event` the stream kinds (the messages' type, such as fill or t; empty is
    every one but control messages).
    """

    kind: FaultKind
    id: str = ""
    route: str = ""
    probability: float = 1.0
    times: int | None = None
    seed: int = 0
    milliseconds: int = 500
    most_milliseconds: int | None = None
    retry_after: int = 1
    status: int = 502
    age_seconds: float = 3600.0
    event: str = ""

    def draw(self, number: int) -> float:
        """The rule's draw for its `number`-th match, 0 to 1."""
        digest = sha256(f"{self.seed}/{self.id}/{number}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / _LARGEST_DRAW

    def delay(self, number: int) -> float:
        """Seconds that a latency rule waits at its `number`-th match."""
        least, most = self.milliseconds, self.most_milliseconds or self.milliseconds
        share = int.from_bytes(sha256(f"{self.seed}/{self.id}/{number}/ms".encode()).digest()[:8], "big")
        return (least + (most - least) * share / _LARGEST_DRAW) / 1000

    def check(self) -> None:
        """Raise FaultRuleError when the rule cannot be."""
        if not 0 < self.probability <= 1:
            raise FaultRuleError("probability must be more than 0 and at most 1")
        if self.times is not None and self.times < 1:
            raise FaultRuleError("times must be 1 or more; leave it out for no limit")
        if min(self.milliseconds, self.retry_after, self.age_seconds) < 0:
            raise FaultRuleError("milliseconds, retry_after and age_seconds must not be negative")
        if self.most_milliseconds is not None and self.most_milliseconds < self.milliseconds:
            raise FaultRuleError("most_milliseconds must not be less than milliseconds")
        if not 200 <= self.status <= 599:
            raise FaultRuleError("status must be from 200 to 599")
        if self.route and (fixed := _FIXED_ROUTE.get(self.kind)):
            raise FaultRuleError(f"{self.kind} always meets {', '.join(GROUPS[fixed])}; leave route out")
        if self.route not in GROUPS and self.route and "/" not in self.route:
            raise FaultRuleError(
                f"route {self.route!r} is unknown; give {', '.join(GROUPS)} or a pattern like GET /v2/orders"
            )
        if self.route and (self.kind in STREAM_KINDS) != (_patterns(self)[0].startswith(STREAM)):
            raise FaultRuleError(f"{self.kind} cannot meet {self.route}: one is of a stream, the other not")


class RuleState(msgspec.Struct, frozen=True, kw_only=True):
    """A rule, how many requests matched it and how many of them it hit."""

    rule: FaultRule
    matched: int
    injected: int


class InjectedFault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault that happened. `route` is the method and path, or the stream and the message's type."""

    number: int
    kind: FaultKind
    rule: str
    route: str
    at: datetime
    request_id: str
    client_order_id: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, or a stream's message with the method STREAM and the stream's name as its path.

    `at` is market time. `client_order_id` is called only when a fault hits.
    """

    method: str
    path: str
    at: datetime
    request_id: str
    client_order_id: Callable[[], str | None] = lambda: None
    event: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A fault to inject now; `delay` is seconds, for latency alone."""

    rule: FaultRule
    delay: float

    @property
    def kind(self) -> FaultKind:
        """What goes wrong."""
        return self.rule.kind


@dataclass(slots=True)
class _Counted:
    rule: FaultRule
    patterns: tuple[str, ...]
    matched: int = 0
    injected: int = 0


class Switchboard:
    """The rules in force and the faults injected. Not for several threads at once."""

    def __init__(self) -> None:
        self._rules: dict[str, _Counted] = {}
        self._added = 0
        self._log: deque[InjectedFault] = deque(maxlen=_LISTED)
        self._counts: Counter[FaultKind] = Counter()

    def __bool__(self) -> bool:
        """Whether any rule is in force."""
        return bool(self._rules)

    def __contains__(self, rule_id: str) -> bool:
        """Whether a rule with this id is in force."""
        return rule_id in self._rules

    def add(self, rule: FaultRule) -> RuleState:
        """Put a rule in force. Without an id it gets `rule-1`, `rule-2` and so on.

        Raises FaultRuleError when it cannot be or its id is taken.
        """
        rule.check()
        if rule.id in self._rules:
            raise FaultRuleError(f"there is a rule {rule.id} already; remove it or give another id")
        self._added += 1
        named = rule if rule.id else msgspec.structs.replace(rule, id=f"rule-{self._added}")
        self._rules[named.id] = _Counted(named, _patterns(named))
        return self._state(self._rules[named.id])

    def remove(self, rule_id: str) -> None:
        """Take a rule out of force. Raises KeyError when there is none; what it injected stays listed."""
        del self._rules[rule_id]

    def clear(self) -> None:
        """Take every rule out of force; rules without an id are numbered from 1 again."""
        self._rules.clear()
        self._added = 0

    def states(self) -> list[RuleState]:
        """The rules in force, in the order they were added."""
        return [self._state(counted) for counted in self._rules.values()]

    def counts(self) -> dict[str, int]:
        """How many faults of each kind were injected, cleared rules included."""
        return {kind.value: self._counts[kind] for kind in FaultKind if self._counts[kind]}

    def injected(self, after: int = 0, limit: int | None = None) -> list[InjectedFault]:
        """The faults injected after number `after`, oldest first; the last 100,000 are kept."""
        later = [fault for fault in self._log if fault.number > after]
        return later[:limit]

    def draw(self, asked: Asked) -> list[Hit]:
        """The faults to inject into a request or message: any latencies, and one fault of another kind.

        Each is counted and listed. When several rules would hit, the one added first does, and the
        others keep their `times`; every rule that matches counts the match.
        """
        hits: list[Hit] = []
        answered = False
        for counted in self._matching(asked):
            counted.matched += 1
            rule, number = counted.rule, counted.matched
            spent = rule.times is not None and counted.injected >= rule.times
            late = rule.kind is FaultKind.LATENCY
            if spent or (answered and not late) or rule.draw(number) >= rule.probability:
                continue
            answered = answered or not late
            counted.injected += 1
            hits.append(Hit(rule, rule.delay(number) if late else 0.0))
            self._list(rule, asked)
        return hits

    def _matching(self, asked: Asked) -> Iterator[_Counted]:
        target = f"{asked.method} {asked.path}"
        for counted in self._rules.values():
            wanted = counted.rule.event
            named = fnmatchcase(asked.event, wanted) if wanted else asked.event != _CONTROL
            if named and any(fnmatchcase(target, pattern) for pattern in counted.patterns):
                yield counted

    def _list(self, rule: FaultRule, asked: Asked) -> None:
        self._counts[rule.kind] += 1
        fault = InjectedFault(
            number=self._counts.total(),
            kind=rule.kind,
            rule=rule.id,
            route=" ".join(part for part in (asked.method, asked.path, asked.event) if part),
            at=asked.at,
            request_id=asked.request_id,
            client_order_id=asked.client_order_id(),
        )
        self._log.append(fault)

    @staticmethod
    def _state(counted: _Counted) -> RuleState:
        return RuleState(rule=counted.rule, matched=counted.matched, injected=counted.injected)


def _patterns(rule: FaultRule) -> tuple[str, ...]:
    """The `METHOD path` patterns that a rule meets."""
    default = "stream" if rule.kind in STREAM_KINDS else "all"
    route = rule.route or _FIXED_ROUTE.get(rule.kind, default)
    # Without a method a pattern means every request, but no stream.
    return tuple(p if " " in p else f"[!S]* {p}" for p in GROUPS.get(route, (route,)))


def light_mix(seed: int) -> list[FaultRule]:
    """A bad day: some latency, a few 429 and 500, rarely an order whose answer is lost."""
    return [
        _rule(seed, FaultKind.LATENCY, probability=0.1, milliseconds=20, most_milliseconds=150),
        _rule(seed, FaultKind.RATE_LIMITED, probability=0.02),
        _rule(seed, FaultKind.SERVER_ERROR, probability=0.01),
        _rule(seed, FaultKind.TIMEOUT_AFTER, "submit", probability=0.1),
    ]


def heavy_mix(seed: int) -> list[FaultRule]:
    """The worst day: every kind that a REST client meets, often enough that each occurs in 20 sessions.

    About one request in seven goes wrong, and two submissions in three; half of those take effect.
    """
    every = [
        _rule(seed, FaultKind.RATE_LIMITED, probability=0.03),
        _rule(seed, FaultKind.SERVER_ERROR, probability=0.02),
        _rule(seed, FaultKind.UNAVAILABLE, probability=0.02),
        _rule(seed, FaultKind.TIMEOUT_BEFORE, probability=0.02),
        _rule(seed, FaultKind.TIMEOUT_AFTER, probability=0.02),
        _rule(seed, FaultKind.CUT_BEFORE, probability=0.02),
        _rule(seed, FaultKind.CUT_AFTER, probability=0.02),
        _rule(seed, FaultKind.HTML, probability=0.02),
        _rule(seed, FaultKind.TRUNCATED, probability=0.02),
    ]
    submissions = [
        _rule(seed, kind, "submit", probability=0.1)
        for kind in (
            FaultKind.TIMEOUT_AFTER,
            FaultKind.CUT_AFTER,
            FaultKind.CUT_BEFORE,
            FaultKind.TIMEOUT_BEFORE,
            FaultKind.HTML,
            FaultKind.TRUNCATED,
            FaultKind.SERVER_ERROR,
        )
    ]
    return [
        _rule(seed, FaultKind.LATENCY, probability=0.1, milliseconds=20, most_milliseconds=300),
        *submissions,
        _rule(seed, FaultKind.STALE_CLOCK, probability=0.1, age_seconds=86_400),
        _rule(seed, FaultKind.ACCOUNT_BLOCKED, probability=0.05),
        *every,
    ]


MIXES: Final[Mapping[str, Callable[[int], list[FaultRule]]]] = {"light": light_mix, "heavy": heavy_mix}


def _rule(
    seed: int,
    kind: FaultKind,
    route: str = "",
    *,
    probability: float,
    milliseconds: int = 500,
    most_milliseconds: int | None = None,
    age_seconds: float = 3600.0,
) -> FaultRule:
    return FaultRule(
        id=f"{kind}-{route}" if route else kind.value,
        kind=kind,
        route=route,
        probability=probability,
        seed=seed,
        milliseconds=milliseconds,
        most_milliseconds=most_milliseconds,
        age_seconds=age_seconds,
    )
