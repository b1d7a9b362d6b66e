"""Who is told, and of what; the services' API calls it."""

from __future__ import annotations

from alpaquero.events.mails import MAILED_EVENTS
from alpaquero.settings import FunctionSettings, Text, load
from alpaquero.web.app import service_app
from alpaquero.web.bodies import NotificationSettings


class Settings(FunctionSettings, frozen=True, kw_only=True):
    """To whom."""

    mail_to: Text


settings = load(Settings)
app = service_app("notification")


@app.endpoint("GET", service="/notification/notifications/settings")
def notification_settings() -> NotificationSettings:
    """The channels with their addresses, and the events they carry."""
    return NotificationSettings(channels={"email": settings.mail_to}, events=MAILED_EVENTS)
