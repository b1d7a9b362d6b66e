"""The items of the Settings table; `trading_settings`, `live_trading` and `preferences` keep theirs in it.

A module of its own, for every function reads the log level from here and few need the rest.
"""

from __future__ import annotations

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist
from pynamodb.models import Model

from alpaquero.store.tables import REGION, table_name

SETTINGS, CURRENT = "SETTINGS", "CURRENT"


class SettingsItem(Model):
    """`SETTINGS` / `CURRENT` and one `VERSION#<n>` for each version ever saved; `LIVE`; `PREFERENCES`.

    `log_level` stands beside the body of `CURRENT`, so that reading it moves no settings.
    """

    class Meta:
        table_name = table_name("SETTINGS_TABLE")
        region = REGION

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute()
    version = NumberAttribute()
    log_level = UnicodeAttribute(null=True)


def log_level() -> str | None:
    """The log level in force by the settings, None when they leave it as deployed; may be a second old."""
    try:
        return SettingsItem.get(SETTINGS, CURRENT, attributes_to_get=["log_level"]).log_level
    except DoesNotExist:
        return None
