"""Live prices on the whole cloud: they come while somebody watches, to those who watch them."""

from __future__ import annotations

from laptop.stack import LaptopCloud
from tests.integration.asking import Caller
from tests.integration.dashboards import Dashboard, dashboard, ticket
from tests.integration.reading import depth, item
from tests.waiting import wait_for

CLOSED_BEAT_SECONDS = 15  # the market of these tests is closed between two steps


def _symbols(watching: Dashboard) -> set[str]:
    frames = watching.told("PricesChanged")
    return {price["symbol"] for frame in frames for price in frame["detail"]["prices"]}


def _delayed(cloud: LaptopCloud) -> int:
    """Messages of the feed that wait for their time."""
    name = "ApproximateNumberOfMessagesDelayed"
    found = cloud.client("sqs").get_queue_attributes(
        QueueUrl=cloud.outputs["FeedQueue"], AttributeNames=[name]
    )
    return int(found["Attributes"][name])


def test_watched_prices_come_to_those_who_watch_and_end_with_them(cloud: LaptopCloud, admin: Caller) -> None:
    """Two dashboards get their own symbols from one feed, which ends when both are closed."""
    with dashboard(admin.port, ticket(admin)) as first, dashboard(admin.port, ticket(admin)) as second:
        first.say("subscribe", "prices:GOOG", "prices:IBM")
        second.say("subscribe", "prices:IBM")
        watching = wait_for(lambda: first.told("Watching"), what="the answer to subscribe")
        assert watching[0]["detail"] == {"topics": ["prices:GOOG", "prices:IBM"]}
        wait_for(lambda: _symbols(first) == {"GOOG", "IBM"}, what="the first dashboard's prices")
        wait_for(
            lambda: _symbols(second) == {"IBM"},
            what="the second dashboard's prices",
            seconds=3 * CLOSED_BEAT_SECONDS,
        )
        price = second.told("PricesChanged")[0]["detail"]["prices"][0]
        assert float(price["bid"]) <= float(price["last"]) <= float(price["ask"])
        assert price["age_seconds"] >= 0
        wait_for(lambda: _delayed(cloud) + depth(cloud, "FeedQueue") == 1, what="one beat to be on its way")
    wait_for(
        lambda: item(cloud, "Connections", "FEED", "PRICES") is None,
        what="the feed to end",
        seconds=3 * CLOSED_BEAT_SECONDS,
    )
    wait_for(lambda: _delayed(cloud) + depth(cloud, "FeedQueue") == 0, what="no beat to follow")
