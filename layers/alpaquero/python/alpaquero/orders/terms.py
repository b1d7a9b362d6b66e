"""What goes with what in an order: Alpaca's rules, told before anything is queued.

Called by `Intent` when it is made, so that the API and `trading/execute` judge alike. The windows
of opg and cls, and whether an asset trades in fractions, are for the broker to say.
Source: Alpaca's pages on placing orders and on fractional trading.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from alpaquero.orders.kinds import OrderClass, OrderType, Purpose, Side, TimeInForce
from alpaquero.prices.ticks import Direction, round_price

if TYPE_CHECKING:
    from alpaquero.orders.intent import Intent

NINE_PLACES = Decimal("1e-9")
LEAST_NOTIONAL = Decimal(1)
LARGEST = Decimal(10) ** 12  # of any number of an order: far above all there are, and within exact arithmetic
LEAST_TRAIL_PERCENT, MOST_TRAIL_PERCENT = Decimal("0.1"), Decimal(100)
HUNDRED = Decimal(100)

_MARKET = OrderType.MARKET  # Python 3.11 takes ten times as long to find it in its enum
NEEDS_LIMIT = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
NEEDS_STOP = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
WAITS = frozenset({TimeInForce.DAY, TimeInForce.GTC})
AT_ONCE_OR_AUCTION_TYPES = frozenset({OrderType.MARKET, OrderType.LIMIT})
ENTRY_CLASSES = frozenset({OrderClass.SIMPLE, OrderClass.BRACKET, OrderClass.OTO})
EXIT_CLASSES = frozenset({OrderClass.SIMPLE, OrderClass.OCO})

_NUMBERS = (
    "quantity", "notional", "percentage", "limit_price", "stop_price", "trail_price", "trail_percent",
    "take_profit_price", "stop_loss_price", "stop_loss_limit_price", "reference_price",
)  # fmt: skip
_own_numbers, _NOT_GIVEN = attrgetter(*_NUMBERS[:-1]), (None,) * (len(_NUMBERS) - 1)  # all but the reference
_OWN_PRICES = ("limit_price", "stop_price", "take_profit_price", "stop_loss_price", "stop_loss_limit_price")
_ROUNDED = (*_OWN_PRICES, "trail_price")


class TermsError(ValueError):
    """An order that no broker could take; `field` names what to change."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def is_whole(quantity: Decimal | None) -> bool:
    """Whether it is whole shares; a quantity that is not known yet is sized in whole shares."""
    return quantity is None or quantity == quantity.to_integral_value()


def check_number(name: str, value: Decimal) -> None:
    """Raises `TermsError` for a size or price that cannot be one, or that no step could be counted in."""
    if not (value.is_finite() and 0 < value <= LARGEST):
        told = f"{value:.6g}"
        raise TermsError(name, f"{name} is {told}; it must be a number above 0, at most {LARGEST:,}")


def is_fractional(intent: Intent) -> bool:
    """Whether it may buy or sell a part of a share."""
    return intent.notional is not None or not is_whole(intent.quantity)


def check(intent: Intent) -> None:
    """Raises `TermsError` for terms that cannot go together."""
    if _is_plain(intent):
        return
    _check_numbers(intent)
    _check_size(intent)
    _check_prices(intent)
    _check_trail(intent)
    _check_class(intent)
    _check_time(intent)
    _check_exits(intent)


def on_ticks(intent: Intent) -> Intent:
    """The intent with its prices on their step, never worse for who asked: a purchase pays no more,
    a sale gets no less, a stop gives up no more.
    """
    given = {name: p for name in _ROUNDED if (p := getattr(intent, name)) is not None}
    if not given:
        return intent
    own = Direction.DOWN if intent.side is Side.BUY else Direction.UP
    leg = Direction.UP if own is Direction.DOWN or intent.kind is OrderClass.OCO else Direction.DOWN
    ways = {name: own if name in {"limit_price", "stop_price"} else leg for name in _OWN_PRICES}
    ways["trail_price"] = Direction.DOWN
    rounded: dict[str, Any] = {name: round_price(price, ways[name]) for name, price in given.items()}
    if all(given[name] == price for name, price in rounded.items()):
        return intent
    return replace(intent, **rounded)


def _is_plain(intent: Intent) -> bool:
    """Whether it names no size and no price of its own, as every signal's: nothing can be wrong with it."""
    reference = intent.reference_price
    return (
        intent.order_class is None
        and intent.order_type is _MARKET
        and intent.time_in_force in WAITS
        and not intent.extended_hours
        and _own_numbers(intent) == _NOT_GIVEN
        and (reference is None or (reference.is_finite() and 0 < reference <= LARGEST))
    )


def _check_numbers(intent: Intent) -> None:
    for name in _NUMBERS:
        value: Decimal | None = getattr(intent, name)
        if value is not None:
            check_number(name, value)


def _check_size(intent: Intent) -> None:
    sizes = [name for name in ("quantity", "notional", "percentage") if getattr(intent, name) is not None]
    if len(sizes) > 1:
        raise TermsError(sizes[1], f"{sizes[1]} goes without {sizes[0]}; give one of them")
    for name in ("quantity", "notional"):
        value: Decimal | None = getattr(intent, name)
        if value is not None and value.quantize(NINE_PLACES) != value:
            raise TermsError(name, f"{name} has more than 9 decimals; round it")
    if intent.percentage is not None and intent.percentage > HUNDRED:
        raise TermsError("percentage", f"percentage is {intent.percentage}; give 100 at most")
    is_entry = intent.purpose is Purpose.ENTRY
    if intent.percentage is not None and is_entry:
        raise TermsError("percentage", "percentage is of a position, so it goes with an exit; give quantity")
    if intent.notional is not None:
        if not is_entry:
            raise TermsError("notional", "an exit is for a quantity or a percentage of the position")
        if intent.notional < LEAST_NOTIONAL:
            raise TermsError("notional", f"notional is {intent.notional}; the broker takes 1 dollar or more")
        if intent.order_type is not OrderType.MARKET:
            raise TermsError("notional", "notional goes with order_type market; give quantity for the others")


def _check_prices(intent: Intent) -> None:
    for name, types in (("limit_price", NEEDS_LIMIT), ("stop_price", NEEDS_STOP)):
        needed = intent.order_type in types and not (name == "limit_price" and intent.kind is OrderClass.OCO)
        if (getattr(intent, name) is not None) != needed:
            kinds = " and ".join(sorted(types))
            raise TermsError(name, f"{name} goes with the order types {kinds}, and only with them")


def _check_trail(intent: Intent) -> None:
    given = [name for name in ("trail_price", "trail_percent") if getattr(intent, name) is not None]
    if intent.order_type is not OrderType.TRAILING_STOP:
        if given:
            raise TermsError(given[0], f"{given[0]} goes with order_type trailing_stop, and only with it")
        return
    if len(given) != 1:
        raise TermsError("trail_price", "a trailing_stop needs trail_price or trail_percent, one of them")
    percent = intent.trail_percent
    if percent is not None and not LEAST_TRAIL_PERCENT <= percent < MOST_TRAIL_PERCENT:
        raise TermsError("trail_percent", f"trail_percent is {percent}; give 0.1 or more, below 100")


def _check_class(intent: Intent) -> None:
    kind, is_entry = intent.kind, intent.purpose is Purpose.ENTRY
    if kind not in (ENTRY_CLASSES if is_entry else EXIT_CLASSES):
        side = "an exit" if kind is OrderClass.OCO else "an entry"
        raise TermsError("order_class", f"{kind} is for {side}; take another order_class")
    if kind is OrderClass.SIMPLE:
        return
    if is_fractional(intent):
        raise TermsError(
            "order_class",
            f"a {kind} takes whole shares: a fraction or notional is bought with order_class simple, "
            "and gets its stop from the risk monitor within a minute",
        )
    if intent.order_type is OrderType.TRAILING_STOP:
        raise TermsError("order_class", f"a trailing_stop cannot be a {kind}; send order_class simple")
    if kind is OrderClass.OCO and intent.order_type is not OrderType.LIMIT:
        raise TermsError("order_type", "an oco is of order_type limit, its target is take_profit_price")
    if intent.time_in_force not in WAITS:
        raise TermsError(
            "time_in_force",
            f"a {kind} is day or gtc; send order_class simple for {intent.time_in_force}, without "
            "stop and target",
        )


def _check_time(intent: Intent) -> None:
    force = intent.time_in_force
    if intent.extended_hours and not (
        intent.order_type is OrderType.LIMIT and force in WAITS and intent.kind is OrderClass.SIMPLE
    ):
        raise TermsError(
            "extended_hours",
            "extended_hours goes with a limit order that is day or gtc, of order_class simple",
        )
    if is_fractional(intent):
        # What an exit at market sells is read at the sale, and is a day order then if it has a fraction.
        market_exit = intent.purpose is Purpose.EXIT and intent.order_type is OrderType.MARKET
        if force is not TimeInForce.DAY and not (market_exit and force is TimeInForce.GTC):
            raise TermsError("time_in_force", "a fraction or notional is a day order; send time_in_force day")
        if intent.order_type is OrderType.TRAILING_STOP:
            raise TermsError("quantity", "a trailing_stop takes whole shares; round quantity")
    if force not in WAITS and intent.order_type not in AT_ONCE_OR_AUCTION_TYPES:
        raise TermsError(
            "time_in_force", f"{force} goes with market and limit orders; send day or gtc for the others"
        )


def _check_exits(intent: Intent) -> None:
    """The own target and stop of an order: there where the class wants them, and on their sides."""
    kind, target, stop = intent.kind, intent.take_profit_price, intent.stop_loss_price
    if intent.stop_loss_limit_price is not None and stop is None:
        raise TermsError("stop_loss_limit_price", "stop_loss_limit_price goes with stop_loss_price")
    given = [name for name in ("take_profit_price", "stop_loss_price") if getattr(intent, name) is not None]
    if kind is OrderClass.SIMPLE and given:
        raise TermsError(given[0], f"{given[0]} goes with order_class bracket, oco or oto")
    if kind is OrderClass.OCO and len(given) < 2:
        raise TermsError("order_class", "an oco needs take_profit_price and stop_loss_price")
    if kind is OrderClass.OTO and len(given) != 1:
        raise TermsError("order_class", "an oto needs take_profit_price or stop_loss_price, one of them")
    if target is not None and stop is not None and target <= stop:
        raise TermsError("take_profit_price", f"take_profit_price {target} must be above the stop at {stop}")
    base = intent.limit_price or intent.stop_price
    if kind is OrderClass.OCO or base is None:
        return
    if target is not None and target <= base:
        raise TermsError("take_profit_price", f"take_profit_price {target} must be above the entry at {base}")
    if stop is not None and stop >= base:
        raise TermsError("stop_loss_price", f"stop_loss_price {stop} must be below the entry at {base}")
