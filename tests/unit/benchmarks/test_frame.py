"""The frame of `make bench`: which modules are parts, and what a failure leaves."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import pytest

from tests.benchmarks import __main__ as frame
from tests.benchmarks.rows import Row


def test_each_part_can_be_measured() -> None:
    """What `make bench` lists are the modules that measure, none of the programs and helpers beside them."""
    assert frame.parts()
    for name in frame.parts():
        assert callable(importlib.import_module(f"tests.benchmarks.{name}").measure)


def test_a_part_that_fails_costs_no_other_its_rows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The failure is told and noted, the rows of the others are there."""
    row = Row("fine", 1.0, "ms")

    def measure_of(module: str) -> SimpleNamespace:
        def fails() -> None:
            raise RuntimeError("no peers")

        return SimpleNamespace(measure=fails if module.endswith("broken") else lambda: [row])

    monkeypatch.setattr(frame, "import_module", measure_of)
    failed: list[str] = []
    assert list(frame.measured(["broken", "fine"], failed)) == [row]
    assert failed == ["broken"]
    assert "broken failed: no peers" in capsys.readouterr().err
