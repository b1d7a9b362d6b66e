"""What was read a moment ago, kept in this process: routes that eight pages ask at once read it once.

For figures that may be seconds old, such as those of projections, which lag behind the books anyway, and for
nothing that a decision rests on. Who has heard of a change, or made one, asks with `Cache-Control: no-cache`
(RFC 9111, 5.2.1.4) and is answered anew. Nothing is shared between processes; a kept answer that is made of
another may be as old as both together.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from math import inf
from typing import Any, Final, ParamSpec, TypeVar

from alpaquero.wall import lapsed

A_MOMENT: Final = 1.0  # seconds, of prices and settings that are only shown
A_WHILE: Final = 5.0  # of what runs, fills and marks bring, some seconds after they happened
MOST_KEPT: Final = 64  # answers of one kind

P = ParamSpec("P")
R = TypeVar("R")


_not_before = -inf  # of the request under way: answers that began earlier are too old for it


def begin(*, anew: bool) -> None:
    """Begins a request, of which a process has one at a time; `anew` leaves out what was kept before it."""
    global _not_before  # noqa: PLW0603 - of the process, whose threads all work for that request
    _not_before = lapsed() if anew else -inf


class Shelf:
    """Answers by their keys, each for so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._answers: dict[Hashable, tuple[float, Any]] = {}

    def of(self, key: Hashable, read: Callable[[], R]) -> R:
        """The answer that is kept for `key`, else what `read` answers; what that raises is not kept."""
        now = lapsed()  # before reading: the answer is as old as that
        began, answer = self._answers.get(key, (None, None))
        if began is None or now - began >= self._seconds or began < _not_before:
            answer = read()
            if len(self._answers) >= MOST_KEPT:
                self._answers.clear()
            self._answers[key] = now, answer
        return answer  # type: ignore[return-value] # of this key


def kept_for(seconds: float) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Keeps the answers of a function, which takes hashable arguments, for so many seconds."""

    def decorate(read: Callable[P, R]) -> Callable[P, R]:
        shelf = Shelf(seconds)

        @functools.wraps(read)
        def kept(*args: P.args, **kwargs: P.kwargs) -> R:
            return shelf.of((args, *sorted(kwargs.items())), lambda: read(*args, **kwargs))

        return kept

    return decorate
