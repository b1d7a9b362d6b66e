"""The strategies there are: each file in `alpaquero/strategies` is one; asked by settings and backtests."""

from __future__ import annotations

import re
import sys
from functools import cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, cast

from alpaquero import strategies
from alpaquero.strategy.protocol import Strategy, Vectorised

if TYPE_CHECKING:  # mypy holds the shipped ones to the protocol; nothing is loaded before it is asked for
    from alpaquero.strategies import ema_cross, stochrsi_ema

    _SHIPPED: tuple[Vectorised[Any], ...] = (ema_cross, stochrsi_ema)

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_OF_A_STRATEGY = (
    "TITLE",
    "PLOTS",
    "REQUIRED",
    "Parameters",
    "warm_up_bars",
    "values",
    "decide",
    "conditions",
)
_OF_A_VECTORISED = ("batch", "rolling", "decide_many")


_loaded: dict[str, Strategy[Any]] = {}  # from files elsewhere, in this process alone


def names() -> tuple[str, ...]:
    """The rules that exist, by name; none of them is loaded for it."""
    return tuple(sorted({*_shipped(), *_loaded}))


@cache
def _shipped() -> tuple[str, ...]:
    return tuple(module.name for module in iter_modules(strategies.__path__))


def strategy(rule: str) -> Strategy[Any]:
    """The strategy in the file `<rule>.py`. Raises `ValueError` naming those that exist."""
    return _loaded.get(rule) or _shipped_one(rule)


@cache
def _shipped_one(rule: str) -> Strategy[Any]:
    if rule not in _shipped():
        raise ValueError(f"rule is {rule[:40]!r}; there is {', '.join(names())}")
    return cast("Strategy[Any]", import_module(f"{strategies.__name__}.{rule}"))


def load_file(path: Path) -> str:
    """Makes the strategy in a file elsewhere known to this process; answers its rule, the file's name.

    So a user can test one before it is installed. The file's code runs. Raises `ValueError` when it
    takes the name of a shipped rule, cannot be imported, or lacks one of the names of a strategy.
    """
    rule = path.stem
    if rule in _shipped():
        raise ValueError(f"{rule} is a strategy that ships; give the file another name")
    if not _NAME.fullmatch(rule):
        raise ValueError(f"{path.name}: name the file with a-z, 0-9 and _, beginning with a letter")
    name = f"{strategies.__name__}.{rule}"
    spec = spec_from_file_location(name, path)
    if not path.is_file():
        raise ValueError(f"there is no file {path}; give the path of one strategy's .py file")
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is no Python file; give the path of one strategy's .py file")
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ValueError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    missing = [name for name in _OF_A_STRATEGY if not hasattr(module, name)]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}; docs/strategies.md says what they are")
    _loaded[rule] = cast("Strategy[Any]", module)
    return rule


def vectorised(rule: str) -> Vectorised[Any] | None:
    """The same strategy when it has forms for many bars at once, else None."""
    found = strategy(rule)
    has_all = all(hasattr(found, name) for name in _OF_A_VECTORISED)
    return cast("Vectorised[Any]", found) if has_all else None
