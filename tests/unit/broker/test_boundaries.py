"""Who may trade at all: no import of alpaca's clients elsewhere, no other reader of the keys that trade."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from alpaquero.broker.protocol import ClockReader, MarketDataReader, OrderReader, OrderSubmitter
from laptop.layout import REPOSITORY
from laptop.template import functions

ADAPTER = REPOSITORY / "layers/alpaquero/python/alpaquero/broker"
ROOMS = ("functions", "layers/alpaquero/python", "localstack/laptop", "infra")
TRADES = {"submit", "replace", "cancel"}
SECRETS = ("TradingSecret", "DataSecret")
MAY_TRADE = {"TradingExecute", "TradingSync"}
WEBHOOKS = "alpaquero/webhooks/*"
ALSO_READS = {  # secrets that are no keys of the broker
    "HealthProbe": {"WatchdogSecret"},
    "HealthMonitorApi": {"FaultsSecret"},
    "NotificationDeliver": {WEBHOOKS},
    "NotificationDigest": {WEBHOOKS},
}


def modules_outside() -> Iterator[Path]:
    """Every module of ours but the adapter's."""
    for room in ROOMS:
        yield from (path for path in (REPOSITORY / room).rglob("*.py") if ADAPTER not in path.parents)


def imports_of(source: str) -> set[str]:
    """Every module a source imports, by statement or by a text that names it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            found |= {str(each.value) for each in node.args if isinstance(each, ast.Constant)}
    return {name for name in found if name == "alpaca" or name.startswith("alpaca.")}


def uses_of(source: str, name: str) -> int:
    """How often a source names `name`: in an import, a call, an attribute."""
    return sum(
        1
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.alias) and node.name.split(".")[-1] == name)
        or (isinstance(node, ast.Name) and node.id == name)
        or (isinstance(node, ast.Attribute) and node.attr == name)
    )


def test_nothing_outside_the_adapter_imports_alpaca() -> None:
    """Every call to the broker passes the one transport, with its breaker, budget and time-outs."""
    offenders = {
        str(path.relative_to(REPOSITORY)): imports
        for path in modules_outside()
        if (imports := imports_of(path.read_text()))
    }
    assert offenders == {}


@pytest.mark.parametrize(
    "source",
    [
        "import alpaca.trading.client",
        "from alpaca.trading.client import TradingClient",
        "from alpaca import trading",
        "import importlib\nimportlib.import_module('alpaca.trading.client')",
        "__import__('alpaca.trading')",
        "def later():\n    import alpaca as broker",
    ],
)
def test_the_search_finds_each_way_to_import(source: str) -> None:
    """The search would see an import at the top, inside a function, or by name."""
    assert imports_of(source)


def test_the_adapter_itself_is_found_by_the_search() -> None:
    """The search looks for what the adapter really does."""
    assert {"alpaca.trading.client"} <= imports_of((ADAPTER / "alpaca.py").read_text())


def test_only_execute_connects_a_submitter() -> None:
    """One handler gets a client that places orders; sync gets one that reads."""
    users = {
        str(path.relative_to(REPOSITORY))
        for path in modules_outside()
        if uses_of(path.read_text(), "connect_submitter")
    }
    assert users == {"functions/trading/execute.py"}
    readers = {
        str(path.relative_to(REPOSITORY))
        for path in modules_outside()
        if uses_of(path.read_text(), "connect_reader")
    }
    assert readers == {"functions/trading/sync.py"}


@pytest.mark.parametrize("role", [ClockReader, OrderReader, MarketDataReader])
def test_a_reading_role_has_no_way_to_trade(role: type) -> None:
    """The types say so too: mypy refuses a handler that asks a reader to submit."""
    assert not TRADES & set(dir(role))
    assert TRADES <= set(dir(OrderSubmitter))


def secrets_of(name: str) -> set[str]:
    """The parameters whose secrets a function's policies let it read; anything wider is named whole."""
    allowed: set[str] = set()
    for policy in functions()[name].get("Policies", []):
        statements = policy.get("Statement", []) if isinstance(policy, dict) else [policy]
        for statement in statements:
            if "secretsmanager" not in json.dumps(statement):
                continue
            resources = statement["Resource"]
            for resource in resources if isinstance(resources, list) else [resources]:
                text = json.dumps(resource)
                named = re.search(r":secret:(?:\$\{(\w+)\}-\*|([^\"]+))\"", text)
                allowed.add((named[1] or named[2]) if named else text)
    return allowed


@pytest.mark.parametrize("name", sorted(functions()))
def test_a_function_reads_no_secret_but_its_own(name: str) -> None:
    """The keys that trade are for execute and sync; all others read prices by the data secret, or nothing."""
    keys = set(SECRETS) if name in MAY_TRADE else {"DataSecret"}
    assert secrets_of(name) <= keys | ALSO_READS.get(name, set())


def test_execute_and_sync_do_read_the_trading_secret() -> None:
    """The check above looks at policies that are really there."""
    assert all("TradingSecret" in secrets_of(name) for name in MAY_TRADE)
