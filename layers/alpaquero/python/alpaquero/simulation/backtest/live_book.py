"""The risk book of a backtest, which changes in place and makes nothing that nobody asks for.

Kept by `engine.Backtest`. Hundreds of positions change their worth with each session, while a verdict on
an entry asks for few of them; so what they are worth is worked out when somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from alpaquero.quickly_made import maker
from alpaquero.risk.book import HeldPosition, RiskBook

_position = maker(HeldPosition)


class LiveBook(RiskBook):
    """The risk book of a backtest, which changes in place; positions in it are long."""

    __slots__ = ()
    __setattr__ = object.__setattr__
    __delattr__ = object.__delattr__  # both have to be the plain ones for either to be quick

    @property
    def exposure(self) -> Decimal:
        """As the book's, without adding up what makes equity differ from cash."""
        return self.equity - self.cash + self.reserved_cash


class LivePositions(Mapping[str, HeldPosition]):
    """The positions of an account at their last closes, each made when it is looked at."""

    def __init__(self, shares: Mapping[str, Decimal], closes: Mapping[str, Decimal]) -> None:
        self._shares, self._closes = shares, closes

    def __getitem__(self, symbol: str) -> HeldPosition:
        shares = self._shares[symbol]
        return _position(shares, shares * self._closes[symbol])

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._shares

    def __iter__(self) -> Iterator[str]:
        return iter(self._shares)

    def __len__(self) -> int:
        return len(self._shares)

    def get(self, symbol: str, default: None = None) -> HeldPosition | None:  # type: ignore[override]
        """As a dictionary's; that of `Mapping` raises an error and catches it."""
        return self[symbol] if symbol in self._shares else default
