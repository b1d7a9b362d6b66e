"""Opens the exchange on a state folder: where its book was left, or at the start of a new one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from socket import socket

import uvicorn
from starlette.types import ASGIApp

from alpaquero.prices import Session, bar_start
from alpaquero.simulation import MatchingTerms
from laptop.exchange.clock import AFTER_CLOSE
from laptop.exchange.errors import ExchangeError
from laptop.exchange.fault_gate import CuttableProtocol
from laptop.exchange.history import History
from laptop.exchange.ledger import Ledger, Origin
from laptop.exchange.market import Market
from laptop.exchange.venue import Venue

BOOK_FILE = "book.sqlite"
_DEFAULT_SESSIONS = 250
_STOP_WITHIN_SECONDS = 3


class AnnouncingServer(uvicorn.Server):
    """A uvicorn server that tells its port once it takes requests."""

    def __init__(self, app: ASGIApp, announce: Callable[[int], None]) -> None:
        config = uvicorn.Config(
            app,
            http=CuttableProtocol,
            log_level="warning",
            access_log=False,
            lifespan="on",
            # A stream's client that reads nothing would otherwise keep the exchange from stopping.
            timeout_graceful_shutdown=_STOP_WITHIN_SECONDS,
        )
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Start, then announce."""
        await super().startup(sockets)
        if self.started and sockets:
            self._announce(sockets[0].getsockname()[1])


def open_venue(
    history: History,
    state: Path,
    terms: MatchingTerms,
    *,
    first: date | None = None,
    count: int | None = None,
) -> Venue:
    """The venue of the book in `state`. A book that exists keeps the sessions it was opened with.

    Raises ExchangeError when the book was made with another seed or other prices, or is in use.
    """
    # Asked before there is a file: a start that cannot be leaves none behind.
    traded = traded_sessions(history, first, count)
    ledger = Ledger(state / BOOK_FILE)
    try:
        origin = ledger.origin()
        if origin is None:
            origin = Origin(terms.seed, history.fingerprint, traded[0].date, traded[-1].date)
            ledger.open_with(origin, _before(history, traded[0]))
        _check_origin(origin, terms.seed, history.fingerprint, state)
    except ExchangeError:
        ledger.close()
        raise
    begin, end = origin.first_session, origin.last_session
    sessions = [session for session in history.sessions if begin <= session.date <= end]
    return Venue(Market(history, terms.half_spread_bps), ledger, sessions, terms)


def _check_origin(origin: Origin, seed: int, fingerprint: str, state: Path) -> None:
    if origin.seed == seed and origin.fingerprint == fingerprint:
        return
    same = "the same" if origin.fingerprint == fingerprint else "other"
    raise ExchangeError(
        f"the book in {state} was made with --seed {origin.seed} and {same} prices; "
        "give the ones it was made with, or another --state"
    )


def traded_sessions(history: History, first: date | None, count: int | None) -> Sequence[Session]:
    """The sessions to trade: the last `count` of the data, or from `first` on.

    Raises ExchangeError when the data has none there.
    """
    if first is None:
        return history.sessions[-(count or _DEFAULT_SESSIONS) :]
    sessions = [session for session in history.sessions if session.date >= first]
    if not sessions:
        begin, end = history.sessions[0].date, history.sessions[-1].date
        raise ExchangeError(f"--from {first}: the prices go from {begin} to {end}; give a date between")
    return sessions[:count]


def _before(history: History, first: Session) -> datetime:
    """Where the clock starts: half an hour past the close before, or midnight when there is none."""
    index = history.sessions.index(first)
    return history.sessions[index - 1].close + AFTER_CLOSE if index else bar_start(first)
