"""A chart's body from bars, a strategy and what the bot did; called by the market data routes.

Pure: what is drawn follows from the arguments. Bars travel as columns, which are encoded in a
fraction of the time of a row a bar.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import cast

import msgspec

from alpaquero.broker.protocol import BrokerClock
from alpaquero.orders.lifecycle import OURS_TO_END, OrderStatus
from alpaquero.orders.order import Fill, Order
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import LENGTHS, NEW_YORK
from alpaquero.strategy import judging, registry
from alpaquero.strategy.conclusion import SHADOW
from alpaquero.strategy.run import SignalRecord
from alpaquero.strategy.settings import StrategySettings
from alpaquero.web.bodies.market_data import BarColumns, Marker, Plotted

A_DAY = timedelta(days=1)


def bar_columns(columns: Columns) -> BarColumns:
    """The bars as the API answers them, encoded here: orjson writes a number in half of msgspec's time."""
    import orjson  # for charts alone

    fields = {
        "time": columns.start,
        "open": columns.open,
        "high": columns.high,
        "low": columns.low,
        "close": columns.close,
        "volume": columns.volume,
    }
    # One column after the other becomes numbers: all of them at once are more than the processor keeps near.
    encoded = orjson.dumps(fields, default=array.tolist)
    return cast("BarColumns", msgspec.Raw(encoded))  # goes into the body as it is


def indicators(
    symbol: str, columns: Columns, shown: int, settings: StrategySettings, *, forming: bool
) -> list[Plotted]:
    """The strategy's values at the last `shown` of `columns`, which hold its warm-up before them.

    A bar that is still forming has none: strategies judge closed bars alone.
    """
    closed = columns[: len(columns) - forming]
    judged = closed[-(shown - forming + settings.minimum_history_bars - 1) :]
    series = judging.chart(symbol, judged, settings)
    parameters = settings.parameters_for(symbol)
    return [
        Plotted(
            name=plot.name,
            label=plot.label,
            pane=plot.pane,
            unit=plot.unit,
            levels={level: float(getattr(parameters, level)) for level in plot.levels},
            values=[*series[plot.name][len(judged) - (shown - forming) :], *([None] if forming else [])],
        )
        for plot in registry.strategy(settings.rule).PLOTS
    ]


def is_forming(start: datetime, timeframe: Timeframe, clock: BrokerClock) -> bool:
    """Whether the bar that starts at `start` has not closed: until then it is not final."""
    if timeframe is Timeframe.DAY:
        return _day(start) == _day(clock.next_close)
    return clock.is_open and clock.now < start + LENGTHS[timeframe]


def markers(
    symbol: str,
    columns: Columns,
    timeframe: Timeframe,
    signals: Iterable[SignalRecord],
    fills: Iterable[Fill],
    *,
    ended: Iterable[Order] = (),
    to_now: bool = False,
) -> list[Marker]:
    """The timeframe's signals, the symbol's fills and its orders that came to an end, oldest first.

    Of `ended` those count that were cancelled, rejected or ran out: filled ones have their fills. A
    cancelled leg tells nothing: its sibling filled, or an exit took it back.
    With `to_now` those are told too that ended since the last bar, as before the market opens.
    """
    found = [signal_marker(one) for one in signals if one.timeframe == timeframe]
    found += [fill_marker(fill) for fill in fills if fill.symbol == symbol]
    found += [order_marker(order) for order in ended if order.symbol == symbol and _is_told(order)]
    first, last = columns.start_at(0), columns.start_at(-1) + LENGTHS.get(timeframe, A_DAY)
    if to_now:
        last = max([last, *(marker.time for marker in found if marker.kind == "order")])
    return sorted((m for m in found if first <= m.time <= last), key=lambda m: (m.time, m.kind, m.strategy))


def signal_marker(signal: SignalRecord) -> Marker:
    """A signal on the chart, at the close of the bar it judged."""
    return Marker(
        kind="signal",
        outcome=signal.outcome,
        shadow=signal.code == SHADOW,
        strategy=signal.strategy,
        time=signal.bar_close,
        side=signal.side or "",
        price=Decimal(signal.reference_price) if signal.reference_price is not None else None,
        quantity=None,
        text=signal.message,
    )


def fill_marker(fill: Fill) -> Marker:
    """A fill on the chart, at its raw price."""
    return Marker(
        kind="fill",
        outcome="",
        shadow=False,
        strategy="",
        time=fill.at,
        side=fill.side,
        price=fill.price,
        quantity=fill.quantity,
        text=f"{fill.side} {fill.quantity:f} at {fill.price:f}",
    )


def order_marker(order: Order) -> Marker:
    """An order that ended without its fill, when it did, at the price it waited for."""
    end = next((event for event in reversed(order.history) if event.status == order.status), None)
    price = order.limit_price if order.limit_price is not None else order.stop_price
    size = f"{order.quantity:f}" if order.quantity is not None else f"${order.notional:f} of"
    asked = f"{order.side} {size}" + ("" if price is None else f" at {price:f}")
    why = (end.why or end.answer) if end else ""
    return Marker(
        kind="order",
        outcome=order.status,
        shadow=False,
        strategy=order.strategy or "",
        time=end.at if end else order.updated_at,
        side=order.side,
        price=price,
        quantity=order.quantity,
        text=f"{asked} {order.status}" + (f": {why}" if why else ""),
    )


def _is_told(order: Order) -> bool:
    return order.status in OURS_TO_END and not (order.parent and order.status == OrderStatus.CANCELED)


def _day(moment: datetime) -> str:
    return moment.astimezone(NEW_YORK).date().isoformat()
