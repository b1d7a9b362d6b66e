"""Progress of long work: a bar where a person looks, else a line every ten seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date

Show = Callable[[int, int, str], None]
_EVERY_SECONDS = 10.0


@contextmanager
def progress(what: str) -> Iterator[Show]:
    """Yields `show(done, total, note)`; everything goes to stderr."""
    if sys.stderr.isatty():
        with _bar(what) as show:
            yield show
    else:
        yield _lines(what)


@contextmanager
def _bar(what: str) -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, note="")

        def show(done: int, total: int, note: str) -> None:
            bar.update(task, completed=done, total=total, note=note)

        yield show


def _lines(what: str) -> Show:
    began = last = time.monotonic()

    def show(done: int, total: int, note: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _EVERY_SECONDS:
            last = now
            sys.stderr.write(f"[{now - began:6.1f} s] {what}: {done} of {total} {note}\n")
            sys.stderr.flush()

    return show


def by_session(show: Show) -> Callable[[int, int, date], None]:
    """The same for a backtest, which tells the date of the session."""
    return lambda done, total, day: show(done, total, day.isoformat())
