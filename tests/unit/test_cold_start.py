"""A cold start without garbage collection, and with botocore first."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from alpaquero import cold_start
from alpaquero.observability import observed


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Leaves the collector on, with nothing set aside."""
    yield
    gc.unfreeze()
    gc.enable()


def test_a_function_collects_from_its_first_event_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector rests while Lambda imports, and works again when a handler runs."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "signal")
    cold_start.begin()
    assert not gc.isenabled()
    assert observed("signal", follows_settings=False)(lambda _event, _context: gc.isenabled())({}, None)
    assert gc.get_freeze_count() > 0


def test_other_programs_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line and the exchange collect as ever."""
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME", raising=False)
    cold_start.begin()
    assert gc.isenabled()


@pytest.mark.parametrize(("function", "first"), [("signal", True), ("", False)])
def test_botocore_is_imported_first_where_it_is_needed(function: str, first: bool) -> None:
    """A function has botocore before any of our modules imports it from far below; programs go without."""
    look = "import sys, alpaquero; print('botocore.session' in sys.modules)"
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    environment |= {"AWS_LAMBDA_FUNCTION_NAME": function} if function else {}
    done = subprocess.run(
        [sys.executable, "-c", look], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(first)
