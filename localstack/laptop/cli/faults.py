"""``alpaquero faults``: make the paper exchange fail on purpose, and show what was made to fail."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from laptop.cli.common import (
    Group,
    json_option,
    limit_option,
    port_option,
    print_json,
    print_table,
    refuse_options_before,
    running_exchange,
    state_option,
)

if TYPE_CHECKING:
    from laptop.exchange.faults import FaultRule, RuleState

_OF_A_RULE = ("id", "kind", "route", "probability")


@click.group(cls=Group, invoke_without_command=True)
@port_option
@state_option
@json_option
@click.pass_context
def faults(context: click.Context, /, *, port: int | None, state: Path | None, as_json: bool) -> int:
    """Make the exchange fail on purpose; without a subcommand, list the rules in force."""
    if context.invoked_subcommand is not None:
        refuse_options_before(context)
    else:
        with running_exchange(state, port) as exchange:
            _show_rules(exchange.faults(), as_json=as_json)
    return 0


@faults.command("list")
@port_option
@state_option
@json_option
def list_rules(*, port: int | None, state: Path | None, as_json: bool) -> int:
    """List the rules in force, how many requests each met and hit."""
    with running_exchange(state, port) as exchange:
        _show_rules(exchange.faults(), as_json=as_json)
    return 0


@faults.command()
@click.argument("kind")
@click.option("--route", default="", help="Whom it meets: orders, submit, data, ... or GET /v2/orders/*.")
@click.option("--probability", type=click.FloatRange(0, 1, min_open=True), help="Of each that it meets.")
@click.option("--times", type=click.IntRange(min=1), help="How often at most.")
@click.option("--seed", type=int, help="Fixes which ones are hit.")
@click.option("--id", "name", help="To remove it by; rule-1 and so on otherwise.")
@click.option("--milliseconds", type=click.IntRange(min=0), help="latency: how long.")
@click.option("--most-milliseconds", type=click.IntRange(min=0), help="latency: drawn up to this.")
@click.option("--retry-after", type=click.IntRange(min=0), help="429: the seconds it tells to wait.")
@click.option("--status", type=click.IntRange(200, 599), help="html: its status.")
@click.option("--age-seconds", type=click.FloatRange(min=0), help="stale_clock: how far it is behind.")
@click.option("--event", help="Streams: the type of message, such as fill or t.")
@port_option
@state_option
@json_option
def add(
    *, kind: str, name: str | None, port: int | None, state: Path | None, as_json: bool, **given: Any
) -> int:
    """Put a rule of KIND in force: latency, 429, 500, 504_after, cut_after, html, stream_mute, ..."""
    wanted = {"kind": kind, "id": name, **given}
    rule = _rule({field: value for field, value in wanted.items() if value is not None})
    with running_exchange(state, port) as exchange:
        _show_rules(exchange.add_faults(rule), as_json=as_json)
    return 0


@faults.command()
@click.argument("name", type=click.Choice(["light", "heavy"]))
@click.option("--seed", type=int, default=0, show_default=True, help="Fixes which ones are hit.")
@port_option
@state_option
@json_option
def mix(*, name: str, seed: int, port: int | None, state: Path | None, as_json: bool) -> int:
    """Put the rules of the light or the heavy mix in force, as the demo does."""
    with running_exchange(state, port) as exchange:
        _show_rules(exchange.add_fault_mix(name, seed), as_json=as_json)
    return 0


@faults.command()
@click.argument("rule_id", metavar="ID")
@port_option
@state_option
@json_option
def remove(*, rule_id: str, port: int | None, state: Path | None, as_json: bool) -> int:
    """Take one rule out of force."""
    with running_exchange(state, port) as exchange:
        exchange.remove_fault(rule_id)
        _show_rules(exchange.faults(), as_json=as_json)
    return 0


@faults.command()
@port_option
@state_option
@json_option
def clear(*, port: int | None, state: Path | None, as_json: bool) -> int:
    """Take every rule out of force; what was injected stays counted."""
    with running_exchange(state, port) as exchange:
        exchange.clear_faults()
        _show_rules(exchange.faults(), as_json=as_json)
    return 0


@faults.command()
@click.option("--after", type=click.IntRange(min=0), default=0, show_default=True, help="From which on.")
@limit_option(1000, 50)
@port_option
@state_option
@json_option
def counts(*, after: int, limit: int, port: int | None, state: Path | None, as_json: bool) -> int:
    """Show how many faults of each kind were injected, and list them."""
    import msgspec

    with running_exchange(state, port) as exchange:
        told = msgspec.to_builtins(exchange.injected_faults(after, limit))
    if as_json:
        print_json(told)
        return 0
    print_table("Injected", ("kind", "count"), list(told["counts"].items()))
    columns = ("number", "kind", "route", "at", "request_id", "client_order_id", "rule")
    rows = [["" if row[name] is None else row[name] for name in columns] for row in told["items"]]
    print_table("Faults", columns, rows)
    return 0


def _rule(wanted: dict[str, Any]) -> FaultRule:
    import msgspec

    from laptop.exchange.faults import FaultKind, FaultRule, FaultRuleError

    if wanted["kind"] not in list(FaultKind):
        raise click.BadParameter(f"{wanted['kind']!r}: give one of {', '.join(FaultKind)}", param_hint="KIND")
    rule = msgspec.convert(wanted, FaultRule)
    try:
        rule.check()
    except FaultRuleError as error:
        raise click.UsageError(str(error)) from error
    return rule


def _show_rules(states: list[RuleState], *, as_json: bool) -> None:
    import msgspec

    if as_json:
        print_json(msgspec.to_builtins(states))
        return
    rows = [
        (*(getattr(one.rule, name) for name in _OF_A_RULE), one.rule.times or "", one.matched, one.injected)
        for one in states
    ]
    columns = (*_OF_A_RULE, "times", "met", "hit")
    print_table("Fault rules in force" if rows else "No fault rule is in force", columns, rows)
