"""Frozen dataclasses that are quickly made behave as `dataclass` made them."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, field, replace
from inspect import signature

import pytest

from alpaquero.quickly_made import quickly_made


@dataclass(frozen=True, slots=True)
class Plain:
    """As `dataclass` makes it."""

    first: int
    second: str = "b"
    others: dict[str, int] = field(default_factory=dict)
    last: int = field(default=4, kw_only=True)

    def __post_init__(self) -> None:
        if self.first < 0:
            raise ValueError("first is below 0")


@quickly_made
@dataclass(frozen=True, slots=True)
class Quick:
    """The same, quickly made."""

    first: int
    second: str = "b"
    others: dict[str, int] = field(default_factory=dict)
    last: int = field(default=4, kw_only=True)

    def __post_init__(self) -> None:
        if self.first < 0:
            raise ValueError("first is below 0")


class Child(Quick):
    """A subclass without fields of its own."""

    __slots__ = ()


def test_it_takes_the_same_arguments() -> None:
    """Names, order and which are by keyword only; defaults are the fields'."""
    ours, theirs = (signature(one).parameters.values() for one in (Quick, Plain))
    assert [(p.name, p.kind) for p in ours] == [(p.name, p.kind) for p in theirs]
    assert repr(Quick(1)) == "Quick(first=1, second='b', others={}, last=4)"


def test_it_is_frozen_equal_and_replaceable() -> None:
    """No field can be set, equal fields are equal objects, and `replace` makes another."""
    made = Quick(1, last=2)
    with pytest.raises(FrozenInstanceError):
        made.first = 2  # type: ignore[misc]
    assert made == Quick(1, "b", {}, last=2)
    assert replace(made, second="c") == Quick(1, "c", last=2)


def test_each_has_a_default_of_its_own() -> None:
    """Two objects do not share what a default factory made."""
    assert Quick(1).others is not Quick(1).others


def test_it_checks_itself() -> None:
    """What `__post_init__` refuses is refused."""
    with pytest.raises(ValueError, match="below 0"):
        Quick(-1)


def test_a_subclass_makes_its_own_kind() -> None:
    """An object of a subclass is of that subclass, and frozen as well."""
    made = Child(3)
    assert type(made) is Child
    with pytest.raises(FrozenInstanceError):
        made.first = 2  # type: ignore[misc]
