"""Which settings can be kept, and who is told by them."""

from __future__ import annotations

from typing import Any

import pytest

from alpaquero.errors import InvalidRequest
from alpaquero.notifications.preferences import OWNER, Channel, Preferences, check, recipients

EMAIL = Channel(name="mail", kind="email", address="ana@example.com")


def settings(**more: Any) -> Preferences:
    """Ana's settings."""
    return Preferences(**{"user": "ana", "channels": [EMAIL], **more})


@pytest.mark.parametrize(
    "channel",
    [
        EMAIL,
        Channel(name="phone", kind="sms", address="+4915112345678"),
        Channel(name="team-1", kind="webhook", address="team.chat", format="slack"),
    ],
)
def test_sound_channels_are_kept(channel: Channel) -> None:
    """An address, a number with its country, the name of a secret."""
    check(settings(channels=[channel], quiet_from="22:00", quiet_until="07:00", time_zone="Asia/Tokyo"))


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone"),
        ({"time_zone": ""}, "time_zone"),
        ({"quiet_from": "22:00"}, "quiet_until"),
        ({"quiet_from": "22:00", "quiet_until": "22:00"}, "quiet_until"),
        ({"channels": [EMAIL, EMAIL]}, "channels[0].name"),
        ({"channels": [EMAIL] * 11}, "channels"),
        ({"channels": [Channel(name="a b", kind="email", address="a@b.de")]}, "channels[0].name"),
        ({"channels": [Channel(name="m", kind="email", address="a@b.de, c@d.de")]}, "channels[0].address"),
        (
            {"channels": [Channel(name="m", kind="email", address="a@b.de\r\nBcc: c@d.de")]},
            "channels[0].address",
        ),
        ({"channels": [Channel(name="p", kind="sms", address="0151 1234")]}, "channels[0].address"),
        (
            {"channels": [Channel(name="w", kind="webhook", address="../paper/trading")]},
            "channels[0].address",
        ),
        ({"channels": [Channel(name="w", kind="webhook", address="https://x.y/z")]}, "channels[0].address"),
        (
            {"channels": [Channel(name="m", kind="email", address="a@b.de", format="slack")]},
            "channels[0].format",
        ),
    ],
)
def test_what_cannot_work_is_refused_by_its_field(wrong: dict[str, Any], field: str) -> None:
    """A webhook's address is a name under our prefix, so no settings reach another secret."""
    with pytest.raises(InvalidRequest) as refused:
        check(settings(**wrong))
    assert refused.value.field == field


def test_the_owner_is_told_by_default() -> None:
    """With no settings at all everything goes to him by e-mail."""
    (owner,) = recipients([], "owner@example.com")
    assert (owner.user, [c.address for c in owner.channels]) == (OWNER, ["owner@example.com"])


def test_others_do_not_silence_the_owner() -> None:
    """Whoever sets his own channels is told beside him."""
    assert [one.user for one in recipients([settings()], "owner@example.com")] == [OWNER, "ana"]


def test_settings_that_name_the_owners_address_take_his_place() -> None:
    """So he is not told twice, and may choose what he wants."""
    his = settings(
        channels=[Channel(name="mail", kind="email", address="Owner@Example.com", severity="critical")]
    )
    assert recipients([his], "owner@example.com") == [his]
    none = Preferences(user=OWNER)
    assert recipients([none], "owner@example.com") == [none]
