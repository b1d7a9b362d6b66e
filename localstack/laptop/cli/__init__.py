"""The command line ``alpaquero``: each command in a module of its own, loaded only when it is used."""

from __future__ import annotations

import importlib
import keyword
import os
import sys
from collections.abc import Mapping
from typing import Final

import click

# As the help lists them: what a command is for, its module, and its line, so that the help loads none.
SECTIONS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "Run it here": {
        "up": ("up", "Start everything: engine, exchange, deploy, ports, dashboard; then show what happens."),
        "down": ("up", "Stop what runs, its state saved."),
        "status": ("up", "Show what runs: addresses, seconds to ready, memory."),
        "demo": ("demo", "Trade sessions of real prices through every real part, and compare the books."),
        "exchange": ("exchange", "Start the paper exchange alone, for a program of your own to trade with."),
    },
    "Look at what it did, and why": {
        "explain": ("explain", "Say why a symbol did, or did not, trade, from schedule tick to fill."),
        "signals": ("runs", "Show the last signals, raised and withheld."),
        "runs": ("runs", "Show the last runs, or one with its signals."),
        "replay": ("replay", "Recompute runs from what was stored, and compare byte for byte."),
        "trades": ("account", "Show the last trades, or write all as CSV or Parquet."),
        "tax-lots": ("account", "Show what sales gained for the tax office, or write Form 8949's columns."),
        "report": ("account", "Write the account's report as one HTML page."),
        "reconcile": ("account", "Hold the books against the broker's statement, read anew."),
        "mail": ("read", "Show the mail and SMS the bot has sent."),
    },
    "Trade and steer": {
        "orders": ("orders", "Show the last orders; place, replace, cancel them, close positions."),
        "limits": ("limits", "Show the risk limits and their use, or import sectors and blackouts."),
        "settings": ("settings", "Show the settings, set some; their history, diffs and roll-back."),
        "keys": ("keys", "Make, list and revoke the keys that programs sign in with."),
        "token": ("call", "Sign in as the owner and print an access token."),
        "curl": ("call", "Call a port's path, signed or with a token as the port wants it."),
    },
    "Research": {
        "backtest": ("backtest", "Trade past prices by the live rules; grids, walk-forward, checks."),
        "history": ("history", "Download prices, fill and check the store of bars, archive and restore it."),
    },
    "When something is wrong": {
        "logs": ("operate", "Show the functions' logs."),
        "redrive": ("redrive", "Show the messages that queues gave up, and send them back."),
        "rebuild": ("rebuild", "Derive risk book, positions and trades again, and tell what was different."),
        "faults": ("faults", "Make the paper exchange fail on purpose, and show what was hit."),
        "tick": ("operate", "Send plan, sync, monitor or probe the event its schedule sends."),
        "restart": ("operate", "Put a service's current code into its functions."),
    },
    "Move, and into AWS": {
        "doctor": ("doctor", "Check this machine, an AWS account and its stack; what is wrong, and the fix."),
        "deploy": (
            "deploy", "Bring a stack in AWS to this release: show what changes, ask, look if it lives.",
        ),
        "admin": ("deploy", "Make the first admin of a stack in AWS."),
        "export": ("moving", "Write settings, orders, fills and history to one file."),
        "import": ("moving", "Put such a file into a stack, and derive the rest again."),
        "migrate": ("moving", "Bring a stack's tables to the version of this release."),
        "cost": ("cost", "Show what a month costs on AWS, or what a run here would have."),
        "build": ("build", "Build layers and functions for the laptop or for AWS."),
    },
}  # fmt: skip
COMMANDS: Final = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """Every command, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """A command, its module loaded now."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"laptop.cli.{COMMANDS[cmd_name][0]}")
        # A command that is a keyword, as `import` is, is a function with a line behind its name.
        name = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name.replace("-", "_")
        command: click.Command = getattr(module, name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """What there is, by what it is for, without loading any."""
        widest = max(len(name) for name in COMMANDS)
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:{widest}}", said) for name, (_, said) in section.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was typed. Raises `NoSuchCommand` with those that it may have meant."""
        if args[0] in COMMANDS or args[0].startswith("-"):
            return super().resolve_command(ctx, args)
        raise click.exceptions.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="alpaquero", prog_name="alpaquero")
def commands() -> None:
    """Alpaquero, a serverless trading bot for Alpaca, whole on this machine."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command; an error is one line that says the fix, and a code that is not zero."""
    try:
        result = commands.main(args=arguments, prog_name="alpaquero", standalone_mode=False)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        print(f"error: {_misused(error)}", file=sys.stderr)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if os.environ.get("ALPAQUERO_TRACE"):
            raise
        print(f"error: {_said(error)}", file=sys.stderr)
        return 1
    return int(result) if isinstance(result, int) else 0


def _misused(error: click.ClickException) -> str:
    """What click found wrong with the command line, and where the right use stands."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    text = " ".join(error.format_message().split()).rstrip(".")
    return f"{text}: `{context.command_path} --help` shows the use" if context else text


def _said(error: Exception) -> str:
    """What an error tells the user: ours say the fix, others name themselves."""
    from laptop.errors import LaptopError

    text = " ".join(str(error).split("\n")) if not isinstance(error, LaptopError) else str(error)
    if isinstance(error, LaptopError) or type(error).__module__.startswith("laptop."):
        return text
    if isinstance(error, OSError) and error.filename and error.strerror:
        text = f"{error.filename}: {error.strerror.lower()}"
    return f"{type(error).__name__}: {text} (ALPAQUERO_TRACE=1 shows where)"
