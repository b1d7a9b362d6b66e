"""One backtest on this machine, and its files: result, report, trades, equity."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date
from pathlib import Path

from alpaquero.backtests import outcome as outcomes
from alpaquero.backtests import report
from alpaquero.backtests.execution import execute
from alpaquero.backtests.outcome import Outcome
from alpaquero.backtests.request import BacktestRequest, BacktestSettings
from laptop.backtests.options import Prepared
from laptop.backtests.show import Show, by_session
from laptop.errors import LaptopError


def run(prepared: Prepared, show: Show = lambda _done, _total, _note: None) -> Outcome:
    """The outcome of what was prepared. Raises `LaptopError` that says the fix."""
    try:
        return executed(prepared, prepared.request, prepared.settings(), by_session(show))
    except ValueError as error:
        raise LaptopError(str(error)) from error


def executed(
    prepared: Prepared,
    request: BacktestRequest,
    settings: BacktestSettings,
    show: Callable[[int, int, date], None] | None = None,
) -> Outcome:
    """The outcome of a request on the prices that were prepared. Raises `ValueError` that says the fix."""
    prices, (shortest, *others) = prepared.prices, settings.timeframes
    return execute(
        request,
        settings,
        prices.of(shortest),
        prices.sessions,
        longer={timeframe: prices.of(timeframe) for timeframe in others},
        splits=prices.splits,
        data=prices.label,
        notes=prices.notes,
        show=show,
    )


def write_report(path: Path, outcome: Outcome, prepared: Prepared) -> None:
    """The report as one HTML file."""
    _write(path, report.render(outcome, prepared.prices.series).encode())


def write_folder(folder: Path, outcome: Outcome, prepared: Prepared) -> None:
    """`result.json`, `report.html`, `trades.csv` and `equity.csv` in a folder, which is made."""
    _write(folder / "result.json", outcomes.encoded(outcome))
    write_report(folder / "report.html", outcome, prepared)
    _table(
        folder / "trades.csv",
        list(outcomes.TradeRow.__struct_fields__),
        [[getattr(row, name) for name in row.__struct_fields__] for row in outcome.round_trips],
    )
    columns = outcomes.Equity.__struct_fields__
    _table(
        folder / "equity.csv",
        list(columns),
        [list(row) for row in zip(*(getattr(outcome.equity, name) for name in columns), strict=True)],
    )


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise LaptopError(f"{path} cannot be written ({error.strerror}); give another place") from error


def _table(path: Path, columns: list[str], rows: list[list[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
