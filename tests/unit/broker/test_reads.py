"""Reading the broker: shapes, pages, repetition within a budget, and what a 404 proves."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.broker import transport
from alpaquero.broker.alpaca import AlpacaSubmitter
from alpaquero.broker.protocol import with_legs
from alpaquero.errors import BrokerRejected, BrokerUnavailable, BrokerUnclear, OrderNotFound
from alpaquero.prices.sessions import Session
from tests.fakes.http_server import Reply, ScriptedServer
from tests.unit.broker.payloads import ACCOUNT, NOT_FOUND, fill, order, refusal


def test_the_account_is_exact(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """Money is read as the decimals the broker wrote."""
    server.script = [Reply(200, ACCOUNT)]
    account = broker.account()
    assert (account.cash, account.equity, account.multiplier) == (
        Decimal("100000.10"),
        Decimal("100250.35"),
        Decimal(4),
    )
    assert not account.blocks


@pytest.mark.parametrize("flag", ["trading_blocked", "account_blocked", "trade_suspended_by_user"])
def test_any_block_blocks_trading(broker: AlpacaSubmitter, server: ScriptedServer, flag: str) -> None:
    """Each of the broker's three blocks counts."""
    server.script = [Reply(200, {**ACCOUNT, flag: True})]
    assert (flag,) == broker.account().blocks


def test_keys_travel_in_headers_alone(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """The key pair is in the two headers Alpaca reads, and not in the address."""
    server.script = [Reply(200, ACCOUNT)]
    broker.account()
    headers = server.asked[0].headers
    assert (headers["APCA-API-KEY-ID"], headers["APCA-API-SECRET-KEY"]) == ("key", "secret")
    assert server.asked[0].query == {}


def test_the_clock_is_in_utc(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """New York offsets become UTC."""
    server.script = [
        Reply(
            200,
            {
                "timestamp": "2026-01-05T09:31:00.123456789-05:00",
                "is_open": True,
                "next_open": "2026-01-06T09:30:00-05:00",
                "next_close": "2026-01-05T16:00:00-05:00",
            },
        )
    ]
    clock = broker.clock()
    assert clock.next_open == datetime(2026, 1, 6, 14, 30, tzinfo=UTC)
    assert clock.now == datetime(2026, 1, 5, 14, 31, 0, 123456, tzinfo=UTC)
    assert clock.now.utcoffset() == timedelta(0)


def test_sessions_know_daylight_saving_and_early_closes(
    broker: AlpacaSubmitter, server: ScriptedServer
) -> None:
    """The calendar's New York times become UTC, summer and winter."""
    server.script = [
        Reply(
            200,
            [
                {"date": "2026-07-02", "open": "09:30", "close": "16:00", "session_open": "0400"},
                {"date": "2026-11-27", "open": "09:30", "close": "13:00"},
            ],
        )
    ]
    assert [
        Session(
            date(2026, 7, 2), datetime(2026, 7, 2, 13, 30, tzinfo=UTC), datetime(2026, 7, 2, 20, tzinfo=UTC)
        ),
        Session(
            date(2026, 11, 27),
            datetime(2026, 11, 27, 14, 30, tzinfo=UTC),
            datetime(2026, 11, 27, 18, tzinfo=UTC),
        ),
    ] == broker.sessions(date(2026, 7, 2), date(2026, 11, 27))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (
            {"status": "active", "tradable": True, "fractionable": True, "shortable": False},
            (True, True, False),
        ),
        ({"status": "inactive", "tradable": True}, (False, False, False)),
    ],
)
def test_an_asset_is_tradable_while_it_is_active(
    broker: AlpacaSubmitter, server: ScriptedServer, row: dict[str, Any], told: tuple[bool, bool, bool]
) -> None:
    """A flag that the broker leaves out allows nothing."""
    server.script = [Reply(200, {"symbol": "BRK.B", **row})]
    asset = broker.asset("BRK.B")
    assert asset is not None
    assert told == (asset.tradable, asset.fractionable, asset.shortable)
    assert server.asked[-1].path.endswith("/v2/assets/BRK.B")


def test_a_position_tells_what_is_held_by_orders(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """`available` is the broker's qty_available, and a position without today's price has yesterday's."""
    row = {
        "symbol": "AAPL",
        "qty": "5",
        "qty_available": "2",
        "avg_entry_price": "180.1",
        "market_value": "935.5",
        "current_price": None,
        "lastday_price": "187.1",
    }
    server.script = [Reply(200, row)]
    position = broker.position("BRK/B")
    assert position is not None
    assert (position.quantity, position.available, position.current_price) == (
        Decimal(5),
        Decimal(2),
        Decimal("187.1"),
    )
    assert server.asked[0].path == "/v2/positions/BRK%2FB"


def test_a_holding_without_any_price_counts_at_cost(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """A delisted share may have neither price nor value; it must not hide the other positions."""
    missing = dict.fromkeys(("market_value", "current_price", "lastday_price"))
    row = {"symbol": "GONE", "qty": "5", "avg_entry_price": "180.1", **missing}
    server.script = [Reply(200, [row])]
    [position] = broker.positions()
    assert (position.current_price, position.market_value) == (Decimal("180.1"), Decimal("900.5"))


def test_no_position_is_none(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """Alpaca's own 404 means that nothing is held."""
    server.script = [refusal(404, 40410000, "position does not exist")]
    assert broker.position("AAPL") is None


@pytest.mark.parametrize(
    "reply",
    [
        Reply(404, b"<html>not here</html>"),
        refusal(404, None, "Not Found"),
        refusal(404, 40010000, "endpoint not found"),
    ],
    ids=str,
)
def test_a_404_that_is_not_alpacas_proves_nothing(
    broker: AlpacaSubmitter, server: ScriptedServer, reply: Reply
) -> None:
    """A proxy's or gateway's 404 is never taken for «there is no such order»."""
    server.script = [reply] * 3
    with pytest.raises((BrokerUnclear, BrokerRejected)) as caught:
        broker.order_by_client_id("aq1-sig-AAPL-k1-0")
    assert not isinstance(caught.value, OrderNotFound)


def test_an_unknown_client_order_id_is_none(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """Alpaca's own 404 means that it has no order with that id."""
    server.script = [NOT_FOUND]
    assert broker.order_by_client_id("aq1-sig-AAPL-k1-0") is None


def test_an_unknown_order_id_is_not_found(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """Asked for by its own id, a missing order is an error."""
    server.script = [NOT_FOUND]
    with pytest.raises(OrderNotFound):
        broker.order("61e69015")


def test_a_bracket_found_by_client_id_has_its_legs(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """The lookup by client id brings no legs, so a bracket is read again by its own id."""
    leg = order(
        id="leg", client_order_id="leg-id", side="sell", type="stop", stop_price="181.05", status="held"
    )
    server.script = [
        Reply(200, order(order_class="bracket")),
        Reply(200, order(order_class="bracket", legs=[leg])),
    ]
    found = broker.order_by_client_id("aq1-sig-AAPL-k1-0")
    assert found is not None
    assert [one.stop_price for one in found.legs] == [Decimal("181.05")]
    assert server.asked[1].query == {"nested": "true"}


def test_open_orders_come_through_all_pages(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """A full page is followed by one that overlaps it, and no order is listed twice."""
    rows = [
        order(id=f"o{n}", client_order_id=f"c{n}", submitted_at=f"2026-01-05T14:{n // 60:02}:{n % 60:02}Z")
        for n in range(600)
    ]
    server.script = [Reply(200, rows[:500]), Reply(200, rows[499:])]
    found = broker.open_orders()
    assert [one.id for one in found] == [f"o{n}" for n in range(600)]
    assert server.asked[1].query["after"] == "2026-01-05T14:08:18.999999+00:00"
    assert server.asked[0].query["direction"] == "asc"


def test_legs_count_towards_a_full_page(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """A page filled by legs is not mistaken for the last one."""
    legs = [order(id=f"leg{n}", client_order_id=f"leg-c{n}") for n in range(499)]
    server.script = [
        Reply(200, [order(id="parent", legs=legs)]),
        Reply(200, [order(id="later", client_order_id="l")]),
    ]
    found = broker.open_orders()
    assert [one.id for one in found] == ["parent", "later"]
    assert len(list(with_legs(found))) == 501


def test_pages_that_do_not_advance_are_an_error(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """A broker that repeats a full page for ever is unclear, not an endless loop."""
    page = [order(id=f"o{n}", client_order_id=f"c{n}") for n in range(500)]
    server.script = [Reply(200, page), Reply(200, page), Reply(200, page)]
    with pytest.raises(BrokerUnclear):
        broker.orders()


def test_more_orders_than_a_page_at_one_moment_are_all_read(
    broker: AlpacaSubmitter, server: ScriptedServer
) -> None:
    """Where time cannot part them the pages follow the last order's id, without times beside it."""
    rows = [order(id=f"o{n}", client_order_id=f"c{n}") for n in range(1200)]
    server.script = [Reply(200, rows[:500]), Reply(200, rows[:500])]
    server.script += [Reply(200, rows[500:1000]), Reply(200, rows[1000:])]
    found = broker.orders(until=datetime(2027, 1, 1, tzinfo=UTC))
    assert [one.id for one in found] == [f"o{n}" for n in range(1200)]
    assert [asked.query.get("after_order_id") for asked in server.asked] == [None, None, "o499", "o999"]
    assert all(
        "after_order_id" not in asked.query or not {"after", "until"} & asked.query.keys()
        for asked in server.asked
    )


def test_pages_by_id_end_where_the_time_asked_for_ends(
    broker: AlpacaSubmitter, server: ScriptedServer
) -> None:
    """Pages by id know no times: orders of the end and later are left out, and nothing more is asked."""
    page = [order(id=f"o{n}", client_order_id=f"c{n}") for n in range(500)]
    late = [
        order(id=f"l{n}", client_order_id=f"l{n}", submitted_at="2026-03-01T15:00:00Z") for n in range(500)
    ]
    server.script = [Reply(200, page), Reply(200, page), Reply(200, late)]
    assert len(broker.orders(until=datetime(2026, 3, 1, 15, tzinfo=UTC))) == 500
    assert len(server.asked) == 3


def test_orders_stop_at_the_limit(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """No more orders are read than were asked for."""
    server.script = [Reply(200, [order(id="a", client_order_id="a"), order(id="b", client_order_id="b")])]
    assert [one.id for one in broker.orders(limit=1)] == ["a"]


@pytest.mark.parametrize(
    ("theirs", "side"), [("sell_short", "sell"), ("sell_short_exempt", "sell"), ("buy_minus", "buy")]
)
def test_a_fill_is_a_buy_or_a_sale_whatever_kind_of_it(
    broker: AlpacaSubmitter, server: ScriptedServer, theirs: str, side: str
) -> None:
    """Activities name kinds of execution that orders do not; a short sold by hand is a sale."""
    server.script = [Reply(200, [fill(0) | {"side": theirs}])]
    assert [one.side for one in broker.fills()] == [side]


def test_fills_come_through_all_pages_oldest_first(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """Fills are paged by the last activity id, starting behind the one already known."""
    server.script = [Reply(200, [fill(n) for n in range(100)]), Reply(200, [fill(100)])]
    found = broker.fills("known")
    assert [one.id for one in found] == [fill(n)["id"] for n in range(101)]
    assert (found[0].quantity, found[0].price) == (Decimal("1.5"), Decimal("187.25"))
    assert [asked.query["page_token"] for asked in server.asked] == ["known", fill(99)["id"]]


def test_activities_come_through_all_pages_but_for_those_cancelled(
    broker: AlpacaSubmitter, server: ScriptedServer
) -> None:
    """Cash and shares as decimals, the day as a date; what was cancelled never happened."""
    fee = {"id": "f", "activity_type": "FEE", "date": "2026-11-20", "net_amount": "-0.01"}
    paid = {**fee, "id": "1", "activity_type": "DIV", "net_amount": "1.02", "symbol": "T", "qty": "2"}
    journaled = {**paid, "id": "3", "activity_type": "JNLS", "net_amount": None}
    last = [{**paid, "id": "2", "status": "canceled"}, journaled]
    server.script = [Reply(200, [paid, *[fee] * 99]), Reply(200, last)]
    found = broker.activities(date(2026, 11, 20))
    assert (Decimal("1.02"), Decimal(2), "T", date(2026, 11, 20)) == (
        found[0].amount, found[0].quantity, found[0].symbol, found[0].day,
    )  # fmt: skip
    assert (101, "JNLS", Decimal(0)) == (len(found), found[-1].kind, found[-1].amount)
    assert [None, "f"] == [asked.query.get("page_token") for asked in server.asked]


@pytest.mark.parametrize(
    "reply",
    [Reply(500, b""), Reply(504, b"<html>"), Reply(200, b"not json"), Reply(cut=True), Reply(429, {})],
    ids=str,
)
def test_a_read_is_tried_three_times(
    broker: AlpacaSubmitter, server: ScriptedServer, waits: list[float], reply: Reply
) -> None:
    """A read that fails twice succeeds at the third try, with growing waits between."""
    server.script = [reply, reply, Reply(200, ACCOUNT)]
    assert broker.account().account_number == "PA3XYZ"
    assert waits == [0.2, 0.4]


def test_a_read_gives_up_after_three_tries(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """The fourth try is the caller's business."""
    server.script = [Reply(500, b"")] * 4
    with pytest.raises(BrokerUnclear):
        broker.account()
    assert len(server.asked) == 3


def test_a_long_wait_is_not_waited(
    broker: AlpacaSubmitter, server: ScriptedServer, waits: list[float]
) -> None:
    """A rate limit that resets beyond the read's budget is told at once."""
    server.script = [Reply(429, {}, {"Retry-After": "45"})]
    with pytest.raises(BrokerUnavailable):
        broker.account()
    assert (len(server.asked), waits) == (1, [])


def test_a_refusal_is_not_repeated(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """Asking again does not make wrong keys right."""
    server.script = [refusal(401, None, "unauthorized.")]
    with pytest.raises(BrokerRejected):
        broker.account()
    assert len(server.asked) == 1


def test_every_read_has_a_time_out(
    broker: AlpacaSubmitter, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """alpaca-py gives none, so a mute broker would hang a function for ever."""
    monkeypatch.setattr(transport, "READ_SECONDS", 0.1)
    server.script = [Reply(stall=True)] * 3
    with pytest.raises(BrokerUnclear):
        broker.account()
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        "text",
        {**ACCOUNT, "cash": "Infinity"},
        {**ACCOUNT, "cash": "12,50"},
        {**ACCOUNT, "equity": None},
    ],
    ids=str,
)
def test_an_answer_of_another_shape_is_unclear(
    broker: AlpacaSubmitter, server: ScriptedServer, body: Any
) -> None:
    """What cannot be read is never guessed at."""
    server.script = [Reply(200, body)] * 3
    with pytest.raises(BrokerUnclear):
        broker.account()
