"""Each handler runs under AWS's runtime interface emulator on the event that the engine sends it.

No container: a process with the function's folder, its layers and AWS's runtime client. `make sam` makes the
environment that has the emulator.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from laptop.errors import LaptopError
from laptop.sam import emulator
from laptop.sam.functions import environment
from laptop.stack import LaptopCloud
from laptop.template import functions
from tests.integration.asking import Caller
from tests.integration.reading import Traded
from tests.integration.replays import fault, replay, work_was_done

pytestmark = pytest.mark.skipif(emulator.why_not() is not None, reason=f"{emulator.why_not()}")


@pytest.fixture(scope="module")
def answers(cloud: LaptopCloud, admin: Caller, traded: Traded) -> dict[str, Any]:
    """What each function answered, or the error of the one that did not; two run at once."""
    given = replay(cloud, admin, traded.symbol, "2012-03-05")

    def ask(function: str) -> Any:
        try:
            return emulator.invoke(function, given.event(function), environment(cloud, function))
        except LaptopError as error:
            return error

    with ThreadPoolExecutor(max_workers=2) as pool:
        return dict(zip(functions(), pool.map(ask, functions()), strict=True))


@pytest.mark.parametrize("function", functions())
def test_the_handler_answers(function: str, answers: dict[str, Any]) -> None:
    """It starts by its own layers, takes the event, reaches the cloud, and answers as its caller needs."""
    assert fault(function, answers[function]) is None


def test_work_that_was_left_to_them_is_done(
    answers: dict[str, Any], cloud: LaptopCloud, admin: Caller
) -> None:
    """The backtest and the ingest that no worker of the engine saw are done."""
    assert answers
    assert work_was_done(cloud, admin)
