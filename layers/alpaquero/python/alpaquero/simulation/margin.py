"""What an account at Alpaca may still open: asked by the paper exchange and the backtest.

Source: Alpaca's page on margin (four times the equity during the day, one below 2,000 dollars).
"""

from __future__ import annotations

from decimal import Decimal

LEAST_MARGIN_EQUITY = Decimal(2000)
MULTIPLIER = Decimal(4)
_CENT, _ZERO, _ONE = Decimal("0.01"), Decimal(0), Decimal(1)


def multiplier(equity: Decimal) -> Decimal:
    """How many times its equity the account may buy: four, or one below 2,000 dollars."""
    return MULTIPLIER if equity >= LEAST_MARGIN_EQUITY else _ONE


def power(equity: Decimal, gross: Decimal, reserved: Decimal, most: Decimal = MULTIPLIER) -> Decimal:
    """What may still be opened, in dollars and cents, never below zero.

    `gross` is what positions are worth, long and short, `reserved` what waiting orders hold; `most` is
    the multiple that the account is set to.
    """
    return max((equity * min(multiplier(equity), most) - gross - reserved).quantize(_CENT), _ZERO)
