"""What happens on the bus, one line an event, for the live view of ``alpaquero up``.

The supervisor reads it through a queue of the laptop's own: the template knows nothing of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from laptop.stack import Stack

_NAME: Final = "alpaquero-laptop-watch"

# For each event the fields that tell its story, in reading order.
_TOLD: Final[Mapping[str, str]] = {
    "RunPlanned": "run   {symbols} symbols in {shards} shards, bar of {bar_close:.10}",
    "RunConcluded": "run   {raised} signals, {withheld} withheld, {intents} intents",
    "SignalRaised": "signal {symbol} {side} at {reference_price} (strength {strength}): {reason}",
    "TradeRejected": "refused {symbol} {side}: {message}",
    "OrderSubmitted": "order {symbol} {side} {quantity} {role} {status}",
    "OrderUpdated": "order {symbol} {side} {quantity} {role} {status} {message}",
    "OrderFilled": "fill  {symbol} {side} {quantity} at {price}",
    "PositionChanged": "position {symbol} {quantity}, realised {realised_pnl}",
    "EquityMarked": "equity {equity}, cash {cash}, drawdown {drawdown_percent}%",
    "RiskLimitBreached": "limit {code}: {message}",
    "BooksDrifted": "drift {message}",
    "PositionSplit": "split {message}",
    "SharesMoved": "shares {message}",
    "CashMoved": "cash {message}",
    "OrderPassedOver": "order {client_order_id} passed over: {message}",
    "BooksRebuilt": "rebuilt {differences}",
    "TradingStateChanged": "trading {previous_state} -> {state} by {author}: {reason}",
    "SettingsChanged": "settings version {version} by {author}: {reason}",
    "RunMissed": "missed {message}",
    "ServiceDegraded": "service {service}: {message}",
    "ServiceRecovered": "service {service} is well again",
    "DaySummarised": "day {date}: result {pnl}, equity {equity}, {fills} fills",
    "NoticeGiven": "{author} says: {subject}",
}


_ROUNDED: Final = {"equity", "cash", "pnl", "realised_pnl", "drawdown_percent"}


class _Blank(dict[str, Any]):
    """A missing or null field leaves nothing."""

    def __missing__(self, key: str) -> str:
        return ""


def told(event: Mapping[str, Any]) -> str | None:
    """An event as one line, or None for one that is not worth a line.

    Examples
    --------
    >>> told({"detail-type": "OrderFilled", "detail": {"occurred_at": "2012-03-05T14:30:00Z",
    ...     "symbol": "IBM", "side": "buy", "quantity": "4", "price": "200.10"}})
    '2012-03-05 14:30  fill  IBM buy 4 at 200.10'
    """
    pattern = _TOLD.get(event["detail-type"])
    if pattern is None:
        return None
    detail = _Blank({key: _shown(key, value) for key, value in event["detail"].items()})
    at = str(detail["occurred_at"])[:16].replace("T", " ")
    return f"{at}  {' '.join(pattern.format_map(detail).split(' ')).rstrip()}"


def _shown(key: str, value: Any) -> Any:
    """A value as people read it: dollars to the cent, a share to a hundredth of a per cent."""
    if value is None:
        return ""
    return f"{Decimal(value):,.2f}" if key in _ROUNDED else value


class Watch:
    """A queue subscribed to the whole bus, emptied by whoever looks."""

    def __init__(self, stack: Stack) -> None:
        self._sqs = stack.client("sqs")
        self._queue = self._subscribed(stack)

    def _subscribed(self, stack: Stack) -> str:
        queue = str(self._sqs.create_queue(QueueName=_NAME)["QueueUrl"])
        arn = self._sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
        bus = stack.outputs["Bus"]
        events = stack.client("events")
        events.put_rule(
            Name=_NAME, EventBusName=bus, EventPattern=json.dumps({"source": [{"prefix": "alpaquero."}]})
        )
        events.put_targets(Rule=_NAME, EventBusName=bus, Targets=[{"Id": "watch", "Arn": arn}])
        self._sqs.purge_queue(QueueUrl=queue)
        return queue

    def events(self, *, seconds: int = 1) -> Iterator[dict[str, Any]]:
        """What has happened since the last look, after waiting up to ``seconds`` for a first event."""
        reply = self._sqs.receive_message(
            QueueUrl=self._queue, MaxNumberOfMessages=10, WaitTimeSeconds=seconds
        )
        messages = reply.get("Messages", [])
        for message in messages:
            yield json.loads(message["Body"])
        if messages:
            self._sqs.delete_message_batch(
                QueueUrl=self._queue,
                Entries=[{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)],
            )
