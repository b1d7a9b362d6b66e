"""``alpaquero trades``, ``tax-lots``, ``report``, ``reconcile``: the account's records, shown and written."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from laptop.cli.common import Day, json_option, limit_option, print_json, print_table, progress, state_option

if TYPE_CHECKING:
    from laptop.stack import Stack

_FILE = click.Path(path_type=Path, dir_okay=False)
_DAY = Day()
_WAIT_SECONDS, _LOOK_AGAIN_SECONDS = 120.0, 0.5
_from = click.option("--from", "first", type=_DAY, help="First day, New York.")
_to = click.option("--to", "last", type=_DAY, help="Last day, New York.")


@click.command()
@_from
@_to
@click.option("--csv", "csv_file", type=_FILE, help="Write them as CSV, exact.")
@click.option("--parquet", "parquet_file", type=_FILE, help="Write them as Parquet, numbers as floats.")
@limit_option(500)
@state_option
@json_option
def trades(  # noqa: PLR0917 -- click passes each option
    first: datetime | None,
    last: datetime | None,
    csv_file: Path | None,
    parquet_file: Path | None,
    limit: int,
    state: Path | None,
    as_json: bool,
) -> int:
    """Show the last trades, or write all of them to a file."""
    from laptop.calls import public_get

    stack, days = _stack(state), _days(first, last)
    files = {"csv": csv_file, "parquet": parquet_file}
    wanted = {form: file for form, file in files.items() if file is not None}
    written = []
    for form, file in wanted.items():
        job = _exported(stack, {"kind": "trades", "format": form, **days})
        file.write_bytes(_fetched(str(job["url"])))
        written.append((file, job["rows"]))
    if wanted:
        return _told(written, "trades", as_json=as_json)
    items = public_get(stack, "/api/analytics/trades", {"limit": limit, **days})["items"]
    if as_json:
        print_json(items)
        return 0
    columns = ("symbol", "quantity", "opened_at", "closed_at", "entry_price", "exit_price", "pnl", "reason")
    print_table("Trades", columns, [[trade.get(name, "") for name in columns] for trade in items])
    return 0


@click.command()
@click.option("--year", type=click.IntRange(1990, 2200), help="A tax year; all of them by default.")
@click.option("--csv", "csv_file", type=_FILE, help="Write the columns of Form 8949.")
@state_option
@json_option
def tax_lots(year: int | None, csv_file: Path | None, state: Path | None, as_json: bool) -> int:
    """Show what each sale gained, first in first out, wash sales marked: a record, not advice."""
    from laptop.calls import public_get, public_text

    stack, path = _stack(state), "/api/analytics/tax-lots"
    query: dict[str, Any] = {"year": year} if year else {}
    if csv_file is not None:
        text = public_text(stack, path, {**query, "format": "csv"})
        csv_file.write_text(text, "utf-8", newline="")
        return _told([(csv_file, text.count("\n") - 1)], "disposals", as_json=as_json)
    found = public_get(stack, path, query)
    if as_json:
        print_json(found)
        return 0
    columns = ("symbol", "quantity", "acquired_on", "closed_on", "term", "proceeds", "cost", "disallowed")
    rows = [[*(one[name] for name in columns), one["taxable_gain"]] for one in found["disposals"]]
    print_table("Disposals", (*columns, "taxable_gain"), rows)
    sums = [(term, *total.values()) for term, total in found["totals"].items()]
    print_table("Sums", ("term", "proceeds", "cost", "disallowed", "taxable_gain"), sums)
    return 0


@click.command()
@_from
@_to
@click.option("--html", "html_file", type=_FILE, required=True, help="Where to write the page.")
@state_option
@json_option
def report(
    first: datetime | None, last: datetime | None, html_file: Path, state: Path | None, as_json: bool
) -> int:
    """Write the account's report: one page that needs no other host."""
    from laptop.calls import public_text

    page = public_text(_stack(state), "/api/analytics/report", _days(first, last))
    html_file.write_text(page, "utf-8")
    return _told([(html_file, len(page))], "characters", as_json=as_json)


@click.command()
@_from
@_to
@state_option
@json_option
def reconcile(first: datetime | None, last: datetime | None, state: Path | None, as_json: bool) -> int:
    """Read the broker's statement anew and list what our books have otherwise; code 1 when they differ."""
    from laptop.calls import public_call

    stack, path = _stack(state), "/api/analytics/reconciliation"
    progress()("the broker's statement is read")
    wanted = {"first" if name == "from" else "last": day for name, day in _days(first, last).items()}
    stack.invoke("TradingSync", {"job": "reconcile", **wanted})
    found = public_call(stack, "GET", path)
    if as_json:
        print_json(found)
        return 0 if found["agrees"] else 1
    days = ("day", "kind", "our_lines", "broker_lines", "ours", "broker", "difference")
    print_table(
        f"{found['from']} to {found['to']}", days, [[day[name] for name in days] for day in found["days"]]
    )
    lines = ("difference", "day", "kind", "symbol", "id", "ours", "broker")
    if found["differences"]:
        print_table("Differences", lines, [[one[name] for name in lines] for one in found["differences"]])
    balances = [(one["name"], one["ours"], one["broker"]) for one in found["balances"]]
    print_table("Cash and shares", ("of", "ours", "broker"), balances)
    print("books and broker agree" if found["agrees"] else "books and broker differ")
    return 0 if found["agrees"] else 1


def _stack(state: Path | None) -> Stack:
    from laptop.layout import StateFolder
    from laptop.stack import Stack

    return Stack.find(StateFolder.at(state))


def _told(written: Sequence[tuple[Path, int]], what: str, *, as_json: bool) -> int:
    """Says which files were written, and how much is in each."""
    if as_json:
        print_json([{"file": str(file), what: count} for file, count in written])
    else:
        for file, count in written:
            print(f"{file}: {count:,} {what}")
    return 0


def _days(first: datetime | None, last: datetime | None) -> dict[str, str]:
    given = {"from": first, "to": last}
    return {name: f"{day:%Y-%m-%d}" for name, day in given.items() if day is not None}


def _exported(stack: Stack, asked: Mapping[str, str]) -> dict[str, Any]:
    """The export once it is done. Raises `LaptopError` when it failed or took too long."""
    from laptop.calls import public_call
    from laptop.errors import LaptopError

    path = "/api/analytics/exports"
    identifier = public_call(stack, "POST", path, body=asked)["id"]
    until = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < until:
        job: dict[str, Any] = public_call(stack, "GET", f"{path}/{identifier}")
        if job["status"] == "done":
            return job
        if job["status"] == "failed":
            raise LaptopError(f"the export failed: {job['message']}")
        time.sleep(_LOOK_AGAIN_SECONDS)
    raise LaptopError(f"export {identifier} is not done after {_WAIT_SECONDS:.0f} s; see `alpaquero logs`")


def _fetched(url: str) -> bytes:
    """The file behind a link."""
    import httpx

    answer = httpx.get(url, timeout=60, trust_env=False)
    answer.raise_for_status()
    return answer.content
