"""What each verdict rested on, kept so that it can be given again; in the Runs table, as long as runs are.

`trading/execute` writes a record in the transaction that writes the order or tells the refusal;
`alpaquero replay` reads it and judges again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

import msgspec
from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from alpaquero.orders.intent import Intent
from alpaquero.risk.book import RiskBook
from alpaquero.risk.facts import Facts
from alpaquero.risk.rules import assess
from alpaquero.risk.verdict import Verdict
from alpaquero.store import trading_settings
from alpaquero.store.tables import REGION, kept_seconds, packed, table_name, to_body, unpacked

VERDICT = "VERDICT#"
KEEP_SECONDS = kept_seconds("RUNS_KEPT_DAYS", 400)


class VerdictRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict with all that it followed from; `judged_at` is market time, `wall_at` wall time.

    `book` and `facts` are as they were judged: for a replacement without the order that it replaces.
    `verdict` is the text of `canonical`.
    """

    client_order_id: str
    judged_at: datetime
    wall_at: datetime
    rules_version: int
    settings_version: int
    intent: Intent
    book: RiskBook
    facts: Facts
    verdict: str


class VerdictItem(Model):
    """A verdict's record, compressed: with hundreds of positions it is tens of kilobytes."""

    class Meta:
        table_name = table_name("RUNS_TABLE")
        region = REGION

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    packed = BinaryAttribute(legacy_encoding=False)
    expires_at = NumberAttribute()


def canonical(verdict: Verdict) -> str:
    """The verdict as text: the same verdict, the same bytes."""
    return to_body(verdict)


def item_of(record: VerdictRecord) -> VerdictItem:
    """The item to write; no two judgements of an intent share one."""
    return VerdictItem(
        VERDICT + record.client_order_id,
        f"{record.wall_at.isoformat()}#{record.book.version}",
        packed=packed(to_body(record)),
        expires_at=int(time.time()) + KEEP_SECONDS,
    )


def of_order(client_order_id: str) -> list[VerdictRecord]:
    """Every verdict on the intent of this id, oldest first; several when it was refused and asked again."""
    found = VerdictItem.query(VERDICT + client_order_id, consistent_read=True)
    return [_record(item) for item in found]


def every() -> Iterator[VerdictRecord]:
    """All verdicts on record, in no order; reads the whole table."""
    return map(_record, VerdictItem.scan(VerdictItem.pk.startswith(VERDICT), consistent_read=True))


def _record(item: VerdictItem) -> VerdictRecord:
    return msgspec.json.decode(unpacked(item.packed), type=VerdictRecord, strict=False)


def judged_again(record: VerdictRecord) -> str:
    """What the rules say to the same inputs now, as `canonical` text.

    Raises `DoesNotExist` when the settings of that version are gone.
    """
    limits = trading_settings.of_version(record.settings_version).settings.risk
    return canonical(assess(record.intent, record.book, limits, record.facts))
