"""``alpaquero faults``: make the paper exchange fail on purpose, and show what was made to fail."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from laptop.cli.common import json_option, print_json, print_table, state_option

if TYPE_CHECKING:
    from laptop.exchange.client import ExchangeAdmin

_OF_A_RULE = ("route", "probability", "times", "milliseconds", "event")


@click.command()
@click.option("--add", "kind", metavar="KIND", help="Put a rule in force: latency, 429, 504_after, html, ...")
@click.option("--route", help="Which requests it meets: orders, submit, data, ... or GET /v2/orders/*.")
@click.option("--probability", type=click.FloatRange(0, 1, min_open=True), help="Of each that it meets.")
@click.option("--times", type=click.IntRange(min=1), help="How often at most.")
@click.option("--milliseconds", type=click.IntRange(min=0), help="How long a latency is.")
@click.option("--event", help="Which stream messages it meets: fill, t, b, ...")
@click.option("--mix", type=click.Choice(["light", "heavy"]), help="Put a ready mix of rules in force.")
@click.option("--seed", type=int, default=0, show_default=True, help="Fixes which ones are hit.")
@click.option("--remove", metavar="ID", help="Take one rule out of force.")
@click.option("--clear", is_flag=True, help="Take all rules out of force; what happened stays listed.")
@click.option("--port", type=click.IntRange(1, 65535), help="Of an exchange that was started alone.")
@state_option
@json_option
def faults(
    *,
    kind: str | None,
    mix: str | None,
    seed: int,
    remove: str | None,
    clear: bool,
    port: int | None,
    state: Path | None,
    as_json: bool,
    **given: str | float | None,
) -> int:
    """Show the exchange's fault rules and what they hit, after changing them as the options say."""
    rule = {name: given[name] for name in _OF_A_RULE if given[name] is not None}
    if kind is None and rule:
        raise click.UsageError(f"--{next(iter(rule))} goes with --add")
    added = [_rule({"kind": kind, "seed": seed, **rule})] if kind else []
    with _exchange(state, port) as exchange:
        if clear:
            exchange.clear_faults()
        if remove:
            exchange.remove_fault(remove)
        if mix:
            exchange.add_fault_mix(mix, seed)
        if added:
            exchange.add_faults(*added)
        _show(exchange, as_json=as_json)
    return 0


def _exchange(state: Path | None, port: int | None) -> ExchangeAdmin:
    """The exchange of the stack that is up, or the one that listens on `port` with the folder's token."""
    from laptop import credentials, processes
    from laptop.errors import LaptopError
    from laptop.exchange.client import ExchangeAdmin
    from laptop.layout import StateFolder
    from laptop.stack import Stack

    folder = StateFolder.at(state)
    if port is None:
        return Stack.find(folder).exchange
    kept = credentials.load(folder.credentials_file)
    if kept is None:
        raise LaptopError(f"no exchange was started with {folder.root}: give the --state it was started with")
    return ExchangeAdmin(f"http://{processes.LOOPBACK}:{port}", kept.exchange_admin_token)


def _rule(wanted: dict[str, Any]) -> Any:
    import msgspec

    from laptop.exchange.faults import FaultKind, FaultRule

    try:
        return msgspec.convert(wanted, FaultRule)
    except msgspec.ValidationError:
        raise click.UsageError(f"--add takes {', '.join(FaultKind)}") from None


def _show(exchange: ExchangeAdmin, *, as_json: bool) -> None:
    import msgspec

    rules, injected = exchange.faults(), exchange.injected_faults()
    if as_json:
        print_json({"rules": msgspec.to_builtins(rules), "injected": injected.counts})
        return
    rows = [
        (
            state.rule.id,
            state.rule.kind,
            state.rule.route,
            state.rule.probability,
            state.matched,
            state.injected,
        )
        for state in rules
    ]
    print_table("Fault rules", ("id", "kind", "route", "probability", "met", "hit"), rows)
    print("injected since the start:", ", ".join(f"{n} {k}" for k, n in injected.counts.items()) or "nothing")
