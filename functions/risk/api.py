"""The risk service's route: each limit, and how much of it is used."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal

from alpaquero.errors import NotFound
from alpaquero.risk import drawdown
from alpaquero.risk.book import RiskBook
from alpaquero.risk.limits import RiskLimits
from alpaquero.settings import FunctionSettings, load
from alpaquero.store import trading_settings
from alpaquero.store.books import Books
from alpaquero.web import bodies
from alpaquero.web.app import service_app

SETTINGS = load(FunctionSettings)
BOOKS = Books(SETTINGS.account)
ZERO, HUNDRED, STEP = Decimal(0), Decimal(100), Decimal("0.0001")

app = service_app("risk", {"books": BOOKS.risk_book, "settings": trading_settings.current})


@app.endpoint("GET", service="/risk/risk/limits")
def limits() -> bodies.RiskLimits:
    """The limits in force with what the risk book uses of them."""
    book = BOOKS.risk_book()
    if book is None:
        raise NotFound("the books are not open yet: the first sync opens them, within a minute of the start")
    return limits_body(trading_settings.current().settings.risk, book)


def limits_body(limits: RiskLimits, book: RiskBook) -> bodies.RiskLimits:
    """The limits as the API answers them; switches are left out, for nothing uses them up."""
    values = {field.name: getattr(limits, field.name) for field in fields(limits)}
    return bodies.RiskLimits(
        trading_state=book.trading_state,
        limits={name: value for name, value in values.items() if isinstance(value, Decimal)},
        used=used(book),
        as_of=book.as_of,
    )


def used(book: RiskBook) -> dict[str, Decimal]:
    """What is used of each limit that can be used up, in the limit's unit.

    `cash_reserve_percent` is the cash that no open entry has promised: it should stay above its
    limit, the others below theirs.
    """
    symbols = book.positions.keys() | {r.symbol for r in book.reservations.values()}
    largest = max((book.symbol_exposure(symbol) for symbol in symbols), default=ZERO)
    return {
        "position_limit_percent": _ratio(largest * HUNDRED, book.equity),
        "total_exposure_limit_percent": _ratio(book.exposure * HUNDRED, book.equity),
        "leverage_limit": _ratio(book.exposure, book.equity),
        "cash_reserve_percent": _ratio((book.cash - book.reserved_cash) * HUNDRED, book.equity),
        "drawdown_limit_percent": drawdown.mark(book.peak_equity, book.equity).drawdown_percent,
    }


def _ratio(part: Decimal, whole: Decimal) -> Decimal:
    return (part / whole).quantize(STEP) if whole > 0 else ZERO
