"""Answers that are kept for a moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from alpaquero import lately, wall
from alpaquero.lately import MOST_KEPT, Shelf, kept_for


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the module sees; the test moves them."""
    seconds = [100.0]
    monkeypatch.setattr(lately, "lapsed", lambda: seconds[0])
    monkeypatch.setattr(lately, "_not_before", float("-inf"))
    return seconds


def test_an_answer_is_read_once_in_its_seconds(clock: list[float]) -> None:
    """Until its seconds are over the answer stays; then it is read anew."""
    read: list[float] = []

    @kept_for(2.0)
    def now() -> float:
        read.append(clock[0])
        return clock[0]

    answers = []
    for clock[0] in (100.0, 101.9, 102.0, 103.9):
        answers.append(now())
    assert answers == [100.0, 100.0, 102.0, 102.0]
    assert read == [100.0, 102.0]


def test_answers_are_kept_by_their_arguments(clock: list[float]) -> None:
    """Other arguments, be they named, have other answers."""

    @kept_for(60.0)
    def told(what: str, *, loud: bool = False) -> str:
        return f"{what} {loud} {clock[0]}"

    assert told("a") == "a False 100.0"
    clock[0] = 101.0
    assert [told("a"), told("b"), told("a", loud=True)] == ["a False 100.0", "b False 101.0", "a True 101.0"]


def test_an_answer_is_as_old_as_the_beginning_of_its_reading(clock: list[float]) -> None:
    """A slow reading does not make the answer younger than what was read."""
    shelf = Shelf(2.0)

    def slowly() -> float:
        clock[0] += 1.5
        return clock[0]

    assert shelf.of("x", slowly) == 101.5
    clock[0] = 102.0
    assert shelf.of("x", slowly) == 103.5


def test_who_asks_anew_gets_nothing_from_before(clock: list[float]) -> None:
    """What was read within the request serves all of it, and those who ask later."""
    shelf = Shelf(60.0)
    assert shelf.of("x", lambda: clock[0]) == 100.0
    clock[0] = 101.0
    lately.begin(anew=True)
    clock[0] = 102.0
    assert [shelf.of("x", lambda: clock[0]) for clock[0] in (102.0, 103.0)] == [102.0, 102.0]
    lately.begin(anew=False)
    assert shelf.of("x", lambda: clock[0]) == 102.0


def test_a_failure_is_not_kept(clock: list[float]) -> None:
    """Who asks after a failure has it read again; an answer that is nothing is one too."""
    outcomes: list[Exception | None] = [None, ValueError("away")]

    @kept_for(60.0)
    def answer() -> None:
        outcome = outcomes.pop()
        if outcome:
            raise outcome

    with pytest.raises(ValueError, match="away"):
        answer()
    assert answer() is None
    assert answer() is None
    assert not outcomes


def test_no_more_than_so_many_are_kept(clock: list[float]) -> None:
    """A function that is asked for ever more does not grow for ever."""
    shelf = Shelf(60.0)
    for number in range(3 * MOST_KEPT):
        shelf.of(number, lambda: clock[0])
        assert len(shelf._answers) <= MOST_KEPT


def test_nothing_kept_before_a_freeze_is_given_out_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen sandbox's monotonic clock stands; an hour later the answer is an hour old all the same."""
    at = [datetime(2026, 11, 23, tzinfo=UTC)]
    monkeypatch.setattr(wall, "now", lambda: at[0])
    monkeypatch.setattr(wall, "time", SimpleNamespace(monotonic=lambda: 5.0))
    monkeypatch.setattr(lately, "lapsed", wall.lapsed)
    shelf = Shelf(2.0)
    assert [shelf.of("x", lambda: at[0]) for _ in range(2)] == [at[0], at[0]]
    at[0] += timedelta(hours=1)
    assert shelf.of("x", lambda: at[0]) == at[0]
