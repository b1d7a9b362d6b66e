"""``alpaquero exchange``: the paper exchange alone, for a program of your own to trade with.

Its subcommands look at an exchange that runs, that of a stack or one alone, and move its clock.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from laptop.cli.common import (
    Day,
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

_MODES = click.Choice(["running", "real", "stepped"])


@click.group(cls=Group, invoke_without_command=True)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=9200,
    show_default=True,
    help="Where it listens, on loopback.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Fixes ids and draws.")
@click.option(
    "--clock", type=_MODES, default="running", show_default=True,
    help="Sessions one after the other, a second a second, or by `exchange clock --step` alone.",
)  # fmt: skip
@click.option(
    "--seconds-per-session", type=click.FloatRange(min=0.5), default=60, show_default=True,
    help="How long a session and its night last while the clock is running.",
)  # fmt: skip
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False, exists=True), help="SYMBOL.csv files."
)
@click.option("--synthetic", type=click.IntRange(min=1), help="So many made-up symbols instead of real ones.")
@click.option("--from", "first", type=Day(), help="First session to trade.")
@click.option("--sessions", type=click.IntRange(min=1), help="How many sessions to trade.  [default: 250]")
@click.option(
    "--partial-fills", type=click.FloatRange(0, 1), default=0, show_default=True,
    help="Share of orders that fill in two.",
)  # fmt: skip
@state_option
@json_option
@click.pass_context
def exchange(
    context: click.Context,
    /,
    *,
    port: int,
    data: Path | None,
    synthetic: int | None,
    first: datetime | None,
    state: Path | None,
    as_json: bool,
    **passed_on: str | float | None,
) -> int:
    """Start the paper exchange alone and tell the key to use with alpaca-py's url_override.

    With a subcommand, look at an exchange that runs, or move its clock.
    """
    if context.invoked_subcommand is not None:
        refuse_options_before(context)
        return 0
    if data and synthetic:
        raise click.UsageError("--synthetic replaces --data: give one of them")
    options = {"data": data, "from": first and first.date(), "synthetic": synthetic, **passed_on}
    return _serve(port, state, options, as_json=as_json)


def _serve(port: int, state: Path | None, options: dict[str, Any], *, as_json: bool) -> int:
    """Run the exchange until Ctrl-C; once it takes requests, tell where and with which keys."""
    from laptop import credentials, processes
    from laptop.exchange import __main__ as program
    from laptop.layout import StateFolder, write_private

    folder = StateFolder.at(state)
    secrets = credentials.load_or_generate(folder.credentials_file)
    token, address = folder.exchange / "admin-token", folder.exchange_address
    write_private(token, secrets.exchange_admin_token)

    def announce(port: int) -> None:
        url = f"http://{processes.LOOPBACK}:{port}"
        write_private(address, url)
        if as_json:
            told = {"url": url, "key_id": secrets.exchange_key, "secret_key": secrets.exchange_secret}
            print_json(told)
        else:
            print(_welcome(url, secrets.exchange_key, secrets.exchange_secret, folder.credentials_file))
        sys.stdout.flush()

    arguments = ["--state", str(folder.exchange), "--port", str(port), f"--key={secrets.exchange_key}"]
    # Joined with its option, because a random secret may begin with a dash.
    arguments += [f"--secret={secrets.exchange_secret}", "--admin-token-file", str(token)]
    arguments += [
        f"--{name.replace('_', '-')}={value}" for name, value in options.items() if value is not None
    ]
    try:
        return program.main(arguments, announce)
    finally:
        address.unlink(missing_ok=True)


def _welcome(url: str, key: str, secret: str, kept: Path) -> str:
    streams = url.replace("http", "ws", 1)
    return f"""The paper exchange takes requests at {url} (Ctrl-C stops it).

  key id      {key}
  secret key  {secret}
  (kept in {kept})

With alpaca-py:

  TradingClient(key, secret, url_override="{url}")
  StockHistoricalDataClient(key, secret, url_override="{url}")
  TradingStream(key, secret, url_override="{streams}/stream")
  StockDataStream(key, secret, url_override="{streams}/v2/iex")

The market has a date of its own: ask TradingClient.get_clock(), not datetime.now().
`alpaquero exchange clock` and `alpaquero faults` work on it from another terminal.
"""


@exchange.command()
@click.option("--mode", type=_MODES, help="Who moves the clock.")
@click.option("--seconds-per-session", type=click.FloatRange(min=0.01), help="How fast it runs.")
@click.option("--pause", "paused", flag_value=True, type=bool, default=None, help="Let it stand still.")
@click.option("--resume", "paused", flag_value=False, type=bool, default=None, help="Let it go on.")
@click.option("--to", help="Trade up to a date or time: 2013-02-15, 2013-02-15T15:00:00Z.")
@click.option("--step", is_flag=True, help="Trade the next session of a stepped clock.")
@port_option
@state_option
@json_option
def clock(
    *,
    mode: str | None,
    seconds_per_session: float | None,
    paused: bool | None,
    to: str | None,
    step: bool,
    port: int | None,
    state: Path | None,
    as_json: bool,
) -> int:
    """Show the exchange's clock, after changing it as the options say."""
    import msgspec

    moment = None if to is None else _moment(to)
    with running_exchange(state, port) as admin:
        if mode is not None or seconds_per_session is not None:
            admin.clock(mode=mode, seconds_per_session=seconds_per_session)
        if paused is not None:
            (admin.pause if paused else admin.resume)()
        if moment is not None:
            admin.jump(moment)
        if step:
            admin.step()
        told = msgspec.to_builtins(admin.status())
    if as_json:
        print_json(told)
    else:
        del told["symbols"]
        if told["session"]:
            told["session"] = told["session"]["date"]
        print_table("The exchange's clock", ("what", "value"), list(told.items()))
    return 0


@exchange.command()
@port_option
@state_option
@json_option
def report(*, port: int | None, state: Path | None, as_json: bool) -> int:
    """Show the exchange's own truth: cash, equity, positions, orders, fills."""
    import msgspec

    with running_exchange(state, port) as admin:
        told = msgspec.to_builtins(admin.report())
    if as_json:
        print_json(told)
        return 0
    figures = ("cash", "equity", "long_market_value", "short_market_value", "orders_accepted")
    print_table("Account", ("what", "value"), [(name, told[name]) for name in figures])
    for title in ("positions", "orders", "fills"):
        columns = tuple(told[title][0]) if told[title] else ()
        print_table(title.capitalize(), columns, [[row[name] for name in columns] for row in told[title]])
    return 0


@exchange.command()
@click.option("--after", type=click.IntRange(min=0), default=0, show_default=True, help="From which on.")
@limit_option(1000, 100)
@port_option
@state_option
@json_option
def ledger(*, after: int, limit: int, port: int | None, state: Path | None, as_json: bool) -> int:
    """List the requests that changed something: who, when, what, its answer and its changes."""
    import msgspec

    with running_exchange(state, port) as admin:
        page = msgspec.to_builtins(admin.ledger(after, limit))
    if as_json:
        print_json(page)
        return 0
    columns = ("number", "at", "caller", "method", "path", "status", "fault", "first_change", "last_change")
    rows = [["" if row[name] is None else row[name] for name in columns] for row in page["items"]]
    print_table("Ledger", columns, rows)
    return 0


def _moment(text: str) -> datetime:
    """A date, or a time; the exchange takes a date as its midnight in New York."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no date or time like 2013-02-15", param_hint="--to") from None
