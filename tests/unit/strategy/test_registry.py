"""Strategies are found in their folder, or loaded from a file elsewhere for one process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from alpaquero.strategy import registry
from alpaquero.strategy.settings import StrategySettings
from laptop.layout import REPOSITORY

SHIPPED = REPOSITORY / "layers" / "alpaquero" / "python" / "alpaquero" / "strategies"
EXAMPLE = (SHIPPED / "ema_cross.py").read_text()


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test loads is gone after it."""
    before = set(sys.modules)
    monkeypatch.setattr(registry, "_loaded", {})
    yield
    for name in set(sys.modules) - before:
        if name.startswith("alpaquero.strategies."):
            del sys.modules[name]


def test_each_file_in_the_folder_is_a_strategy() -> None:
    """Its name is the rule's name."""
    files = {path.stem for path in SHIPPED.glob("*.py")} - {"__init__"}
    assert files == set(registry.names())


def test_a_strategy_without_numpy_forms_has_none(tmp_path: Path) -> None:
    """They are optional; the shipped ones have them."""
    plain = EXAMPLE.split("def batch(", maxsplit=1)[0]
    (tmp_path / "plain_cross.py").write_text(plain)
    assert registry.vectorised(registry.load_file(tmp_path / "plain_cross.py")) is None
    assert registry.vectorised("stochrsi_ema") is not None


def test_a_file_elsewhere_is_known_once_it_is_loaded(tmp_path: Path) -> None:
    """Settings take its rule and parameters like those of a shipped one."""
    (tmp_path / "my_cross.py").write_text(EXAMPLE)
    with pytest.raises(ValueError, match="there is ema_cross, stochrsi_ema"):
        StrategySettings(rule="my_cross")
    assert "my_cross" == registry.load_file(tmp_path / "my_cross.py")
    assert {"my_cross", "ema_cross"} <= set(registry.names())
    settings = StrategySettings(rule="my_cross", parameters={"fast_period_bars": 5})
    assert 5 == settings.parameters_for("AAPL").fast_period_bars


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("ema_cross.py", EXAMPLE, "ships; give the file another name"),
        ("My-Rule.py", EXAMPLE, "a-z"),
        ("missing.py", None, "there is no file"),
        ("broken.py", "import nonsense_that_is_not_there", "ModuleNotFoundError"),
        ("short.py", "TITLE = 'short'", "lacks PLOTS, REQUIRED, Parameters, warm_up_bars, values, decide"),
    ],
)
def test_what_is_no_strategy_is_refused(tmp_path: Path, name: str, text: str | None, says: str) -> None:
    """The message says what to change, and nothing stays behind."""
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=says):
        registry.load_file(tmp_path / name)
    assert ("ema_cross", "stochrsi_ema") == registry.names()
