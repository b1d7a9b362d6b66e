"""What docs/risk.md says of rules and settings, held against the code in both directions."""

from __future__ import annotations

import re
from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import pytest

from alpaquero.orders.intent import Purpose
from alpaquero.risk import exits, locks
from alpaquero.risk.limits import RiskLimits
from alpaquero.risk.rules import RULES, Rule
from alpaquero.strategy.settings import StrategySettings
from laptop import risk_files
from laptop.cli import COMMANDS
from laptop.layout import REPOSITORY

TEXT = (REPOSITORY / "docs" / "risk.md").read_text()
JUDGES = {
    frozenset({Purpose.ENTRY}): "entry",
    frozenset({Purpose.EXIT}): "exit",
    frozenset(Purpose): "both",
}
UNITS = {
    "percent": "percent", "minutes": "minutes", "hours": "hours", "days": "calendar days", "bars": "bars",
    "dollars": "dollars", "trades": "round trips", "stops": "stops",
}  # fmt: skip
OTHER_USERS = {"sizing", "monitor"}


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = re.findall(r"^\|(.*)\|$", section, re.MULTILINE)[2:]
    return [[cell.strip() for cell in row.split("|")] for row in table]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


RULE_ROWS = rows("Rules")
SETTING_ROWS = {names(row[0])[0]: row for row in rows("Settings")}
DEFAULTS = {field.name: getattr(RiskLimits(), field.name) for field in fields(RiskLimits)}
DEFAULTS["signal_validity_bars"] = StrategySettings().signal_validity_bars


def shown(value: object) -> str:
    """A default as the page writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, dict)):
        return "none" if not value else str(value)
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def test_the_rules_are_those_of_the_code_in_their_order() -> None:
    """No rule without a row, no row without a rule."""
    assert [rule.code for rule in RULES] == [names(row[0])[0] for row in RULE_ROWS]


@pytest.mark.parametrize(
    ("rule", "row"), [pytest.param(*pair, id=pair[0].code) for pair in zip(RULES, RULE_ROWS, strict=False)]
)
def test_a_rule_is_described_as_it_is(rule: Rule, row: list[str]) -> None:
    """What it judges and the settings it goes by."""
    assert (JUDGES[rule.purposes], list(rule.settings)) == (row[1], names(row[3]))
    assert row[2]


def test_the_settings_are_those_of_the_code() -> None:
    """No setting without a row, no row without a setting."""
    assert set(DEFAULTS) == set(SETTING_ROWS)


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_a_setting_is_described_as_it_is(name: str) -> None:
    """Its default, a unit that agrees with its name, and who uses it."""
    _, default, unit, users = SETTING_ROWS[name]
    assert shown(DEFAULTS[name]) == default
    if name.rpartition("_")[2] in UNITS and not isinstance(DEFAULTS[name], bool):
        assert UNITS[name.rpartition("_")[2]] in unit
    users_in_code = {rule.code for rule in RULES if name in rule.settings}
    assert set(names(users)) == users_in_code
    assert users_in_code or users in OTHER_USERS


def test_the_columns_of_the_files_are_those_that_are_read(tmp_path: Path) -> None:
    """A file with the columns of the page is read; its import is a command that exists."""
    columns = re.search(r"columns `(symbol,sector)`.*has `(symbol,start,end,reason)`", TEXT)
    assert columns is not None
    for number, read in ((1, risk_files.sectors), (2, risk_files.blackouts)):
        file = tmp_path / f"{number}.csv"
        file.write_text(columns[number] + "\n")
        assert not read(file)
    assert "limits" in COMMANDS


def test_locks_and_exits_are_named() -> None:
    """Each lock has its row, each exit of the monitor its finding."""
    assert {locks.DRAWDOWN, locks.DAILY_LOSS} == {names(row[0])[0] for row in rows("Trading state")}
    told = {name for row in rows("What the monitor does") for name in names(row[0])}
    assert {exits.FLATTEN, exits.TRAILING_STOP, exits.HOLDING_TIME} == told
