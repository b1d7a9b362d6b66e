"""Our `dataclass` behaves as the standard library's."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, field, replace
from inspect import signature

import msgspec
import pytest

from alpaquero.quickly_made import dataclass, maker


@dataclasses.dataclass(frozen=True, slots=True)
class Plain:
    """By the standard library."""

    first: int
    second: str = "b"
    others: dict[str, int] = field(default_factory=dict)
    last: int = field(default=4, kw_only=True)

    def __post_init__(self) -> None:
        if self.first < 0:
            raise ValueError("first is below 0")


@dataclass(frozen=True, slots=True)
class Quick:
    """The same, by ours."""

    first: int
    second: str = "b"
    others: dict[str, int] = field(default_factory=dict)
    last: int = field(default=4, kw_only=True)

    def __post_init__(self) -> None:
        if self.first < 0:
            raise ValueError("first is below 0")


@dataclass(frozen=True, slots=True)
class Marked:
    """A value with a field that does not count."""

    name: str
    number: int = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Longer(Marked):
    """One that inherits."""

    more: int


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


def test_a_maker_makes_what_the_class_makes() -> None:
    """At the first call as at the second: the same fields, defaults and refusals, and it is frozen."""
    quick = maker(Quick)
    for made in (quick(1, last=2), quick(1, last=2)):
        assert (type(made), made) == (Quick, Quick(1, last=2))
        with pytest.raises(FrozenInstanceError):
            made.first = 2  # type: ignore[misc]
    assert quick(1).others is not quick(1).others
    for make in (quick, maker(Quick)):
        with pytest.raises(ValueError, match="below 0"):
            make(-1)
        with pytest.raises(TypeError, match="first"):
            make()  # type: ignore[call-arg]


def test_it_hashes_and_shows_as_the_standard_one() -> None:
    """Equal objects hash alike, fields left out of comparison or repr are left out, others differ."""
    assert hash(Marked("a", 1)) == hash(Marked("a", 2))
    assert Marked("a", 1) == Marked("a", 2) != Marked("b", 1)
    assert repr(Marked("a", 1)) == "Marked(name='a')"
    others: list[object] = ["a", Quick(1), None]
    assert Marked("a", 1) not in others


def test_it_is_copied_and_pickled() -> None:
    """Copies and pickles of a frozen object are equal to it."""
    made = Marked("a", 1)
    for other in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):  # noqa: S301 - our own
        assert (other, other.number) == (made, made.number)


def test_msgspec_reads_and_writes_it() -> None:
    """What is stored as JSON comes back, and a wrong type or a refused value is refused."""
    text = msgspec.json.encode(Quick(1, last=2))
    assert msgspec.json.decode(text, type=Quick) == Quick(1, last=2)
    for wrong in (b'{"first":"x"}', b'{"first":-1}', b"{}"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(wrong, type=Quick)


def test_what_it_does_not_know_the_standard_library_makes() -> None:
    """A dataclass that inherits from one has the fields of both, in order."""
    assert [one.name for one in dataclasses.fields(Longer)] == ["name", "number", "more"]
    assert Longer("a", 1, 2) == Longer("a", 3, 2)
    with pytest.raises(FrozenInstanceError):
        Longer("a", 1, 2).more = 3  # type: ignore[misc]


def test_a_field_cannot_be_deleted() -> None:
    """Nor does it take an attribute that is no field."""
    made = Marked("a", 1)
    with pytest.raises(FrozenInstanceError):
        del made.name
    with pytest.raises(FrozenInstanceError):
        made.other = 1  # type: ignore[attr-defined]
