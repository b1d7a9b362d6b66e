"""`dataclass` as the standard library has it, at a fraction of the cost; for all of our frozen values.

A frozen dataclass of the standard library compiles six methods when it is defined, 0.7 ms; a function
that imports a hundred of them waits for that at each cold start, and for most never makes one. Here
`__init__` is compiled at its first use and the others are not compiled at all.

It also makes objects quicker. `dataclass` sets each frozen field by a call of `object.__setattr__`, most
of what a large one costs; here fields are set while the object is of an open twin of its class. What is
made by the thousand is made in half of that time by a `maker`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError
from inspect import get_annotations
from operator import attrgetter
from types import FunctionType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")


if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 - so mypy knows it for what it is
else:

    def dataclass(*, frozen=False, slots=False, kw_only=False):
        """The decorator `dataclasses.dataclass`; quick for frozen ones with slots that inherit nothing.

        >>> @dataclass(frozen=True, slots=True)
        ... class Point:
        ...     x: int
        ...     y: int = 0
        >>> Point(1)
        Point(x=1, y=0)
        """

        def decorate(cls):
            if frozen and slots and _is_plain(cls):
                return _quickly_made(cls, kw_only=kw_only)
            return dataclasses.dataclass(cls, frozen=frozen, slots=slots, kw_only=kw_only)

        return decorate


def _is_plain(cls: type) -> bool:
    """Whether it has fields, and nothing but them and methods that `dataclass` would leave alone."""
    named = get_annotations(cls)
    own = {"__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__", "__getstate__"}
    if cls.__bases__ != (object,) or not named or not own.isdisjoint(cls.__dict__):
        return False
    if any("InitVar" in str(kind) for kind in named.values()):
        return False
    return all(value.init for value in cls.__dict__.values() if isinstance(value, Field))


def _quickly_made(cls: type, *, kw_only: bool) -> type:
    made: Any = dataclasses.dataclass(
        cls, init=False, repr=False, eq=False, slots=True, kw_only=kw_only, match_args=True
    )
    known = dataclasses.fields(made)
    names = frozenset(one.name for one in known)
    compared = _values_of([one.name for one in known if one.compare])
    hashed = _values_of([one.name for one in known if (one.compare if one.hash is None else one.hash)])
    shown = [one.name for one in known if one.repr]

    def __repr__(self: Any) -> str:  # noqa: N807 - a method of the class that is made
        return f"{self.__class__.__qualname__}({', '.join(f'{n}={getattr(self, n)!r}' for n in shown)})"

    def __eq__(self: Any, other: object) -> bool:  # noqa: N807
        return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self: Any) -> int:  # noqa: N807
        return hash(hashed(self))

    def __setattr__(self: Any, name: str, value: object) -> None:  # noqa: N807
        if type(self) is made or name in names:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        object.__setattr__(self, name, value)

    def __delattr__(self: Any, name: str) -> None:  # noqa: N807
        if type(self) is made or name in names:
            raise FrozenInstanceError(f"cannot delete field {name!r}")
        object.__delattr__(self, name)

    methods: dict[str, Any] = {
        "__repr__": __repr__,
        "__eq__": __eq__,
        "__hash__": __hash__,
        "__setattr__": __setattr__,
        "__delattr__": __delattr__,
        "__getstate__": _getstate,
        "__setstate__": _setstate,
    }
    for name, method in methods.items():
        setattr(made, name, method)
    made.__init__ = _CompiledLater(made)
    params = made.__dataclass_params__  # what a dataclass that inherits from it looks at
    params.init = params.repr = params.eq = params.frozen = True
    return made  # type: ignore[no-any-return]


def _values_of(names: list[str]) -> Any:
    return attrgetter(*names) if names else lambda _self: ()


def _getstate(self: Any) -> list[Any]:
    """For pickle and copy, which could not set the fields of a frozen object."""
    return [getattr(self, one.name) for one in dataclasses.fields(self)]


def _setstate(self: Any, state: list[Any]) -> None:
    for one, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, one.name, value)


class _CompiledLater:
    """An `__init__` that puts the compiled one in its place when somebody first asks for it."""

    def __init__(self, cls: Any) -> None:
        self._cls = cls

    def __get__(self, instance: object, owner: type) -> Any:
        compiled = self._cls.__init__ = _init_of(self._cls)
        return compiled.__get__(instance, owner)


def maker(cls: Callable[P, T]) -> Callable[P, T]:
    """A function that makes what a call of the class does: a call of a function packs no keywords.

    `cls` is a class of `dataclass(frozen=True, slots=True)`. Compiled at the first call, as `__init__` is.

    >>> @dataclass(frozen=True, slots=True, kw_only=True)
    ... class Point:
    ...     x: int
    ...     y: int = 0
    >>> point = maker(Point)
    >>> point(x=1)
    Point(x=1, y=0)
    """
    scope: dict[str, Any] = {"_cls": cls, "_compile": _compile_maker}
    made = scope["_itself"] = FunctionType(_compiled_later.__code__, scope, "made")
    return cast("Callable[P, T]", made)


def _compiled_later(*args: Any, **kwargs: Any) -> Any:
    """What a maker is until its first call; the names are those of its own scope."""
    return _compile(_itself, _cls)(*args, **kwargs)  # type: ignore[name-defined]  # noqa: F821


def _compile_maker(made: FunctionType, cls: Any) -> FunctionType:
    """Gives a maker the code that it has from now on."""
    scope = made.__globals__
    parameters, lines = _setting(cls, scope)
    lines = ["self = _new(_twin)", *lines, "self.__class__ = _cls", *_checking(cls), "return self"]
    compiled = _function("made", parameters, lines, scope)
    made.__code__, made.__defaults__ = compiled.__code__, compiled.__defaults__
    made.__kwdefaults__ = compiled.__kwdefaults__
    return made


def _init_of(cls: Any) -> Any:
    scope: dict[str, Any] = {}
    parameters, lines = _setting(cls, scope)
    opened = ["own = self.__class__", "_set(self, '__class__', _twin)"]
    lines = [*opened, *lines, "self.__class__ = own", *_checking(cls)]
    made = _function("__init__", ["self", *parameters], lines, scope)
    made.__annotations__ = {one.name: one.type for one in dataclasses.fields(cls)} | {"return": None}
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__module__ = cls.__module__
    return made


def _setting(cls: Any, scope: dict[str, Any]) -> tuple[list[str], list[str]]:
    """A parameter for each field, and lines that set them on an open twin; what they name is in the scope."""
    known = dataclasses.fields(cls)
    scope |= {"_set": object.__setattr__, "_new": object.__new__, "_missing": MISSING}
    scope["_twin"] = type(f"_Open{cls.__name__}", (), {"__slots__": cls.__slots__})
    plain = [_parameter(one, scope) for one in known if not one.kw_only]
    keyed = [_parameter(one, scope) for one in known if one.kw_only]
    lines = []
    for one in known:
        if one.default_factory is not MISSING:
            lines.append(f"if {one.name} is _missing: {one.name} = _made_{one.name}()")
        lines.append(f"self.{one.name} = {one.name}")
    return [*plain, *(["*", *keyed] if keyed else [])], lines


def _checking(cls: Any) -> list[str]:
    return ["self.__post_init__()"] if hasattr(cls, "__post_init__") else []


def _function(name: str, parameters: list[str], lines: list[str], scope: dict[str, Any]) -> Any:
    body = "\n    ".join(lines)
    exec(f"def {name}({', '.join(parameters)}):\n    {body}", scope)  # noqa: S102 - as `dataclass` makes its own
    return scope[name]


def _parameter(one: Field[Any], scope: dict[str, Any]) -> str:
    """The field as a parameter; what its default is goes to the scope."""
    if one.default_factory is not MISSING:
        scope[f"_made_{one.name}"] = one.default_factory
        return f"{one.name}=_missing"
    if one.default is not MISSING:
        scope[f"_default_{one.name}"] = one.default
        return f"{one.name}=_default_{one.name}"
    return one.name
