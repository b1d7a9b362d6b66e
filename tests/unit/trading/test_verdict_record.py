"""Whatever risk decides leaves a record from which the same verdict follows again, byte for byte."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from alpaquero.events.commands import ReplaceOrder
from alpaquero.orders.intent import OrderClass, OrderType
from alpaquero.orders.replacement import Change
from alpaquero.risk.book import TradingState
from alpaquero.risk.limits import RiskLimits
from alpaquero.rules_version import RULES_VERSION
from alpaquero.store import trading_settings
from alpaquero.store.books import Books
from alpaquero.store.trading_settings import TradingSettings
from alpaquero.store.verdicts import VerdictItem, judged_again, of_order
from tests.unit.orders.builders import an_exit, an_intent
from tests.unit.trading.world import World

BUY = an_intent()


def test_an_approved_intent_leaves_what_its_verdict_rested_on(world: World) -> None:
    """Book, facts, settings' version and rules' version are those of the moment it was judged."""
    before = world.book
    world.place(BUY)
    [record] = of_order(BUY.client_order_id)
    assert (before, BUY, 0, RULES_VERSION, world.broker.now) == (
        record.book,
        record.intent,
        record.settings_version,
        record.rules_version,
        record.judged_at,
    )
    assert record.verdict == judged_again(record)


def test_a_refused_intent_leaves_its_record_too(world: World) -> None:
    """Why not is asked more often than why."""
    world.trading_is(TradingState.HALTED)
    world.place(BUY)
    [record] = of_order(BUY.client_order_id)
    assert TradingState.HALTED is record.book.trading_state
    assert '"approved":false' in record.verdict
    assert record.verdict == judged_again(record)


def test_an_intent_that_was_refused_and_asked_again_has_both_verdicts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The older one comes first; none replaces another."""
    world.trading_is(TradingState.HALTED)
    world.place(BUY)
    world.trading_is(TradingState.ACTIVE)
    world.place(BUY)
    refused, approved = of_order(BUY.client_order_id)
    assert ("HALTED", "ACTIVE") == (refused.book.trading_state, approved.book.trading_state)


def test_the_verdict_is_judged_again_with_the_settings_of_its_day(world: World) -> None:
    """Settings that changed since do not change what was decided."""
    world.place(BUY)
    trading_settings.save(
        TradingSettings(risk=RiskLimits(position_limit_percent=Decimal(1))),
        author="ana",
        reason="less",
        after_version=0,
        now=datetime(2026, 11, 23, tzinfo=UTC),
    )
    [record] = of_order(BUY.client_order_id)
    assert record.verdict == judged_again(record)
    later = msgspec.structs.replace(record, settings_version=1)
    assert record.verdict != judged_again(later)


def test_exits_and_replacements_that_grow_are_on_record(world: World) -> None:
    """A replacement is judged as if the order it replaces were gone, and so is its record."""
    buy = an_intent(
        quantity=Decimal(5),
        order_class=OrderClass.SIMPLE,
        order_type=OrderType.LIMIT,
        limit_price=Decimal(97),
    )
    world.place(buy)
    world.sync()
    world.command(
        ReplaceOrder(
            client_order_id=buy.client_order_id,
            change=Change(quantity=Decimal(8)),
            requested_by="ana",
            correlation_id="",
        )
    )
    grown = buy.client_order_id.removesuffix("0") + "1"
    [record] = of_order(grown)
    assert buy.client_order_id not in record.book.reservations
    assert record.verdict == judged_again(record)
    sale = an_exit(key="e" * 20)
    world.place(sale)
    [record] = of_order(sale.client_order_id)
    assert record.verdict == judged_again(record)


def test_no_record_stays_of_a_verdict_that_was_not_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Order and record are one transaction: when the book moved, only the second judgement is kept."""
    commit = Books.commit
    beaten: list[int] = []

    def beaten_once(self: Books, **what: Any) -> None:
        if what.get("new_orders") and not beaten:
            beaten.append(world.book.version)
            commit(self, risk_book=replace(world.book, cash=world.book.cash - 1).next_version())
        commit(self, **what)

    monkeypatch.setattr(Books, "commit", beaten_once)
    world.place(BUY)
    [record] = of_order(BUY.client_order_id)
    assert [record.book.version - 1] == beaten


def test_a_replay_of_the_record_fails_when_the_rules_answer_otherwise(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes differ, so that a changed rule is seen."""
    world.place(BUY)
    [record] = of_order(BUY.client_order_id)
    other = msgspec.structs.replace(record, book=replace(record.book, cash=Decimal(50_000)))
    assert record.verdict != judged_again(other)


def test_the_record_outlives_no_run(world: World) -> None:
    """It expires as runs do, 400 days on."""
    world.place(BUY)
    [item] = VerdictItem.query(f"VERDICT#{BUY.client_order_id}")
    assert 399 < (item.expires_at - datetime.now(UTC).timestamp()) / 86_400 <= 400
