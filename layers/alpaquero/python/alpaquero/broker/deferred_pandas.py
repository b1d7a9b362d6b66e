"""Lets alpaca-py be imported without pandas and numpy; used by the modules that import alpaca.

alpaca-py imports both for its `.df` property and one date check, neither of which we use, and
they cost more time and memory than the rest of the client. While `deferred_pandas()` is open,
`import pandas` yields a stand-in; afterwards the stand-in is gone from `sys.modules`, a real
import works, and what alpaca holds resolves to the real module when it is first touched.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType

DEFERRED = ("pandas", "numpy")


class _StandIn(ModuleType):
    """A module that becomes the real one at its first attribute."""

    def __init__(self, name: str) -> None:
        super().__init__(name, f"{name}, imported when first used")
        self.__spec__ = ModuleSpec(name, None)

    def __getattr__(self, attribute: str) -> object:
        if sys.modules.get(self.__name__) is self:
            if attribute.startswith("__"):
                raise AttributeError(attribute)
            return type(attribute, (), {})  # a name for annotations, such as DataFrame
        return getattr(importlib.import_module(self.__name__), attribute)


@contextmanager
def deferred_pandas() -> Iterator[None]:
    """Defers pandas and numpy for the imports made inside; leaves either alone if it is loaded."""
    stand_ins = {name: _StandIn(name) for name in DEFERRED if name not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]
