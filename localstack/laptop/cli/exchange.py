"""``alpaquero exchange``: the paper exchange alone, for a program of your own to trade with."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from laptop.cli.common import json_option, print_json, state_option


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=9200, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Fixes ids and draws.")
@click.option(
    "--clock", type=click.Choice(["running", "real", "stepped"]), default="running", show_default=True
)
@click.option("--seconds-per-session", type=click.FloatRange(min=0.5), default=60, show_default=True)
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False, exists=True), help="SYMBOL.csv files."
)
@click.option("--synthetic", type=click.IntRange(min=1), help="So many made-up symbols instead of real ones.")
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="First session to trade.")
@click.option("--sessions", type=click.IntRange(min=1), help="How many sessions to trade.  [default: 250]")
@click.option("--partial-fills", type=click.FloatRange(0, 1), default=0, show_default=True)
@state_option
@json_option
def exchange(
    *,
    port: int,
    data: Path | None,
    synthetic: int | None,
    first: datetime | None,
    state: Path | None,
    as_json: bool,
    **passed_on: str | float | None,
) -> int:
    """Start the paper exchange alone and tell the key to use with alpaca-py's url_override."""
    if data and synthetic:
        raise click.UsageError("--synthetic replaces --data: give one of them")
    from laptop import credentials, processes
    from laptop.exchange import __main__ as program
    from laptop.layout import StateFolder, write_private

    processes.require_free({"exchange": port})
    folder = StateFolder.at(state)
    secrets = credentials.load_or_generate(folder.credentials_file)
    folder.exchange.mkdir(parents=True, exist_ok=True)
    token = folder.exchange / "admin-token"
    write_private(token, secrets.exchange_admin_token)
    told = {
        "url": f"http://{processes.LOOPBACK}:{port}",
        "key_id": secrets.exchange_key,
        "secret_key": secrets.exchange_secret,
    }
    if as_json:
        print_json(told)
    else:
        print(
            f"{told['url']}  key {told['key_id']}  secret {told['secret_key']}  (Ctrl-C stops it)", flush=True
        )
    arguments = ["--state", str(folder.exchange), "--port", str(port), f"--key={secrets.exchange_key}"]
    # Joined with its option, because a random secret may begin with a dash.
    arguments += [f"--secret={secrets.exchange_secret}", "--admin-token-file", str(token)]
    options = {"data": data, "from": first and first.date(), "synthetic": synthetic, **passed_on}
    arguments += [
        f"--{name.replace('_', '-')}={value}" for name, value in options.items() if value is not None
    ]
    return program.main(arguments)
