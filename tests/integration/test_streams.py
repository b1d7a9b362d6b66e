"""The stream of Books: outbox items reach the bus and go, others stay, and what it missed is swept."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

import pytest

from alpaquero.events.bus import encoded
from alpaquero.events.schemas import RunPlanned
from alpaquero.store.tables import to_body
from laptop.stack import LaptopCloud
from tests.integration.reading import BusTap, delete, item, put
from tests.waiting import wait_for

AT = datetime(2012, 4, 2, 14, 30, tzinfo=UTC)
_numbers = count(1)


def _waiting(cloud: LaptopCloud, *, prefix: str = "OUTBOX#", age_seconds: float = 0) -> str:
    """Puts an event into Books as a transaction of ours would; answers its id."""
    identifier = f"stream:{next(_numbers)}"
    event = RunPlanned(
        id=identifier,
        occurred_at=AT,
        account="paper",
        run_id="r",
        timeframe="1Day",
        bar_close=AT,
        symbols=1,
        shards=1,
    )
    put(
        cloud,
        "Books",
        "paper",
        prefix + identifier,
        to_body(encoded(event, "trading")),
        written_at={"N": str(time.time() - age_seconds)},
    )
    return identifier


def _is_left(cloud: LaptopCloud, identifier: str) -> bool:
    return item(cloud, "Books", "paper", f"OUTBOX#{identifier}") is not None


def test_an_outbox_item_reaches_the_bus_and_is_deleted(cloud: LaptopCloud, bus: BusTap) -> None:
    """The bus gets the event as it was written, and the outbox is empty after it."""
    identifier = _waiting(cloud)
    event = wait_for(lambda: bus.find(identifier), what="the event on the bus")
    assert (event["source"], event["detail-type"], event["detail"]["run_id"]) == (
        "alpaquero.trading",
        "RunPlanned",
        "r",
    )
    wait_for(lambda: not _is_left(cloud, identifier), what="the outbox to be empty")


def test_other_items_are_not_published(cloud: LaptopCloud, bus: BusTap) -> None:
    """Only the outbox is published: another item with the same body passes the filter by."""
    other = _waiting(cloud, prefix="NOTE#")
    after = _waiting(cloud)
    wait_for(lambda: bus.find(after), what="an event that was written later")
    assert bus.find(other) is None
    delete(cloud, "Books", "paper", f"NOTE#{other}")


@pytest.fixture
def mute_stream(cloud: LaptopCloud) -> Iterator[None]:
    """Nothing reads the stream while the test runs."""
    client = cloud.client("lambda")
    function = cloud.physical("TradingPublish")
    (mapping,) = client.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]

    def switch(*, on: bool) -> None:
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=on)

    switch(on=False)
    yield
    switch(on=True)


@pytest.mark.usefixtures("mute_stream")
def test_the_sweeper_publishes_what_the_stream_missed(cloud: LaptopCloud, bus: BusTap) -> None:
    """A sync publishes outbox items older than 20 s, and leaves the young ones to the stream."""
    old, young = _waiting(cloud, age_seconds=60), _waiting(cloud)
    answer = cloud.tick("sync")
    assert answer["swept"] == 1
    wait_for(lambda: bus.find(old), what="the swept event on the bus")
    assert (_is_left(cloud, old), _is_left(cloud, young)) == (False, True)


def test_the_mapping_reads_outbox_inserts_alone(cloud: LaptopCloud) -> None:
    """The filter of the stream is the template's, and failures are reported one by one."""
    client = cloud.client("lambda")
    (mapping,) = client.list_event_source_mappings(FunctionName=cloud.physical("TradingPublish"))[
        "EventSourceMappings"
    ]
    (pattern,) = (json.loads(found["Pattern"]) for found in mapping["FilterCriteria"]["Filters"])
    assert pattern == {"eventName": ["INSERT"], "dynamodb": {"Keys": {"sk": {"S": [{"prefix": "OUTBOX#"}]}}}}
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
