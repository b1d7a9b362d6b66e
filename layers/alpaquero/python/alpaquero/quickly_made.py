"""Frozen dataclasses that cost little to make; for what the rules make by the thousand.

`dataclass(frozen=True)` sets each field by a call of `object.__setattr__`, which is most of what a large
one costs. Here the fields are set as attributes while the object is of an open twin of its class.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

T = TypeVar("T")


def quickly_made(frozen: type[T]) -> type[T]:
    """The frozen dataclass with slots, given a quicker `__init__` of the same signature.

    >>> from dataclasses import dataclass
    >>> @quickly_made
    ... @dataclass(frozen=True, slots=True)
    ... class Point:
    ...     x: int
    ...     y: int = 0
    >>> Point(1)
    Point(x=1, y=0)
    """
    known = fields(frozen)  # type: ignore[arg-type]
    twin = type(f"_Open{frozen.__name__}", (), {"__slots__": frozen.__slots__})  # type: ignore[attr-defined]
    scope: dict[str, Any] = {
        "_set": object.__setattr__,
        "_twin": twin,
        "_missing": MISSING,
    }
    plain = [_parameter(one, scope) for one in known if not one.kw_only]
    keyed = [_parameter(one, scope) for one in known if one.kw_only]
    lines = ["own = self.__class__", "_set(self, '__class__', _twin)"]
    for one in known:
        if one.default_factory is not MISSING:
            lines.append(f"if {one.name} is _missing: {one.name} = _made_{one.name}()")
        lines.append(f"self.{one.name} = {one.name}")
    lines.append("self.__class__ = own")
    if hasattr(frozen, "__post_init__"):
        lines.append("self.__post_init__()")
    signature = ", ".join(["self", *plain, *(["*", *keyed] if keyed else [])])
    body = "\n    ".join(lines)
    exec(f"def __init__({signature}):\n    {body}", scope)  # noqa: S102 - as `dataclass` makes its own
    made = scope["__init__"]
    made.__annotations__ = frozen.__init__.__annotations__
    made.__qualname__ = f"{frozen.__qualname__}.__init__"
    frozen.__init__ = made  # type: ignore[method-assign]
    return frozen


def _parameter(one: Field[Any], scope: dict[str, Any]) -> str:
    """The field as a parameter; what its default is goes to the scope."""
    if one.default_factory is not MISSING:
        scope[f"_made_{one.name}"] = one.default_factory
        return f"{one.name}=_missing"
    if one.default is not MISSING:
        scope[f"_default_{one.name}"] = one.default
        return f"{one.name}=_default_{one.name}"
    return one.name
