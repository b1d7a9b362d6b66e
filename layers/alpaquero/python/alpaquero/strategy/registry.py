"""The strategies there are: each file in `alpaquero/strategies` is one; asked by settings and backtests."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, cast

from alpaquero import strategies
from alpaquero.strategy.protocol import Strategy, Vectorised

_OF_A_VECTORISED = ("batch", "rolling", "decide_many")


@cache
def names() -> tuple[str, ...]:
    """The rules that exist, by name; none of them is loaded for it."""
    return tuple(sorted(module.name for module in iter_modules(strategies.__path__)))


@cache
def strategy(rule: str) -> Strategy[Any]:
    """The strategy in the file `<rule>.py`. Raises `ValueError` naming those that exist."""
    if rule not in names():
        raise ValueError(f"rule is {rule[:40]!r}; there is {', '.join(names())}")
    return cast("Strategy[Any]", import_module(f"{strategies.__name__}.{rule}"))


def vectorised(rule: str) -> Vectorised[Any] | None:
    """The same strategy when it has forms for many bars at once, else None."""
    found = strategy(rule)
    has_all = all(hasattr(found, name) for name in _OF_A_VECTORISED)
    return cast("Vectorised[Any]", found) if has_all else None
