"""Each rule of the bus delivers to its queue or topic, and each consumer makes of it what it should."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import msgspec
import pytest
from websockets.exceptions import InvalidStatus

from alpaquero.events.mails import MAILED_EVENTS, mail_of
from alpaquero.events.schemas import (
    BooksDrifted,
    CashMoved,
    DaySummarised,
    EquityMarked,
    Event,
    OrderFilled,
    OrderPassedOver,
    OrderUpdated,
    PositionSplit,
    RiskLimitBreached,
    RunMissed,
    RunPlanned,
    ServiceDegraded,
    ServiceRecovered,
    SharesMoved,
    TradeRejected,
    TradingStateChanged,
    encode,
)
from alpaquero.orders.lifecycle import OrderStatus
from laptop.engine import sent_mail
from laptop.stack import LaptopCloud
from laptop.template import template
from tests.integration.asking import Caller
from tests.integration.dashboards import Dashboard, dashboard, ticket
from tests.integration.reading import Item, delete, item, items
from tests.waiting import wait_for

AT = datetime(2012, 4, 2, 14, 30, tzinfo=UTC)
# A symbol of no watchlist; it is bought and sold, so that nothing of it is left.
SYMBOL = "ZVZZT"
_numbers = count(1)


def _publish(cloud: LaptopCloud, *events: Event) -> None:
    entries = [
        {
            "EventBusName": cloud.outputs["Bus"],
            "Source": "alpaquero.test",
            "DetailType": type(event).__name__,
            "Detail": encode(event),
        }
        for event in events
    ]
    assert cloud.client("events").put_events(Entries=entries)["FailedEntryCount"] == 0


def _common(name: str) -> dict[str, Any]:
    return {"id": f"test:{name}:{next(_numbers)}", "occurred_at": AT, "account": "paper"}


def _fill(side: str, price: str) -> OrderFilled:
    number = next(_numbers)
    return OrderFilled(
        **_common("fill"),
        fill_id=f"20120402103000{number:03d}::bus-test",
        client_order_id=f"bus-test-{number}",
        symbol=SYMBOL,
        side=side,
        purpose="entry" if side == "buy" else "exit",
        role=None,
        quantity=Decimal(2),
        price=Decimal(price),
        reason="the bus's test",
    )


def _mark() -> EquityMarked:
    amount = Decimal(100_000)
    return EquityMarked(
        **_common("mark"), equity=amount, cash=amount, peak_equity=amount, drawdown_percent=Decimal(0)
    )


def _updated(status: str) -> OrderUpdated:
    return OrderUpdated(
        **_common(f"order {status}"),
        client_order_id=f"bus-test-{status}",
        version=2,
        symbol=SYMBOL,
        side="buy",
        purpose="entry",
        role=None,
        status=status,
        previous_status="new",
        quantity=Decimal(2),
        filled_quantity=Decimal(0),
        filled_average_price=None,
    )


def _news() -> list[Event]:
    """One of each event the owner is told of whatever it says; fills have a test of their own."""
    return [
        TradeRejected(
            **_common("rejected"),
            client_order_id="bus-test",
            symbol=SYMBOL,
            side="buy",
            codes=["x"],
            message="m",
        ),
        RiskLimitBreached(**_common("breach"), code="missing_stop", message="m", symbol=SYMBOL),
        BooksDrifted(**_common("drift"), message="m", differences={"cash": "1"}),
        TradingStateChanged(
            **_common("state"), state="REDUCING", previous_state="ACTIVE", author="test", reason="test"
        ),
        CashMoved(
            **_common("cash"), movement_id="m3", kind="DIV", amount=Decimal(1), symbol=SYMBOL, message="m"
        ),
        OrderPassedOver(**_common("passed over"), broker_order_id="1", client_order_id="x", message="m"),
        RunMissed(**_common("missed"), bar_close=AT, message="m"),
        ServiceDegraded(**_common("degraded"), service="bus-test", message="m"),
        ServiceRecovered(**_common("recovered"), service="bus-test", check="c", degraded_since=AT),
        DaySummarised(
            **_common("summary"),
            date="2012-04-02",
            equity=Decimal(1),
            cash=Decimal(1),
            pnl=Decimal(1),
            pnl_percent=Decimal(1),
            deposits=Decimal(0),
            drawdown_percent=Decimal(0),
            fills=1,
            trades=[],
            positions=[],
            troubles={},
        ),
    ]


TROUBLE = (OrderStatus.REJECTED, OrderStatus.EXPIRED, OrderStatus.UNKNOWN)
CASES: list[Event] = [*_news(), *(_updated(status) for status in TROUBLE)]


def _mailed(cloud: LaptopCloud, event: Event) -> dict[str, Any] | None:
    """The mail that tells of an event: subject and text are the event's own."""
    text = mail_of(event).text
    return next((mail for mail in sent_mail(cloud.endpoint) if mail["body"].strip() == text.strip()), None)


@pytest.fixture
def watching(cloud: LaptopCloud, admin: Caller) -> Iterator[Dashboard]:
    """A dashboard that is open."""
    with dashboard(cloud.ports["gateway"], ticket(admin)) as opened:
        yield opened


@pytest.fixture
def round_trip(cloud: LaptopCloud, watching: Dashboard) -> Iterator[tuple[OrderFilled, OrderFilled]]:
    """Two shares bought at 10 and sold at 12, told on the bus; removed from the projections again."""
    bought, sold = _fill("buy", "10.00"), _fill("sell", "12.00")
    _publish(cloud, bought, sold)
    yield bought, sold
    for table in ("Positions", "Analytics"):
        for row in items(cloud, table):
            if SYMBOL in row["sk"] or SYMBOL in row["pk"]:
                delete(cloud, table, row["pk"], row["sk"])


def test_a_fill_reaches_everyone_who_wants_it(
    cloud: LaptopCloud, watching: Dashboard, round_trip: tuple[OrderFilled, OrderFilled]
) -> None:
    """Fills become a position, a round trip, a mail each and a frame each on the open dashboard."""

    def flat() -> Item | None:
        found = item(cloud, "Positions", "paper", f"POSITION#{SYMBOL}")
        return found if found and Decimal(found["body"]["quantity"]) == 0 else None

    def trade() -> Item | None:
        return next((t for t in items(cloud, "Analytics", "TRADE#") if SYMBOL in t["sk"]), None)

    position = wait_for(flat, what="both fills in the position")
    assert Decimal(position["body"]["realised_pnl"]) == 4
    assert Decimal(wait_for(trade, what="the round trip")["body"]["pnl"]) == 4
    for event in round_trip:
        assert wait_for(lambda event=event: _mailed(cloud, event), what="the fill's mail")  # type: ignore[misc]
        frame = wait_for(lambda event=event: watching.find(event.id), what="the fill's frame")  # type: ignore[misc]
        assert (frame["type"], frame["detail"]["quantity"]) == ("OrderFilled", "2")
        assert set(frame) == {"type", "at", "detail"}


def test_a_split_and_shares_that_came_reach_position_and_owner(
    cloud: LaptopCloud, round_trip: tuple[OrderFilled, OrderFilled]
) -> None:
    """Three shares bought become six, and one comes from elsewhere; both are mailed."""
    split = PositionSplit(
        **{**_common("split"), "occurred_at": AT + timedelta(minutes=1)},
        movement_id="split:bus-test", symbol=SYMBOL, ratio=Decimal(2), whole=False, cash=Decimal(0),
        message="2 for 1",
    )  # fmt: skip
    moved = SharesMoved(
        **{**_common("moved"), "occurred_at": AT + timedelta(minutes=2)},
        movement_id="moved:bus-test", symbol=SYMBOL, quantity=Decimal(1), price=Decimal(5), kind="transfer",
        message="1 share came",
    )  # fmt: skip
    later = msgspec.structs.replace(
        _fill("buy", "10.00"), occurred_at=AT + timedelta(seconds=30), quantity=Decimal(3)
    )
    _publish(cloud, later, split, moved)

    def held() -> bool:
        found = item(cloud, "Positions", "paper", f"POSITION#{SYMBOL}")
        return found is not None and Decimal(found["body"]["quantity"]) == 7

    assert wait_for(held, what="both in the position")
    for event in (split, moved):
        assert wait_for(lambda event=event: _mailed(cloud, event), what="the movement's mail")  # type: ignore[misc]


def test_an_equity_mark_reaches_analytics_and_dashboards(cloud: LaptopCloud, watching: Dashboard) -> None:
    """A mark is kept in the equity curve and pushed; nobody is mailed about it."""
    mark = _mark()
    _publish(cloud, mark)
    wait_for(lambda: watching.find(mark.id), what="the mark's frame")
    kept = wait_for(lambda: _mark_item(cloud), what="the mark in the equity curve")
    delete(cloud, "Analytics", kept["pk"], kept["sk"])
    assert type(mark).__name__ not in MAILED_EVENTS


def _mark_item(cloud: LaptopCloud) -> Item | None:
    return next(
        (m for m in items(cloud, "Analytics", "MARK#") if m["sk"].startswith("MARK#2012-04-02")), None
    )


@pytest.mark.parametrize("event", CASES, ids=lambda event: getattr(event, "status", type(event).__name__))
def test_the_owner_is_mailed(cloud: LaptopCloud, event: Event) -> None:
    """What the owner must know goes over the topic to SES: subject, text and address."""
    _publish(cloud, event)
    mail = wait_for(lambda: _mailed(cloud, event), what=f"the mail of {type(event).__name__}")
    assert mail["subject"] == mail_of(event).subject
    assert mail["to"] == [cloud.credentials.email]


def test_every_mailed_event_has_a_case() -> None:
    """Every event that can be written as a mail is delivered by a rule, and has its case here."""
    moving_shares = {"OrderFilled", "PositionSplit", "SharesMoved"}  # the projections fold these
    assert {type(event).__name__ for event in CASES} | moving_shares == set(MAILED_EVENTS)


def test_no_mail_for_an_order_on_its_way(cloud: LaptopCloud) -> None:
    """An order's ordinary news goes to the dashboards alone."""
    ordinary, after = (
        _updated(OrderStatus.CANCELED),
        ServiceDegraded(**_common("after"), service="a", message="m"),
    )
    _publish(cloud, ordinary, after)
    wait_for(lambda: _mailed(cloud, after), what="a mail that was sent later")
    assert _mailed(cloud, ordinary) is None


def test_every_event_is_pushed(cloud: LaptopCloud, watching: Dashboard) -> None:
    """A dashboard gets events that no other consumer wants, with the market's time."""
    planned = RunPlanned(**_common("run"), run_id="r", timeframe="1Day", bar_close=AT, symbols=5, shards=1)
    _publish(cloud, planned)
    frame = wait_for(lambda: watching.find(planned.id), what="the run's frame")
    assert datetime.fromisoformat(frame["at"]) == AT


def test_a_ticket_opens_one_socket(admin: Caller) -> None:
    """A ticket is used once: the same one again, a made-up one and none are turned away."""
    once = ticket(admin)
    with dashboard(admin.port, once):
        pass
    for refused in (once, "made-up", ""):
        with pytest.raises(InvalidStatus) as raised, dashboard(admin.port, refused):
            pass
        assert raised.value.response.status_code in {401, 403}


def test_a_ping_is_answered(watching: Dashboard) -> None:
    """The one thing a dashboard may say gets its answer."""
    watching.connection.send('{"action": "ping"}')
    assert json.loads(watching.connection.recv(timeout=30)) == {"type": "Pong"}


def test_a_closed_dashboard_is_forgotten(cloud: LaptopCloud, admin: Caller) -> None:
    """A dashboard is on the list while it is open and no longer."""
    before = _listed(cloud)
    with dashboard(admin.port, ticket(admin)):
        wait_for(lambda: _listed(cloud) - before, what="the connection on the list")
    wait_for(lambda: _listed(cloud) <= before, what="the connection off the list")


def test_a_connection_that_is_gone_is_removed(cloud: LaptopCloud, watching: Dashboard) -> None:
    """A dashboard whose end nobody told is removed at the next push, which others still get."""
    cloud.client("dynamodb").put_item(
        TableName=cloud.outputs["Connections"],
        Item={
            "pk": {"S": "CONNECTION"},
            "sk": {"S": "gone-long-ago"},
            "username": {"S": "ana"},
            "role": {"S": "viewer"},
            "expires_at": {"N": "99999999999"},
        },
    )
    planned = RunPlanned(**_common("gone"), run_id="r", timeframe="1Day", bar_close=AT, symbols=5, shards=1)
    _publish(cloud, planned)
    wait_for(lambda: watching.find(planned.id), what="the push to the open dashboard")
    wait_for(lambda: "gone-long-ago" not in _listed(cloud), what="the gone connection to be removed")


def _listed(cloud: LaptopCloud) -> set[str]:
    return {row["sk"] for row in items(cloud, "Connections") if row["pk"] == "CONNECTION"}


def test_every_rule_of_the_bus_has_a_test() -> None:
    """A new rule on the bus without a test here fails."""
    rules = {
        name
        for name, resource in template()["Resources"].items()
        if "EventBusName" in resource.get("Properties", {}) and resource["Type"] == "AWS::Events::Rule"
    }
    assert rules == {
        "FillsToPositions",
        "FillsAndMarksToAnalytics",
        "EverythingToDashboards",
        "NewsToOwner",
        "TroubleToOwner",
    }
