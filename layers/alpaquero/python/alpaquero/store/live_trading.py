"""The confirmation that real money may be traded: which account, by which admin, why.

Written by the configuration service, read by `alpaquero.broker.alpaca` before the first live order of
a function. It names the broker's account, so other keys need a confirmation of their own.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from pynamodb.exceptions import PutError

from alpaquero.errors import Conflict
from alpaquero.store.settings_items import SettingsItem
from alpaquero.store.tables import from_body, to_body

LIVE, CONFIRMATION = "LIVE", "CONFIRMATION#"


class LiveConfirmation(msgspec.Struct, frozen=True, kw_only=True):
    """An admin's word for one account of the broker; kept for good."""

    number: int
    account_number: str
    author: str
    reason: str
    confirmed_at: datetime


def confirmation() -> LiveConfirmation | None:
    """The newest confirmation, None when nobody ever gave one."""
    newest = SettingsItem.query(
        LIVE,
        SettingsItem.sk.startswith(CONFIRMATION),
        consistent_read=True,
        scan_index_forward=False,
        limit=1,
    )
    return next((from_body(item.body, LiveConfirmation) for item in newest), None)


def confirm(account_number: str, *, author: str, reason: str, now: datetime) -> LiveConfirmation:
    """Keeps a new confirmation; the one before it no longer counts.

    Raises `Conflict` when another was given at the same time.
    """
    before = confirmation()
    given = LiveConfirmation(
        number=before.number + 1 if before else 1,
        account_number=account_number,
        author=author,
        reason=reason,
        confirmed_at=now,
    )
    item = SettingsItem(LIVE, f"{CONFIRMATION}{given.number:08d}", body=to_body(given), version=given.number)
    try:
        item.save(SettingsItem.pk.does_not_exist())
    except PutError as error:
        if error.cause_response_code == "ConditionalCheckFailedException":
            raise Conflict("live trading was confirmed by someone else just now; look again") from error
        raise
    return given
