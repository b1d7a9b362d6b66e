"""How long an intent takes to be an order at the exchange, through the engine: queue, function, broker.

Beside it, in turn with it on the same engine: a function that does nothing, behind a queue of the same
kind. An intent's time ends when the exchange streams the order, the trivial one's when its datagram is
here. Both functions are warm; what is measured is verdict, books and submission, not the start.
"""

from __future__ import annotations

import json
import socket
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from time import monotonic, perf_counter

import httpx
from websockets.sync.client import ClientConnection, connect

from alpaquero.events import queues
from alpaquero.events.commands import PlaceOrder
from alpaquero.orders.identity import manual_key
from alpaquero.orders.intent import Intent, OrderType, Origin, Purpose, Side, TimeInForce
from laptop import calls
from laptop.calls import Call
from laptop.processes import LOOPBACK
from laptop.quiescence import Quiescence
from laptop.stack import ACCOUNT, SERVICE_PORTS, ExchangeOptions, LaptopCloud
from tests.benchmarks.rows import Goal, Row, percentile

SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
WARM_UP, MEASURED, BETWEEN_CANCELS = 10, 100, 10
WITHIN_SECONDS = 30
# So that no rule refuses what is measured: every order is judged in full all the same.
LIMITS = {
    "orders_per_minute_limit": 200,
    "one_open_entry_per_symbol": False,
    "one_position_per_symbol": False,
    "refuse_wash_trades": False,  # the legs of the entry before would be on the other side
}
TRIVIAL = """
import json
import socket

ends = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def handler(event, context):
    for record in event["Records"]:
        body = json.loads(record["body"])
        ends.sendto(str(body["number"]).encode(), ("127.0.0.1", body["port"]))
    return {"batchItemFailures": []}
"""


def measure() -> Iterator[Row]:
    """The rows of this part."""
    exchange = ExchangeOptions(seed=1, clock="stepped", sessions=3)
    with (
        tempfile.TemporaryDirectory(prefix="alpaquero-bench-") as folder,
        LaptopCloud(Path(folder), exchange=exchange) as cloud,
        Trivial(cloud).listening() as trivial,
        _updates(cloud) as updates,
    ):
        cloud.tick("sync")
        _set_limits(cloud)
        cloud.exchange.step()
        cloud.tick("sync")
        orders: list[float] = []
        nothing: list[float] = []
        for number in range(WARM_UP + MEASURED):
            nothing.append(trivial.ask(number))
            orders.append(_intent_to_order(cloud, updates, number))
            if number % BETWEEN_CANCELS == BETWEEN_CANCELS - 1:
                _cancel_all(cloud)
    yield from _rows(orders[WARM_UP:], nothing[WARM_UP:])


def _rows(orders: list[float], nothing: list[float]) -> Iterator[Row]:
    for name, share in (("median", 0.5), ("p99", 0.99)):
        yield Row(
            f"intent to order, {name}",
            percentile(orders, share) * 1000,
            "ms",
            peer="the engine's trivial function",
            peer_value=percentile(nothing, share) * 1000,
            goal=Goal(at_most=3, of_ratio=True) if name == "median" else None,
        )


class Trivial:
    """A function that does nothing, behind a queue like the one of orders."""

    def __init__(self, cloud: LaptopCloud) -> None:
        self._cloud = cloud
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((LOOPBACK, 0))
        self._socket.settimeout(WITHIN_SECONDS)
        self._queue = ""

    @contextmanager
    def listening(self) -> Iterator[Trivial]:
        """Creates function and queue; they go with the cloud."""
        sqs, functions = self._cloud.client("sqs"), self._cloud.client("lambda")
        self._queue = sqs.create_queue(QueueName="bench.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"]
        like = functions.get_function_configuration(FunctionName=self._cloud.physical("TradingExecute"))
        functions.create_function(
            FunctionName="bench-trivial",
            Runtime=like["Runtime"],
            Role=like["Role"],
            Handler="trivial.handler",
            Code={"ZipFile": _zipped("trivial.py", TRIVIAL)},
            MemorySize=like["MemorySize"],
        )
        functions.create_event_source_mapping(
            EventSourceArn=arn["QueueArn"],
            FunctionName="bench-trivial",
            BatchSize=1,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )
        with self._socket:
            yield self

    def ask(self, number: int) -> float:
        """Seconds from sending a message to the function's datagram."""
        port = self._socket.getsockname()[1]
        client = self._cloud.client("sqs")
        began = perf_counter()
        queues.send_in_order(
            self._queue,
            {"number": number, "port": port},
            group=ACCOUNT,
            deduplication_id=str(number),
            client=client,
        )
        while int(self._socket.recv(64)) != number:
            pass
        return perf_counter() - began


def _zipped(name: str, text: str) -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, text)
    return packed.getvalue()


def _intent_to_order(cloud: LaptopCloud, updates: ClientConnection, number: int) -> float:
    """Seconds from sending an intent to the exchange's news of its order."""
    intent = Intent(
        account=ACCOUNT,
        origin=Origin.MANUAL,
        purpose=Purpose.ENTRY,
        symbol=SYMBOLS[number % len(SYMBOLS)],
        side=Side.BUY,
        key=manual_key(ACCOUNT, f"bench-{number}"),
        reason="a benchmark",
        correlation_id=f"bench-{number}",
        quantity=Decimal(1),
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        requested_by="bench",
    )
    client = cloud.client("sqs")
    began = perf_counter()
    queues.send_in_order(
        cloud.outputs["OrderQueue"],
        PlaceOrder(intent=intent),
        group=ACCOUNT,
        deduplication_id=intent.client_order_id,
        client=client,
    )
    deadline = monotonic() + WITHIN_SECONDS
    while monotonic() < deadline:
        told = json.loads(updates.recv(timeout=WITHIN_SECONDS))
        if told["data"].get("order", {}).get("client_order_id") == intent.client_order_id:
            return perf_counter() - began
    raise RuntimeError(f"intent {number} became no order in {WITHIN_SECONDS} s; see the functions' logs")


@contextmanager
def _updates(cloud: LaptopCloud) -> Iterator[ClientConnection]:
    """A websocket on which the exchange tells each order."""
    keys = cloud.credentials
    url = cloud.exchange_url.replace("http", "ws", 1) + "/stream"
    with connect(url, proxy=None) as updates:
        for said in (
            {"action": "auth", "key": keys.exchange_key, "secret": keys.exchange_secret},
            {"action": "listen", "data": {"streams": ["trade_updates"]}},
        ):
            updates.send(json.dumps(said))
            updates.recv(timeout=WITHIN_SECONDS)
        yield updates


def _set_limits(cloud: LaptopCloud) -> None:
    def ask(method: str, body: bytes) -> httpx.Response:
        call = Call(
            SERVICE_PORTS["configuration"], "/config", method, body, {"content-type": "application/json"}
        )
        return calls.send_to_engine(cloud, "configuration", call)

    version = ask("GET", b"").json()["version"]
    change = {"version": version, "reason": "a benchmark", "settings": {"risk": LIMITS}}
    answer = ask("POST", json.dumps(change).encode())
    if answer.is_error:
        raise RuntimeError(f"the limits could not be set: {answer.text}")


def _cancel_all(cloud: LaptopCloud) -> None:
    """Every open order ends, at the exchange and in the books, so that none slows down the next."""
    keys = cloud.credentials
    headers = {"APCA-API-KEY-ID": keys.exchange_key, "APCA-API-SECRET-KEY": keys.exchange_secret}
    answer = httpx.delete(f"{cloud.exchange_url}/v2/orders", headers=headers, timeout=30, trust_env=False)
    answer.raise_for_status()
    Quiescence(cloud, ACCOUNT).wait()
    cloud.tick("sync")
    Quiescence(cloud, ACCOUNT).wait()
