"""The events that `sam local` and the emulator run functions on are what the engine really sends."""

from __future__ import annotations

import json
import os

import pytest

from laptop.sam.functions import EVENTS, event_file
from laptop.stack import LaptopCloud
from laptop.template import functions
from tests.integration import sent_events
from tests.integration.asking import Caller
from tests.integration.event_shapes import shapes
from tests.integration.reading import Traded

AGAIN = f"{sent_events.WRITES}=1 python -m pytest tests/integration/test_what_is_sent.py"


@pytest.fixture(scope="module")
def shapes_sent(cloud: LaptopCloud, admin: Caller, traded: Traded) -> dict[str, set[str]]:
    """Every shape of event that each function was sent; the files are written first when asked for."""
    sent_events.provoke(cloud, admin, traded.symbol)
    if os.environ.get(sent_events.WRITES):
        sent_events.write(cloud)
    found: dict[str, set[str]] = {}
    for function, event in sent_events.sent(cloud):
        found.setdefault(function, set()).update(shapes(event))
    return found


@pytest.mark.parametrize("function", functions())
def test_the_file_has_the_shape_of_what_is_sent(function: str, shapes_sent: dict[str, set[str]]) -> None:
    """A function's file has just the names and kinds of values that the engine sends it now."""
    kept = shapes(json.loads(event_file(function).read_text()))
    assert kept <= shapes_sent[function], f"{function}'s events changed; write its file again: {AGAIN}"


def test_no_file_is_left_of_a_function_that_is_gone() -> None:
    """Every file in events/ is a function's of the template."""
    assert {path.stem for path in EVENTS.glob("*.json")} == set(functions())
