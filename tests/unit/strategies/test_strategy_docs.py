"""docs/strategies.md: its example is a strategy that works, its tables are those of the code."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from alpaquero.orders.intent import Side
from alpaquero.prices.columns import Columns
from alpaquero.store.trading_settings import TradingSettings
from alpaquero.strategy import registry
from alpaquero.strategy.judging import judge
from alpaquero.strategy.panel import Panel
from alpaquero.strategy.settings import StrategySettings
from alpaquero.strategy.signal import Signal
from alpaquero.strategy.sweep import sweep
from laptop.layout import REPOSITORY
from tests.unit.strategy.real_prices import SESSION, real_bars

TEXT = (REPOSITORY / "docs" / "strategies.md").read_text()


def block(language: str) -> str:
    """The page's one block of code in a language."""
    [found] = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return str(found)


def rows(heading: str) -> list[list[str]]:
    """The cells of the last table under a heading, without its head."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0] if heading else TEXT.split("\n## ")[0]
    table = re.findall(r"^\|(.*)\|$", section, re.MULTILINE)[2:]
    return [[cell.strip().strip("`") for cell in row.split("|")] for row in table]


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The example as a user saves it; forgotten afterwards."""
    monkeypatch.setattr(registry, "_loaded", {})
    path = tmp_path / "connors_rsi2.py"
    path.write_text(block("python"))
    yield registry.load_file(path)
    del sys.modules["alpaquero.strategies.connors_rsi2"]


def test_the_example_trades(example: str) -> None:
    """Copied into a file it raises both sides on shipped prices, with its tags, live and in a sweep alike."""
    settings = StrategySettings(rule=example)
    bars = Columns.of(real_bars()["IBM"][-650:])
    raised: dict[int, Signal] = {}
    for end in range(250, len(bars) + 1):
        start = bars.start_at(end - 1)
        found = judge(
            "IBM", bars[:end], strategy="mine", settings=settings, bar_start=start, bar_close=start + SESSION
        )
        if isinstance(found, Signal):
            raised[end - 1] = found
    assert {"rsi2_fall_in_uptrend", "rsi2_recovered"} == {signal.reason for signal in raised.values()}
    decisions = sweep(example, Panel.of([bars]), settings.parameters_for("IBM"), 250).decisions
    told = {end: 1 if signal.side is Side.BUY else -1 for end, signal in raised.items()}
    assert told == {end: side for end, side in enumerate(decisions.side[0].tolist()) if side}


def test_the_settings_shown_are_settings() -> None:
    """The change of the page, laid over the defaults, is taken."""
    change = msgspec.json.decode(block("json"))["settings"]
    settings = msgspec.convert(change, TradingSettings)
    assert settings.strategies["crossover"].shadow
    assert 8.0 == settings.strategies["crossover"].parameters_for("AAPL").maximum_atr_percent


def test_the_rules_are_those_of_the_folder() -> None:
    """No strategy without a row, no row without a strategy."""
    assert set(registry.names()) == {row[0] for row in rows("")}


def test_the_settings_are_those_of_the_code() -> None:
    """Each setting has its row and its default."""
    fields = {field.name: field for field in msgspec.structs.fields(StrategySettings)}
    shown = {row[0]: row[1] for row in rows("Apply one")}
    assert list(fields) == list(shown)
    for name in ("rule", "mode", "timeframe", "minimum_history_bars", "signal_validity_bars"):
        assert str(fields[name].default) == shown[name]
