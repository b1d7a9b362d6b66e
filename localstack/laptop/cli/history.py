"""``alpaquero history``: prices into a folder, bars into the store, what is missing, archives."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from laptop.cli.common import (
    Day,
    Group,
    json_option,
    print_json,
    print_table,
    refuse_options_before,
    state_option,
)

if TYPE_CHECKING:
    from alpaquero.broker.protocol import MarketDataReader
    from laptop.archive import Shelf

_ALPACA = "https://data.alpaca.markets"
_KEYS = ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY")  # the names that Alpaca's own clients read
_DAY = Day()
_SYMBOLS = click.option("--symbols", required=True, help="Comma-separated, such as AAPL,BRK.B.")
_SOME = click.option("--symbols", default="", help="Comma-separated; all that are stored by default.")
_FROM = click.option("--from", "first", type=_DAY, required=True, help="First day (New York).")
_TO = click.option("--to", "last", type=_DAY, help="Last day; today by default.")
_FRAMES = ("1Min", "5Min", "15Min", "1Hour", "1Day")
_ADJUSTMENTS = ("raw", "split", "dividend", "all")
_TIMEFRAME = click.option(
    "--timeframe", type=click.Choice(_FRAMES), default="1Day", show_default=True, help="Which bars."
)
_ADJUSTMENT = click.option(
    "--adjustment", type=click.Choice(_ADJUSTMENTS), default="split", show_default=True,
    help="What prices are adjusted for; strategies judge `split`.",
)  # fmt: skip
_FOLDER = click.Path(path_type=Path, file_okay=False)
_SHELF = click.option("--folder", type=_FOLDER, help="A folder in the place of the stack's bucket.")
_POLL_SECONDS = 1.0
_SHOWN = 20


@click.group(cls=Group, invoke_without_command=True)
@state_option
@json_option
@click.pass_context
def history(context: click.Context, /, *, state: Path | None, as_json: bool) -> int:
    """Download prices, fill and check the store of bars; without a subcommand, show how much is stored."""
    if context.invoked_subcommand is not None:
        refuse_options_before(context)
        return 0
    from laptop.calls import public_get

    found = public_get(_stack(state), "/api/cache/stats", {})
    if as_json:
        print_json(found)
    else:
        _table("Stored bars", [{"what": name, "value": value} for name, value in found.items()])
    return 0


@history.command()
@_SYMBOLS
@_FROM
@_TO
@click.option(
    "--timeframe", type=click.Choice(["1Day", "1Min"]), default="1Day", show_default=True,
    help="A row a day or a minute; longer bars are made of minutes.",
)  # fmt: skip
@click.option("--data", "folder", type=_FOLDER, default=Path("prices"), show_default=True, help="The folder.")
@click.option("--alpaca", is_flag=True, help=f"From Alpaca, with your own keys in {' and '.join(_KEYS)}.")
@click.option(
    "--feed", type=click.Choice(["iex", "sip"]), default="iex", show_default=True,
    help="Alpaca's: one exchange's prices, or all exchanges' for subscribers.",
)  # fmt: skip
@state_option
@json_option
def download(
    *,
    symbols: str,
    first: datetime,
    last: datetime | None,
    timeframe: str,
    folder: Path,
    alpaca: bool,
    feed: str,
    state: Path | None,
    as_json: bool,
) -> int:
    """Put raw prices and splits into a folder that `exchange` and `backtest` read with --data.

    From the exchange that runs, or with --alpaca from Alpaca. What is broken off goes on where it
    stopped, what is asked for again fetches only what is new. Answers 1 when sessions are missing.
    """
    from alpaquero.prices.bars import Timeframe
    from laptop.exchange.nyse import nyse_sessions
    from laptop.price_download import PriceFolder, Wanted, download, missing

    market_data, now = _market_data(state, feed, alpaca=alpaca)
    end = last.date() if last else now.date()
    frame = Timeframe(timeframe)
    wanted = Wanted(_listed(symbols), frame, first.date(), end)
    sessions = [s for s in nyse_sessions(wanted.first) if wanted.first <= s.date <= end]
    kept = PriceFolder(folder)
    with _progress() as bar:
        tasks = {symbol: bar.add_task(symbol, total=None) for symbol in wanted.symbols}
        without = download(
            wanted,
            kept,
            market_data,
            sessions,
            now,
            told=lambda symbol, done, days: bar.update(tasks[symbol], completed=done, total=days),
        )
    holes = {symbol: missing(kept, symbol, sessions) for symbol in wanted.symbols if symbol not in without}
    rows = [
        {
            "symbol": symbol,
            "bars": len(kept.columns(symbol)),
            "missing": sum(gap.bars for gap in holes.get(symbol, [])),
            "first_gap": holes[symbol][0].first.isoformat() if holes.get(symbol) else "",
        }
        for symbol in wanted.symbols
    ]
    if as_json:
        print_json({"folder": str(folder), "symbols": rows})
    else:
        _table(f"Prices in {folder}", rows)
    return 1 if without or (any(holes.values()) and frame is Timeframe.DAY) else 0


@history.command()
@_SYMBOLS
@_FROM
@_TO
@_TIMEFRAME
@_ADJUSTMENT
@click.option("--wait/--no-wait", default=True, show_default=True, help="Until all of it is stored.")
@state_option
@json_option
def ingest(
    *,
    symbols: str,
    first: datetime,
    last: datetime | None,
    timeframe: str,
    adjustment: str,
    wait: bool,
    state: Path | None,
    as_json: bool,
) -> int:
    """Have the bot fetch bars into its store; the same request again is the same job."""
    from laptop.calls import public_call, public_get

    stack = _stack(state)
    body: dict[str, Any] = {
        "symbols": list(_listed(symbols)),
        "start": first.date().isoformat(),
        "timeframe": timeframe,
        "adjustment": adjustment,
    }
    if last:
        body["end"] = last.date().isoformat()
    job = public_call(stack, "POST", "/api/historical/ingest", body=body)
    with _progress() as bar:
        task = bar.add_task(f"ingest {job['id']}", total=job["steps"], completed=job["steps_done"])
        while wait and job["state"] in {"queued", "running"}:
            time.sleep(_POLL_SECONDS)
            job = public_get(stack, f"/api/historical/ingest/{job['id']}", {})
            bar.update(task, completed=job["steps_done"])
    if as_json:
        print_json(job)
    else:
        _table("Ingest", [{"what": name, "value": value} for name, value in job.items()])
    return 1 if job["state"] == "failed" else 0


@history.command()
@click.argument("symbols", nargs=-1, required=True)
@click.option("--from", "first", type=_DAY, help="First day; that of the first stored bar by default.")
@_TO
@_TIMEFRAME
@_ADJUSTMENT
@state_option
@json_option
def gaps(
    *,
    symbols: tuple[str, ...],
    first: datetime | None,
    last: datetime | None,
    timeframe: str,
    adjustment: str,
    state: Path | None,
    as_json: bool,
) -> int:
    """Show what the calendar promises of SYMBOLS and the store lacks; answers 1 when something does."""
    from laptop.calls import public_get

    stack = _stack(state)
    query = {"timeframe": timeframe, "adjustment": adjustment, "limit": _SHOWN}
    query |= {"start": first.date().isoformat()} if first else {}
    query |= {"end": last.date().isoformat()} if last else {}
    found = [public_get(stack, f"/api/historical/{symbol.upper()}/gaps", query) for symbol in symbols]
    if as_json:
        print_json(found)
    else:
        rows = [
            {**{name: one[name] for name in ("symbol", "start", "end", "expected", "missing")}, **gap}
            for one in found
            for gap in one["items"] or [{"first": "", "last": "", "bars": 0}]
        ]
        _table("Gaps", rows)
    return 1 if any(one["missing"] for one in found) else 0


@history.command()
@_SOME
@click.option("--timeframe", type=click.Choice(_FRAMES), help="All by default.")
@_SHELF
@state_option
@json_option
def archive(
    symbols: str, timeframe: str | None, folder: Path | None, state: Path | None, as_json: bool
) -> int:
    """Write the stored bars as Parquet files into the stack's bucket, or a folder."""
    from laptop.archive import archive

    shelf = _shelf(state, folder)
    return _told("Archived", archive(shelf, frozenset(_listed(symbols)), timeframe), as_json=as_json)


@history.command()
@_SOME
@click.option("--timeframe", type=click.Choice(_FRAMES), help="All by default.")
@_SHELF
@state_option
@json_option
def restore(
    symbols: str, timeframe: str | None, folder: Path | None, state: Path | None, as_json: bool
) -> int:
    """Put the bars of archives back into the store, in the place of what it has of the same time.

    Archives from before a split that the store has noticed are left out; answers 1 then.
    """
    from laptop.archive import restore

    shelf = _shelf(state, folder)
    return _told("Restored", restore(shelf, frozenset(_listed(symbols)), timeframe), as_json=as_json)


def _told(title: str, files: Iterator[tuple[str, int]], *, as_json: bool) -> int:
    """Shows each file and its bars, those before an error too."""
    rows = []
    try:
        with _progress() as bar:
            task = bar.add_task(title, total=None)
            for key, count in files:
                rows.append({"file": key, "bars": count})
                bar.update(task, completed=len(rows), description=key)
    finally:
        if as_json:
            print_json(rows)
        else:
            _table(title, rows)
    return 0


def _listed(symbols: str) -> tuple[str, ...]:
    return tuple(sorted({symbol.strip().upper() for symbol in symbols.split(",") if symbol.strip()}))


def _table(title: str, rows: Sequence[dict[str, Any]]) -> None:
    columns = list(rows[0]) if rows else ["nothing"]
    print_table(title, columns, [[row[column] for column in columns] for row in rows])


def _progress() -> Any:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)


def _stack(state: Path | None) -> Any:
    from laptop.layout import StateFolder
    from laptop.stack import Stack

    return Stack.find(StateFolder.at(state))


def _shelf(state: Path | None, folder: Path | None) -> Shelf:
    """Where archives go; points the shared package of this process at the stack's tables."""
    from laptop.archive import BucketShelf, FolderShelf
    from laptop.engine import REGION

    stack = _stack(state)
    os.environ |= {
        "BARS_TABLE": stack.outputs["Bars"],
        "AWS_ENDPOINT_URL": stack.endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": stack.credentials.key_id,
        "AWS_SECRET_ACCESS_KEY": stack.credentials.secret_key,
    }
    return FolderShelf(folder) if folder else BucketShelf(stack.client("s3"), stack.outputs["Archive"])


def _market_data(state: Path | None, feed: str, *, alpaca: bool) -> tuple[MarketDataReader, datetime]:
    """Where prices come from, and the time it is there."""
    from alpaquero.broker.keys import BrokerKeys
    from alpaquero.broker.market_data import connect_alone

    if not alpaca:
        url, key, secret, now = _exchange(state)
        return connect_alone(url, BrokerKeys(key, secret), feed), now
    key, secret = (os.environ.get(name, "") for name in _KEYS)
    if not key or not secret:
        raise click.UsageError(f"--alpaca needs your data keys: set {' and '.join(_KEYS)}")
    return connect_alone(_ALPACA, BrokerKeys(key, secret), feed), datetime.now(UTC)


def _exchange(state: Path | None) -> tuple[str, str, str, datetime]:
    from laptop import credentials
    from laptop.cli.common import running_exchange
    from laptop.errors import NotRunningError
    from laptop.layout import StateFolder

    folder = StateFolder.at(state)
    with running_exchange(state, None) as admin:
        now, url = admin.status().now, admin.url
    kept = credentials.load(folder.credentials_file)
    if kept is None:
        raise NotRunningError("no exchange runs: start one with `alpaquero up`, or give --alpaca")
    return url, kept.exchange_key, kept.exchange_secret, now
