"""Starts the paper exchange: `python -m laptop.exchange --help`. The command line starts it so."""

from __future__ import annotations

import argparse
import json
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from time import monotonic

from alpaquero.simulation import MatchingTerms
from laptop.exchange.app import build_app
from laptop.exchange.clock import ClockMode
from laptop.exchange.errors import ExchangeError
from laptop.exchange.gate import Keys
from laptop.exchange.history import folder_history, shipped_history
from laptop.exchange.opening import AnnouncingServer, open_venue
from laptop.exchange.venue import Venue


def _announce(port: int) -> None:
    """The one line on stdout that whoever started the exchange waits for."""
    sys.stdout.write(json.dumps({"ready": True, "port": port}) + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None, announce: Callable[[int], None] = _announce) -> int:
    """Serve until SIGTERM or SIGINT, and announce the port once requests are taken.

    Answers 0 after a clean stop, 2 when it cannot start.
    """
    options = _parser().parse_args(arguments)
    try:
        listening = _listen(options.port)
        venue = _venue(options)
        token = _held("--admin-token-file", options.admin_token_file)
        faults = options.faults_token_file and _held("--faults-token-file", options.faults_token_file)
        secret = options.secret or _held("--secret-file", options.secret_file)
    except ExchangeError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    venue.set_clock(ClockMode(options.clock), options.seconds_per_session, monotonic())
    app = build_app(venue, Keys(options.key, secret, token, faults or ""))
    # uvicorn raises the signal again after its own stop: let that one pass.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: None)
    server = AnnouncingServer(app, announce)
    server.run(sockets=[listening])
    return 0 if server.started else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m laptop.exchange", description="An Alpaca on the laptop that replays real prices."
    )
    parser.add_argument("--state", type=Path, required=True, help="folder of the book, made if missing")
    parser.add_argument("--port", type=int, default=9200, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=1, help="fixes ids and draws")
    prices = parser.add_mutually_exclusive_group()
    prices.add_argument("--data", type=Path, help="folder of SYMBOL.csv files instead of the shipped prices")
    prices.add_argument(
        "--synthetic", type=int, metavar="N", help="N made-up symbols whose days resemble the shipped ones"
    )
    parser.add_argument("--from", dest="first", type=_date, metavar="DATE", help="first session to trade")
    parser.add_argument(
        "--sessions", type=_count, help="how many sessions to trade, the last ones of the data"
    )
    parser.add_argument(
        "--clock", choices=[mode.value for mode in ClockMode], default=ClockMode.RUNNING.value
    )
    parser.add_argument(
        "--seconds-per-session", type=_pace, default=60.0, help="wall time of a day and its night"
    )
    parser.add_argument(
        "--partial-fills", type=_probability, default=0.0, help="share of orders filled in two"
    )
    parser.add_argument("--half-spread-bps", type=_basis_points, default=Decimal(1), help="half the spread")
    parser.add_argument("--key", required=True, help="the API key id callers must show")
    secret = parser.add_mutually_exclusive_group(required=True)
    secret.add_argument("--secret", help="the API secret key callers must show; others can list it")
    secret.add_argument("--secret-file", type=Path, help="file that holds the API secret key")
    parser.add_argument(
        "--admin-token-file", type=Path, required=True, help="file that holds the admin token"
    )
    parser.add_argument(
        "--faults-token-file", type=Path, help="file that holds a token for the faults alone; none without"
    )
    return parser


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write it as 2012-12-31") from None


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of sessions; give 1 or more")
    return int(text)


def _pace(text: str) -> float:
    return _number(text, 0.01, 86_400.0)


def _probability(text: str) -> float:
    return _number(text, 0.0, 1.0)


def _basis_points(text: str) -> Decimal:
    return Decimal(str(_number(text, 0.0, 1000.0)))


def _number(text: str, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text!r}: give a number from {least:g} to {most:g}")
    return value


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        raise ExchangeError(
            f"port {port} cannot be used ({error}); stop what uses it or give another --port"
        ) from error
    return listening


def _held(option: str, path: Path) -> str:
    """The token or secret that a file holds."""
    try:
        held = path.read_text("utf-8").strip()
    except OSError as error:
        raise ExchangeError(f"{option} {path}: {error.strerror}; write a token into it") from error
    if not held:
        raise ExchangeError(f"{option} {path} is empty; write a token into it")
    return held


def _venue(options: argparse.Namespace) -> Venue:
    history = folder_history(options.data) if options.data else shipped_history()
    if options.synthetic is not None:
        from laptop.exchange.synthetic import synthetic_history  # with numpy, which no other start needs

        history = synthetic_history(history, options.synthetic, options.seed)
    sys.stderr.writelines(f"{note}\n" for note in history.notes)
    terms = MatchingTerms(options.seed, options.half_spread_bps, options.partial_fills)
    return open_venue(history, options.state, terms, first=options.first, count=options.sessions)


if __name__ == "__main__":
    sys.exit(main())
