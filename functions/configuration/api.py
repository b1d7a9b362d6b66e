"""The configuration service's routes: the trading settings in force, and a new version of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from alpaquero.errors import Conflict, InvalidRequest
from alpaquero.events.bus import encoded, publish
from alpaquero.events.schemas import SettingsChanged
from alpaquero.observability import correlation_id, logger
from alpaquero.settings import FunctionSettings, Text, Url, load
from alpaquero.store import live_trading, trading_settings
from alpaquero.store.live_trading import LiveConfirmation
from alpaquero.store.trading_settings import SettingsVersion, TradingSettings
from alpaquero.web import bodies
from alpaquero.web.app import service_app

Fields = dict[str, Any]
MAPS = {"sectors", "overrides"}  # settings whose names a person chooses; they are replaced as a whole


class ConfigurationSettings(FunctionSettings, frozen=True, kw_only=True):
    """What this function needs; the broker's addresses and the secrets' names are only shown."""

    alpaca_trading_url: Url
    alpaca_data_url: Url
    trading_secret: Text
    data_secret: Text
    bus: Text


class SettingsChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings to change and to what; what is left out stays. `version` is the one they were read at."""

    version: int
    reason: str
    settings: Fields


SETTINGS = load(ConfigurationSettings)

app = service_app("configuration", {"settings": trading_settings.current})


@app.endpoint("GET", public="/api/config", service="/configuration/config")
def configuration() -> bodies.Configuration:
    """The settings in force and the environment."""
    return configuration_body(trading_settings.current())


@app.endpoint("POST", public="/api/config", service="/configuration/config", role="admin")
def change() -> bodies.Configuration:
    """Saves a new version and tells of it."""
    wanted = app.body(SettingsChange)
    if not wanted.reason.strip():
        raise InvalidRequest("reason is empty; say why, it is kept with the version", "reason")
    now = trading_settings.current()
    if wanted.version != now.version:
        raise Conflict(f"the settings are at version {now.version}; read them again and decide again")
    saved = trading_settings.save(
        changed(now.settings, wanted.settings),
        author=app.principal().username,
        reason=wanted.reason.strip(),
        after_version=now.version,
        now=datetime.now(UTC),
    )
    event = SettingsChanged(
        id=f"settings:{saved.version}",
        occurred_at=saved.changed_at,
        correlation_id=correlation_id(),
        account=SETTINGS.account,
        version=saved.version,
        author=saved.author,
        reason=saved.reason,
    )
    publish([encoded(event, "configuration")], SETTINGS.bus)
    return configuration_body(saved)


class LiveTrading(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An admin's word that real money may be traded: on which of the broker's accounts, and why."""

    account_number: Text
    reason: str


@app.endpoint("GET", public="/api/live-trading", service="/configuration/live-trading")
def live() -> bodies.LiveTrading:
    """Whether real money may be traded, and who confirmed it."""
    return live_body(live_trading.confirmation())


@app.endpoint("POST", public="/api/live-trading", service="/configuration/live-trading", role="admin")
def confirm_live() -> bodies.LiveTrading:
    """Confirms one account of the broker; without it no live order leaves."""
    wanted = app.body(LiveTrading)
    if not wanted.reason.strip():
        raise InvalidRequest("reason is empty; say why, it is kept with the confirmation", "reason")
    if SETTINGS.environment != "live":
        raise Conflict(f"this is the {SETTINGS.environment} environment; live trading is confirmed in live")
    author = app.principal().username
    given = live_trading.confirm(
        wanted.account_number, author=author, reason=wanted.reason.strip(), now=datetime.now(UTC)
    )
    logger.warning("live trading was confirmed", author=author, confirmation=given.number)
    return live_body(given)


def live_body(given: LiveConfirmation | None) -> bodies.LiveTrading:
    """A confirmation as the API answers it; of the account number only its end."""
    if given is None:
        return bodies.LiveTrading(environment=SETTINGS.environment)
    return bodies.LiveTrading(
        environment=SETTINGS.environment,
        account=f"…{given.account_number[-4:]}",
        author=given.author,
        reason=given.reason,
        confirmed_at=given.confirmed_at,
    )


def changed(settings: TradingSettings, change: Fields) -> TradingSettings:
    """`settings` with `change` laid over them.

    Raises `InvalidRequest` that names a setting which does not exist or does not fit.
    """
    fields = msgspec.to_builtins(settings)
    overlay(fields, change, "settings")
    try:
        return msgspec.convert(fields, TradingSettings, strict=False)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        field = f"settings{path.rstrip('`')}"
        raise InvalidRequest(f"{message} (in {field})", field) from None


def overlay(fields: Fields, change: Fields, path: str) -> None:
    """Puts `change` into `fields`. Raises `InvalidRequest` for a name that `fields` does not have."""
    for name, value in change.items():
        where = f"{path}.{name}"
        if name not in fields:
            raise InvalidRequest(
                f"there is no setting {where}; it can hold {', '.join(sorted(fields))}", where
            )
        if name == "strategies" and isinstance(value, dict):
            overlay_strategies(fields[name], value, where)
        elif isinstance(fields[name], dict) and name not in MAPS:
            if not isinstance(value, dict):
                raise InvalidRequest(f"{where} must be an object", where)
            overlay(fields[name], value, where)
        else:
            fields[name] = value


def overlay_strategies(strategies: Fields, change: Fields, path: str) -> None:
    """Puts `change` into `strategies`: a new name adds one, null removes it, a new rule starts anew."""
    for name, value in change.items():
        known = strategies.get(name)
        if value is None and known is not None:
            del strategies[name]
        elif known is None or not isinstance(value, dict):
            strategies[name] = value
        elif value.get("rule", known["rule"]) != known["rule"]:
            strategies[name] = {**known, "parameters": {}, "overrides": {}, **value}
        else:
            overlay(known, value, f"{path}.{name}")


def configuration_body(version: SettingsVersion) -> bodies.Configuration:
    """The settings as the API answers them; secrets by name only."""
    return bodies.Configuration(
        version=version.version,
        author=version.author,
        reason=version.reason,
        changed_at=version.changed_at,
        settings=msgspec.to_builtins(version.settings),
        environment={
            "environment": SETTINGS.environment,
            "account": SETTINGS.account,
            "alpaca_trading_url": SETTINGS.alpaca_trading_url,
            "alpaca_data_url": SETTINGS.alpaca_data_url,
            "trading_secret": SETTINGS.trading_secret,
            "data_secret": SETTINGS.data_secret,
        },
    )
