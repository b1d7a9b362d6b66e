"""What a backtest's fills cost and depend on."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from alpaquero.quickly_made import dataclass
from alpaquero.simulation.working import MatchingTerms

AFTER_CLOSE = timedelta(minutes=30)  # when a session is looked at: where the exchange's stepped clock stands
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FillTerms:
    """How orders fill. Raises `ValueError` for a number below 0 or a probability above 1.

    `half_spread_bps` and `slippage_bps` are basis points of the price that whoever takes the quote pays;
    limits never pay them. `fee_per_share` is in dollars, `fee_percent` of what the fill costs or brings;
    a broker without commissions has none of either. `seed` and `partial_fill_probability` are those of
    the paper exchange.
    """

    seed: int = 1
    half_spread_bps: Decimal = Decimal(1)
    slippage_bps: Decimal = _ZERO
    partial_fill_probability: float = 0.0
    fee_per_share: Decimal = _ZERO
    fee_percent: Decimal = _ZERO

    def __post_init__(self) -> None:
        for name in ("half_spread_bps", "slippage_bps", "fee_per_share", "fee_percent"):
            if not (getattr(self, name).is_finite() and getattr(self, name) >= 0):
                raise ValueError(f"{name} is {getattr(self, name)}; give 0 or more")
        if not 0 <= self.partial_fill_probability <= 1:
            raise ValueError(
                f"partial_fill_probability is {self.partial_fill_probability}; give a number from 0 to 1"
            )

    @property
    def matching(self) -> MatchingTerms:
        """The same for the matcher."""
        spread = self.half_spread_bps + self.slippage_bps
        return MatchingTerms(self.seed, spread, self.partial_fill_probability)

    def fee(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Dollars that a fill costs beside its price."""
        if not self.fee_per_share and not self.fee_percent:
            return _ZERO
        return quantity * self.fee_per_share + quantity * price * self.fee_percent / 100
