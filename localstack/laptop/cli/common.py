"""What commands share: options, the exchange that runs, ``--json``, tables and progress lines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from laptop.exchange.client import ExchangeAdmin

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Group(click.Group):
    """A group whose help tells the whole first sentence of each command; click itself cuts it to one line."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of commands."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(_WHOLE)) for name, one in found if one])


_WHOLE = 10_000  # characters, more than any sentence has


class Day(click.DateTime):
    """A day, with its hour and minute where `times` are taken too."""

    def __init__(self, *, times: bool = False) -> None:
        clocks = ("", "T%H:%M", "T%H:%M:%S", "T%H:%M:%SZ") if times else ("",)
        super().__init__([f"%Y-%m-%d{clock}" for clock in clocks])
        self._example = "2012-03-02T15:30" if times else "2012-03-02"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002 -- click's
        """How it is written, as people say it."""
        return "YYYY-MM-DD[THH:MM]" if len(self.formats) > 1 else "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment. Raises `click.BadParameter` with how to write one."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is no day of the calendar; write it as {self._example}", param, ctx)


def limit_option(most: int, default: int = 20) -> Callable[[_Command], _Command]:
    """``--limit N``, of a list whose newest come first."""
    return click.option(
        "--limit", type=click.IntRange(1, most), default=default, show_default=True,
        help="How many to show, the newest.",
    )  # fmt: skip


def state_option(command: _Command) -> _Command:
    """``--state DIR``."""
    return click.option(
        "--state",
        type=click.Path(path_type=Path, file_okay=False),
        help="The stack's folder; .alpaquero of the repository by default.",
    )(command)


def _pairs(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    for pair in given:
        if "=" not in pair:
            raise click.BadParameter(f"{pair} is no pair: write it as MailTo=you@example.com")
    return dict(pair.split("=", 1) for pair in given)


def set_option(command: _Command) -> _Command:
    """``--set NAME=VALUE``, as often as wanted: a mapping ``given``."""
    return click.option(
        "--set",
        "given",
        multiple=True,
        callback=_pairs,
        metavar="NAME=VALUE",
        help="A parameter of the template.",
    )(command)


def json_option(command: _Command) -> _Command:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else on stdout.")(
        command
    )


def port_option(command: _Command) -> _Command:
    """``--port N``, for commands on an exchange that runs."""
    return click.option(
        "--port", type=click.IntRange(1, 65535), help="The exchange's, when it is not found by the folder."
    )(command)


def refuse_options_before(context: click.Context) -> None:
    """Of a group that runs alone too: options given before the subcommand would be passed over.

    Raises `click.UsageError` when there are any.
    """
    for option in context.command.params:
        if context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"put {option.opts[0]} behind {context.invoked_subcommand}", context)


def running_exchange(state: Path | None, port: int | None) -> ExchangeAdmin:
    """The exchange that runs with this state folder: of its stack, alone, or the one on `port`.

    Raises `NotRunningError` when none is known.
    """
    from laptop import credentials, processes
    from laptop.errors import NotRunningError
    from laptop.exchange.client import ExchangeAdmin
    from laptop.layout import StateFolder
    from laptop.stack import Stack

    folder = StateFolder.at(state)
    alone = folder.exchange_address
    if port is None and not alone.exists():
        return Stack.find(folder).exchange
    kept = credentials.load(folder.credentials_file)
    if kept is None:
        raise NotRunningError(
            f"no exchange was started with {folder.root}: give the --state of the one that runs, "
            "or start one with `alpaquero up` or `alpaquero exchange`"
        )
    url = alone.read_text("utf-8") if port is None else f"http://{processes.LOOPBACK}:{port}"
    return ExchangeAdmin(url, kept.exchange_admin_token)


def print_json(value: Any) -> None:
    """One JSON value on stdout."""
    print(json.dumps(value, indent=2, default=str))


_SHORT_WORD = 16  # characters: a time, an amount, a percentage
_FOLDED = 12  # what a column of texts has at least


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table for people; the first column, which names the row, is never folded.

    Nor are columns of short words, such as dates and amounts, while there is room: half a number misleads.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=title,
        title_justify="left",
        header_style="bold",
        box=SIMPLE_HEAD,  # lines between columns would take a fifth of a narrow terminal
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    console, texts = Console(), [[str(cell) for cell in row] for row in rows]
    least = [_unfolded([row[place] for row in texts]) for place in range(len(columns))]
    fits = sum(width or _FOLDED for width in least) + len(columns) <= console.width
    for place, column in enumerate(columns):
        table.add_column(
            column, overflow="fold", no_wrap=place == 0, min_width=least[place] if fits and place else None
        )
    for row in texts:
        table.add_row(*row)
    console.print(table)


def _unfolded(cells: Sequence[str]) -> int:
    """The width of a column of short words; 0 for one of texts, which may be folded."""
    words = all(len(cell) <= _SHORT_WORD and " " not in cell for cell in cells)
    return max(map(len, cells), default=0) if words else 0


def progress() -> Callable[[str], None]:
    """Says each step on stderr with the seconds since the first."""
    began = time.monotonic()

    def say(step: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {step}", file=sys.stderr, flush=True)

    return say
