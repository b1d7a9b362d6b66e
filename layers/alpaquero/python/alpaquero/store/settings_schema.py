"""The settings as a JSON Schema with units, bounds and help, for the dashboard's form; `GET /config/schema`.

Types and defaults are read off the structs, bounds off the tables that check them, units off the
names. Only the help is written here; a test holds it to the structs, and the service's page to both.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from alpaquero.monitoring import settings as monitoring
from alpaquero.orders import timeouts
from alpaquero.risk import limits
from alpaquero.store import trading_settings
from alpaquero.store.trading_settings import TradingSettings
from alpaquero.strategy import registry

Node = dict[str, Any]
Bounds = tuple[Decimal | int, Decimal | int, bool]  # lowest, highest, whether the lowest is allowed

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SYMBOL_PATTERN = "^[A-Z][A-Z0-9.]{0,9}$"
STRATEGY = "strategies.<name>."  # how a path names what each strategy has
# The struct of each group, and how the paths of its settings begin.
GROUPS = {
    "TradingSettings": "",
    "StrategySettings": STRATEGY,
    "RiskLimits": "risk.",
    "OrderSettings": "orders.",
    "MonitoringSettings": "monitoring.",
}
SYSTEM = ("monitoring", "shard_size_symbols", "run_deadline_seconds", "log_level")
_UNITS = {
    "percent": "percent",
    "minutes": "minutes",
    "seconds": "seconds",
    "hours": "hours",
    "days": "days",
    "bars": "bars",
    "dollars": "dollars",
    "symbols": "symbols",
    "trades": "round trips",
    "stops": "stops",
    "probes": "probes",
    "depth": "messages",
    "multiple": "average true ranges",
    "level": "points",
    "strength": "points",
}
_OTHER_UNITS = {
    "risk.leverage_limit": "times equity",
    "risk.open_positions_limit": "symbols",
    "risk.orders_per_minute_limit": "orders",
}

HELP = {
    "watchlist": "What strategies judge that name no watchlist and have no symbols of their own.",
    "watchlists": "Further lists of symbols, by name; a strategy may name one.",
    "strategies": "What is judged, by a name of your choice; it goes into signals and order ids.",
    "risk": "The limits that every order is judged by.",
    "orders": "How long an entry may wait at the broker.",
    "monitoring": "When the health monitor raises and clears an alert.",
    "bar_settle_minutes": "How long after its close a daily bar is taken for final.",
    "intraday_settle_seconds": "How long after its close a shorter bar is taken for final.",
    "shard_size_symbols": "How many symbols one evaluation judges.",
    "run_deadline_seconds": "How long a run waits for its shards (wall time), and 1 s for each 50 symbols.",
    "risk_free_percent": "The yearly rate that Sharpe, Sortino and alpha take off returns.",
    "log_level": "What all functions but the authorizer log, within a minute; not set: as deployed.",
    "strategies.<name>.rule": "The strategy's file.",
    "strategies.<name>.mode": "trade makes orders of its signals, shadow only records and tells them.",
    "strategies.<name>.timeframe": "The bars it judges.",
    "strategies.<name>.minimum_history_bars": "How many bars it judges by; fewer are withheld.",
    "strategies.<name>.signal_validity_bars": "How many more bars may close before a signal is void.",
    "strategies.<name>.symbols": "What it judges; not set: the watchlist.",
    "strategies.<name>.watchlist": "The list it judges, by name; it then fills the symbols.",
    "strategies.<name>.parameters": "The rule's parameters; what is left out has its default.",
    "strategies.<name>.overrides": "Parameters that differ for a symbol.",
    "risk.sizing_method": "How many shares an entry without a quantity wants.",
    "risk.stop_loss_percent": "How far below the entry its stop stands.",
    "risk.take_profit_percent": "How far above the entry its target stands.",
    "risk.equity_at_risk_percent": "What the stop of one entry may lose of equity.",
    "risk.fixed_fraction_percent": "What an entry costs of equity, sized by fixed_fraction.",
    "risk.atr_period_bars": "Daily bars of the average true range, sized by atr.",
    "risk.atr_stop_multiple": "How many average true ranges below the entry its stop stands, sized by atr.",
    "risk.entry_reserve_margin_percent": "How much above the judged price an entry at market is counted.",
    "risk.position_limit_percent": "The most in one symbol, of equity.",
    "risk.total_exposure_limit_percent": "The most in all positions, of equity.",
    "risk.sector_limit_percent": "The most in one sector, of equity.",
    "risk.unknown_sector_limit_percent": "The most in symbols without a sector, of equity; 400 is no limit.",
    "risk.sectors": "Which sector each symbol is in.",
    "risk.cash_reserve_percent": "What of equity stays cash.",
    "risk.leverage_limit": "The most in all positions, as a multiple of equity.",
    "risk.buying_power_reserve_percent": "What of the broker's buying power stays unused.",
    "risk.maintenance_margin_percent": "What of all positions equity must cover.",
    "risk.order_notional_limit_dollars": "The most that one order may cost.",
    "risk.price_collar_percent": "How far from the market an order's price may be.",
    "risk.price_age_limit_minutes": "How old the newest price may be, in open market time.",
    "risk.request_validity_minutes": "How long a person's request may wait for its verdict; 0 is off.",
    "risk.allow_entries_while_closed": "Whether an entry may be placed while the market is closed.",
    "risk.session_open_delay_minutes": "No entry so soon after the open.",
    "risk.session_close_margin_minutes": "No entry so close to the close.",
    "risk.blackouts": "Windows without entries, such as earnings.",
    "risk.open_positions_limit": "How many symbols may be held or being bought.",
    "risk.one_position_per_symbol": "Refuses a second position in a symbol.",
    "risk.one_open_entry_per_symbol": "Refuses a second entry in a symbol while one is open.",
    "risk.refuse_wash_trades": "Refuses an entry against an open order of ours on the other side.",
    "risk.allow_short": "Short positions; only false is supported.",
    "risk.locked_symbols": "Symbols that are not entered.",
    "risk.symbol_cooldown_minutes": "No entry so soon after the symbol was sold out; 0 is off.",
    "risk.orders_per_minute_limit": "The most orders within a minute.",
    "risk.daily_loss_limit_percent": "The loss of a day, of the equity it began with, that ends entries.",
    "risk.daily_loss_action": "What a broken daily loss limit does to trading.",
    "risk.drawdown_limit_percent": "How far below its peak equity ends entries.",
    "risk.drawdown_release_percent": "How far below its peak equity lets entries begin again.",
    "risk.drawdown_action": "What a broken drawdown limit does to trading.",
    "risk.loss_streak_limit_trades": "Losing round trips in a row that pause entries; 0 is off.",
    "risk.loss_streak_pause_hours": "How long entries pause after a losing streak.",
    "risk.stop_guard_limit_stops": "Stops hit within the window that pause entries; 0 is off.",
    "risk.stop_guard_window_hours": "The window in which stops that were hit count.",
    "risk.stop_guard_pause_hours": "How long entries pause after so many stops.",
    "risk.protect_missing_stops": "Places a stop under a position that has none.",
    "risk.cancel_entries_when_halted": "Ends unfilled entries at the broker when trading is halted.",
    "risk.trailing_stop_percent": "Sells that far below the highest price since the entry; 0 is off.",
    "risk.maximum_holding_days": "Sells after so many calendar days; 0 is off.",
    "orders.entry_timeout_minutes": "Open market time after which an entry is cancelled; 0 is never.",
    "orders.reprice_after_minutes": "Open market time after which a limit follows the market; 0 is never.",
    "orders.reprice_limit_percent": "How far from its first limit it may follow.",
    "monitoring.raise_after_probes": "Bad probes in a row that raise an alert.",
    "monitoring.clear_after_probes": "Good probes in a row that clear it.",
    "monitoring.sync_lag_seconds": "How long ago the last sync, and the risk monitor's last look, may be.",
    "monitoring.missed_run_minutes": "How long a bar that is due may wait for its run.",
    "monitoring.queue_depth": "How many messages may wait in one queue.",
    "monitoring.usage_minutes": "How often CloudWatch is read, which costs money.",
    "monitoring.error_percent": "Share of a function's invocations that may fail between two readings.",
}


def schema() -> Node:
    """The whole, JSON Schema 2020-12: `x-unit`, `x-group` and bounds beside each setting.

    A decimal is written as a string; its bounds stand beside it all the same, for whoever draws a form.
    """
    made = msgspec.json.schema(TradingSettings)
    parts: dict[str, Node] = made["$defs"]
    for struct, prefix in GROUPS.items():
        for name, node in parts[struct]["properties"].items():
            _describe(f"{prefix}{name}", name, node)
    for node in parts.values():
        node.pop("description", None)  # the docstrings are for who reads the code
        for one in node.get("properties", {}).values():
            _widen_decimals(one)
    strategy = parts["StrategySettings"]
    strategy["properties"]["rule"]["enum"] = list(registry.names())
    strategy["allOf"] = [_of_rule(rule, parts) for rule in registry.names()]
    symbols = parts["TradingSettings"]["properties"]
    for node in (symbols["watchlist"], symbols["watchlists"]["additionalProperties"]):
        node |= {"items": {"type": "string", "pattern": SYMBOL_PATTERN}, "uniqueItems": True}
    return {"$schema": DIALECT, "title": "Settings", **made}


def unit(path: str) -> str | None:
    """The unit of the setting at `path`, by its name; None for what has none."""
    return _OTHER_UNITS.get(path) or _UNITS.get(path.rpartition("_")[2] if "_" in path else "")


def bounds() -> dict[str, Bounds]:
    """The lowest and highest value of each setting that has them, by its path."""
    return {
        **{name: (low, high, True) for name, (low, high) in trading_settings.RANGES.items()},
        **{f"risk.{name}": given for name, given in limits.RANGES.items()},
        **{f"monitoring.{name}": (low, high, True) for name, (low, high) in monitoring.RANGES.items()},
        "orders.entry_timeout_minutes": (0, timeouts.MOST_MINUTES, True),
        "orders.reprice_after_minutes": (0, timeouts.MOST_MINUTES, True),
        "orders.reprice_limit_percent": (0, timeouts.MOST_PERCENT, False),
        f"{STRATEGY}signal_validity_bars": (1, 1000, True),
        f"{STRATEGY}minimum_history_bars": (1, 100_000, True),
    }


def _describe(path: str, name: str, node: Node) -> None:
    """Puts title, help, unit, group and bounds of a setting beside its type."""
    node["title"] = name.replace("_", " ")
    node["description"] = HELP.get(path, "")
    node["x-group"] = "system" if path.partition(".")[0] in SYSTEM else "trading"
    found = unit(path)
    if found and (node.get("type") in {"integer", "number"} or node.get("format") == "decimal"):
        node["x-unit"] = found
    if path in (limited := bounds()):
        low, high, low_allowed = limited[path]
        node["minimum" if low_allowed else "exclusiveMinimum"] = _number(low)
        node["maximum"] = _number(high)


def _widen_decimals(node: Node) -> None:
    if node.get("format") == "decimal":
        node["type"] = ["string", "number"]


def _of_rule(rule: str, parts: dict[str, Node]) -> Node:
    """What a strategy's parameters are when it has this rule."""
    made = msgspec.json.schema(registry.strategy(rule).Parameters)
    own = dict(made["$defs"]["Parameters"])
    own.pop("description", None)
    for name, node in own["properties"].items():
        node["title"] = name.replace("_", " ")
        if found := unit(name):
            node["x-unit"] = found
    parts[f"parameters of {rule}"] = own
    reference = {"$ref": f"#/$defs/parameters of {rule}".replace(" ", "%20")}
    return {
        "if": {"properties": {"rule": {"const": rule}}, "required": ["rule"]},
        "then": {"properties": {"parameters": reference}},
    }


def _number(value: Decimal | int) -> int | float:
    return int(value) if value == int(value) else float(value)
