"""The configuration service's routes: settings in versions, watchlists, preferences, the environment.

Whoever changes something says which state of it he saw (If-Match, or `version` in the body), so that
nobody overwrites what he never read. Secrets are shown by name alone, and are never settings.
"""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

import alpaquero
from alpaquero.errors import Conflict, InvalidRequest, NotFound, PreconditionFailed, PreconditionRequired
from alpaquero.lately import kept_for
from alpaquero.observability import correlation_id, count, logger
from alpaquero.settings import FunctionSettings, Text, Url, load
from alpaquero.store import live_trading, preferences, trading_settings
from alpaquero.store.live_trading import LiveConfirmation
from alpaquero.store.settings_changes import changed, differences
from alpaquero.store.trading_settings import (
    DEFAULT_WATCHLIST,
    SettingsVersion,
    StoredVersion,
    TradingSettings,
)
from alpaquero.web.app import Answer, from_cursor, json_response, service_app, to_cursor
from alpaquero.web.bodies import Page
from alpaquero.web.bodies import configuration as bodies
from alpaquero.web.endpoint import Conditional
from alpaquero.web.request_size import SETTINGS_KB

MOST_HISTORY = 50  # versions a page: each is read whole
VERSIONS_KEPT_SECONDS = 10.0
STALE = (409, 412, 428)  # the change was decided upon another state, or does not say upon which
VersionNumber = Annotated[int, Meta(ge=0, le=trading_settings.MOST_VERSIONS)]
# What the template gives to every function; shown, held to the template by a test.
SHARED_VARIABLES = (
    "ENVIRONMENT", "ACCOUNT", "LOG_LEVEL", "ALPACA_TRADING_URL", "ALPACA_DATA_URL", "ALPACA_DATA_FEED",
    "TRADING_SECRET", "DATA_SECRET", "DASHBOARD_ORIGIN", "BUS", "ARCHIVE_BUCKET", "SHARD_QUEUE",
    "CONCLUDE_QUEUE", "ORDER_QUEUE", "SYNC_QUEUE", "BOOKS_TABLE", "RUNS_TABLE", "BARS_TABLE",
    "SETTINGS_TABLE", "POSITIONS_TABLE", "ANALYTICS_TABLE", "NOTIFICATIONS_TABLE", "CONNECTIONS_TABLE",
    "HEALTH_TABLE", "BROKER_STATE_TABLE", "RATE_LIMITS_TABLE", "RUNS_KEPT_DAYS",
    "NOTIFICATIONS_KEPT_DAYS", "HEALTH_KEPT_DAYS",
)  # fmt: skip


class ConfigurationSettings(FunctionSettings, frozen=True, kw_only=True):
    """What this function needs; the broker's addresses and the secrets' names are only shown."""

    alpaca_trading_url: Url
    alpaca_data_url: Url
    trading_secret: Text
    data_secret: Text
    aws_region: Text = "us-east-1"
    stack_parameters: Text = "{}"


SETTINGS = load(ConfigurationSettings)

app = service_app("configuration", {"settings": trading_settings.current})


# the settings


@app.endpoint("GET", public="/api/config", service="/configuration/config")
def configuration() -> Answer[bodies.Configuration]:
    """The settings in force and the environment."""
    return configuration_answer(trading_settings.current())


@app.endpoint(
    "POST",
    public="/api/config",
    service="/configuration/config",
    role="admin",
    most_kb=SETTINGS_KB,
    headers=Conditional,
    body=bodies.ChangeConfiguration,
    refuses=STALE,
)
def change(headers: Conditional, body: bodies.ChangeConfiguration) -> Answer[bodies.Configuration]:
    """Saves a new version and tells of it."""
    now = trading_settings.current()
    decided_upon(now.version, body.version, headers.if_match)
    return configuration_answer(saved(changed(now.settings, body.settings), now, body.reason))


class HistoryAsked(Struct, frozen=True, kw_only=True):
    """A page of the history."""

    limit: Annotated[int, Meta(ge=1, le=MOST_HISTORY, description="Most versions of the page.")] = 20
    cursor: Annotated[str, Meta(description="`next` of the page before.")] | None = None


@app.endpoint(
    "GET", public="/api/config/history", service="/configuration/config/history", query=HistoryAsked
)
def history(query: HistoryAsked) -> Page[bodies.ConfigurationChange]:
    """The versions, newest first, each with what it changed."""
    limit, cursor = query.limit, query.cursor
    before = None if cursor is None else number(from_cursor(cursor), "cursor")
    found = trading_settings.newest_versions(limit + 1, before=before)
    shown = found[:limit]
    return Page(
        items=[history_row(new, old) for new, old in zip(shown, [*found[1:], None], strict=False)],
        next=to_cursor(str(shown[-1].version)) if len(found) > limit else None,
    )


@app.endpoint(
    "GET",
    public="/api/config/versions/{version}",
    service="/configuration/config/versions/{version}",
    refuses=(400,),
)
def one_version(version: str) -> bodies.ConfigurationVersion:
    """A version as it was written."""
    found = stored_version(number(version, "version"))
    return msgspec.convert(found, bodies.ConfigurationVersion, from_attributes=True)


@kept_for(VERSIONS_KEPT_SECONDS)
def stored_version(version: int) -> StoredVersion:
    """A version as it was written, which nothing but an import of other settings changes."""
    return trading_settings.stored(version)


class DiffAsked(Struct, frozen=True, kw_only=True, rename={"first": "from", "last": "to"}):
    """Which versions are compared."""

    first: Annotated[VersionNumber, Meta(description="By default the one before `to`.")] | None = None
    last: Annotated[VersionNumber, Meta(description="By default the one in force.")] | None = None


@app.endpoint(
    "GET",
    public="/api/config/diff",
    service="/configuration/config/diff",
    query=DiffAsked,
    refuses=(404,),
)
def diff(query: DiffAsked) -> bodies.ConfigurationDiff:
    """What differs between the versions `from` and `to`: by default the one in force and the one before."""
    to = trading_settings.current().version if query.last is None else query.last
    compared = max(to - 1, 0) if query.first is None else query.first
    old, new = stored_version(compared), stored_version(to)
    return bodies.ConfigurationDiff(
        from_version=old.version,
        to_version=new.version,
        changes=[
            bodies.SettingDifference(setting=d.setting, before=d.before, after=d.after)
            for d in differences(old.settings, new.settings)
        ],
    )


@app.endpoint(
    "POST",
    public="/api/config/roll-back",
    service="/configuration/config/roll-back",
    role="admin",
    headers=Conditional,
    body=bodies.RollBackConfiguration,
    refuses=(404, *STALE),
)
def roll_back(headers: Conditional, body: bodies.RollBackConfiguration) -> Answer[bodies.Configuration]:
    """Saves a new version that equals an old one."""
    now = trading_settings.current()
    decided_upon(now.version, body.version, headers.if_match)
    if not 0 <= body.to < max(now.version, 1):
        raise InvalidRequest(f"to is {body.to}; give a version from 0 to {now.version - 1}", "to")
    try:
        old = trading_settings.of_version(body.to).settings
    except msgspec.ValidationError as error:
        raise Conflict(
            f"version {body.to} does not fit today's rules: {error}; change the settings"
        ) from None
    if old == now.settings:
        raise Conflict(f"the settings are those of version {body.to} already")
    return configuration_answer(saved(old, now, body.reason, rolled_back_to=body.to))


@app.endpoint("GET", public="/api/config/schema", service="/configuration/config/schema")
def schema() -> dict[str, Any]:
    """The settings as a JSON Schema with units, bounds and help, for a form."""
    return _schema()


@cache
def _schema() -> dict[str, Any]:
    from alpaquero.store import settings_schema

    return settings_schema.schema()


@app.endpoint("GET", public="/api/config/environment", service="/configuration/config/environment")
def environment() -> bodies.ConfigurationEnvironment:
    """What the functions see of the stack; secrets by name, of addresses the host."""
    chosen = trading_settings.current().settings.log_level
    return bodies.ConfigurationEnvironment(
        environment=SETTINGS.environment,
        account=SETTINGS.account,
        version=alpaquero.__version__,
        python=platform.python_version(),
        region=SETTINGS.aws_region,
        log_level=chosen or SETTINGS.log_level,
        log_level_from="settings" if chosen else "deployment",
        functions={name: plain_value(os.environ[name]) for name in SHARED_VARIABLES if name in os.environ},
        parameters={
            name: plain_value(value)
            for name, value in msgspec.json.decode(SETTINGS.stack_parameters, type=dict[str, str]).items()
        },
    )


# watchlists


@app.endpoint("GET", public="/api/config/watchlists", service="/configuration/config/watchlists")
def watchlists() -> Answer[Page[bodies.Watchlist]]:
    """Every watchlist; `default` is what strategies judge that name none."""
    now = trading_settings.current()
    names = [DEFAULT_WATCHLIST, *now.settings.watchlists]
    return json_response(Page(items=[watchlist_body(now, name) for name in names]), headers=tag(now.version))


@app.endpoint(
    "GET", public="/api/config/watchlists/{name}", service="/configuration/config/watchlists/{name}"
)
def watchlist(name: str) -> Answer[bodies.Watchlist]:
    """One watchlist."""
    return watchlist_answer(trading_settings.current(), name)


@app.endpoint(
    "PUT",
    public="/api/config/watchlists/{name}",
    service="/configuration/config/watchlists/{name}",
    role="admin",
    most_kb=SETTINGS_KB,
    headers=Conditional,
    body=bodies.SaveWatchlist,
    refuses=STALE,
)
def save_watchlist(name: str, headers: Conditional, body: bodies.SaveWatchlist) -> Answer[bodies.Watchlist]:
    """Saves a new watchlist, or other symbols of one, as a version of the settings."""
    now = trading_settings.current()
    decided_upon(now.version, body.version, headers.if_match)
    symbols = (
        {"watchlist": body.symbols} if name == DEFAULT_WATCHLIST else {"watchlists": {name: body.symbols}}
    )
    return watchlist_answer(saved(changed(now.settings, symbols), now, body.reason), name)


class ReasonAsked(Struct, frozen=True, kw_only=True):
    """Why a watchlist goes."""

    reason: Annotated[str, Meta(description="Kept with the version of the settings.")]


@app.endpoint(
    "DELETE",
    public="/api/config/watchlists/{name}",
    service="/configuration/config/watchlists/{name}",
    role="admin",
    headers=Conditional,
    query=ReasonAsked,
    refuses=STALE,
)
def delete_watchlist(name: str, headers: Conditional, query: ReasonAsked) -> Answer[Page[bodies.Watchlist]]:
    """Takes a watchlist away that no strategy names."""
    now = trading_settings.current()
    decided_upon(now.version, None, headers.if_match)
    known_watchlist(now, name)
    if name == DEFAULT_WATCHLIST:
        raise Conflict("the default watchlist cannot go; empty it to judge none of its symbols")
    new = saved(changed(now.settings, {"watchlists": {name: None}}), now, query.reason)
    return json_response(
        Page(items=[watchlist_body(new, n) for n in (DEFAULT_WATCHLIST, *new.settings.watchlists)]),
        headers=tag(new.version),
    )


# preferences


@app.endpoint("GET", public="/api/config/preferences", service="/configuration/config/preferences")
def own_preferences() -> Answer[bodies.UserPreferences]:
    """What the caller prefers of the dashboard."""
    return preferences_answer(preferences.of_user(app.principal().username))


@app.endpoint(
    "PUT",
    public="/api/config/preferences",
    service="/configuration/config/preferences",
    role="viewer",
    people=True,
    headers=Conditional,
    body=preferences.Preferences,
    refuses=(409, 412),
)
def save_preferences(headers: Conditional, body: preferences.Preferences) -> Answer[bodies.UserPreferences]:
    """Saves the caller's preferences; If-Match is heeded when it is sent."""
    user = app.principal().username
    now = preferences.of_user(user)
    refuse_stale(now.version, headers.if_match)
    new = preferences.save(user, body, after_version=now.version, now=datetime.now(UTC))
    return preferences_answer(new)


# real money


class ConfirmLiveTrading(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An admin's word that real money may be traded: on which of the broker's accounts, and why."""

    account_number: Text
    reason: str


@app.endpoint("GET", public="/api/live-trading", service="/configuration/live-trading")
def live() -> bodies.LiveTrading:
    """Whether real money may be traded, and who confirmed it."""
    return live_body(live_trading.confirmation())


@app.endpoint(
    "POST",
    public="/api/live-trading",
    service="/configuration/live-trading",
    role="admin",
    body=ConfirmLiveTrading,
    refuses=(409,),
)
def confirm_live(body: ConfirmLiveTrading) -> bodies.LiveTrading:
    """Confirms one account of the broker; without it no live order leaves."""
    if not body.reason.strip():
        raise InvalidRequest("reason is empty; say why, it is kept with the confirmation", "reason")
    if SETTINGS.environment != "live":
        raise Conflict(f"this is the {SETTINGS.environment} environment; live trading is confirmed in live")
    author = app.principal().username
    given = live_trading.confirm(
        body.account_number, author=author, reason=body.reason.strip(), now=datetime.now(UTC)
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


# what the routes share


def decided_upon(version: int, told: int | None, if_match: str | None) -> None:
    """Refuses a change of another state than the one in force, or one that does not say of which.

    Raises `PreconditionRequired`, `PreconditionFailed` (for If-Match) or `Conflict` (for the body).
    """
    refuse_stale(version, if_match)
    if told is None and if_match is None:
        raise PreconditionRequired(
            "say which version you change: send its ETag as If-Match, or its number as `version` in the body"
        )
    if told is not None and told != version:
        raise Conflict(f"the settings are at version {version}; read them again and decide again")


def refuse_stale(version: int, sent: str | None) -> None:
    """Raises `PreconditionFailed` when If-Match is sent and names another version (RFC 9110, 13.1.1)."""
    if sent is None or sent.strip() == "*":
        return
    if f'"{version}"' not in [one.strip() for one in sent.split(",")]:
        raise PreconditionFailed(f"this is at version {version} now; read it again and decide again")


def saved(
    settings: TradingSettings, now: SettingsVersion, reason: str, *, rolled_back_to: int | None = None
) -> SettingsVersion:
    """Saves `settings` after version `now`, with the event that tells of it in the same write."""
    from alpaquero.events.bus import encoded
    from alpaquero.events.schemas import SettingsChanged
    from alpaquero.store.books import outbox_item

    if not reason.strip():
        raise InvalidRequest("reason is empty; say why, it is kept with the version", "reason")
    author, at, version = app.principal().username, datetime.now(UTC), now.version + 1
    event = SettingsChanged(
        id=f"settings:{version}",
        occurred_at=at,
        correlation_id=correlation_id(),
        account=SETTINGS.account,
        version=version,
        author=author,
        reason=reason.strip(),
    )
    new = trading_settings.save(
        settings,
        author=author,
        reason=reason.strip(),
        after_version=now.version,
        now=at,
        rolled_back_to=rolled_back_to,
        told=outbox_item(SETTINGS.account, encoded(event, "configuration")),
    )
    count("SettingsVersions", kind="change" if rolled_back_to is None else "roll-back")
    logger.info("settings were changed", version=version, author=author, rolled_back_to=rolled_back_to)
    return new


def tag(version: int) -> dict[str, str]:
    """The header that names a state, for If-Match."""
    return {"ETag": f'"{version}"'}


def configuration_answer(version: SettingsVersion) -> Answer[bodies.Configuration]:
    """The settings as the API answers them; secrets by name only."""
    body = bodies.Configuration(
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
    return json_response(body, headers=tag(version.version))


def history_row(new: StoredVersion, old: StoredVersion | None) -> bodies.ConfigurationChange:
    """A version with what it changed; the first one, of the code, changed nothing."""
    found = differences(old.settings, new.settings) if old else []
    return bodies.ConfigurationChange(
        version=new.version,
        author=new.author,
        reason=new.reason,
        changed_at=new.changed_at,
        changed=[difference.setting for difference in found],
        rolled_back_to=new.rolled_back_to,
    )


def known_watchlist(now: SettingsVersion, name: str) -> tuple[str, ...]:
    """The symbols of a watchlist. Raises `NotFound` when there is none of that name."""
    symbols = now.settings.symbols_of_watchlist(name)
    if symbols is None:
        known = ", ".join([DEFAULT_WATCHLIST, *now.settings.watchlists])
        raise NotFound(f"there is no watchlist {name[:40]!r}; there is {known}")
    return symbols


def watchlist_body(now: SettingsVersion, name: str) -> bodies.Watchlist:
    """A watchlist and the strategies that judge it."""
    return bodies.Watchlist(
        name=name,
        symbols=list(known_watchlist(now, name)),
        strategies=[
            n for n, one in now.settings.strategies.items() if followed(one.watchlist, one.symbols) == name
        ],
        version=now.version,
    )


def followed(watchlist: str | None, symbols: tuple[str, ...] | None) -> str | None:
    """The watchlist that a strategy judges; None when it has symbols of its own."""
    return watchlist or (DEFAULT_WATCHLIST if symbols is None else None)


def watchlist_answer(now: SettingsVersion, name: str) -> Answer[bodies.Watchlist]:
    """One watchlist as the API answers it."""
    return json_response(watchlist_body(now, name), headers=tag(now.version))


def preferences_answer(found: preferences.PreferencesVersion) -> Answer[bodies.UserPreferences]:
    """A user's preferences as the API answers them."""
    body = bodies.UserPreferences(
        version=found.version, changed_at=found.changed_at, **msgspec.to_builtins(found.preferences)
    )
    return json_response(body, headers=tag(found.version))


def plain_value(value: str) -> str:
    """A variable without what nobody needs to see: of an address the host, of a queue's its name."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"}:
        return value
    return parts.path.rpartition("/")[2] or parts.netloc.rpartition("@")[2]


def number(text: str, field: str) -> int:
    """A version's number. Raises `InvalidRequest` naming the field for what is none."""
    if not text.isascii() or not text.isdigit() or int(text) > trading_settings.MOST_VERSIONS:
        raise InvalidRequest(f"{field} must be a version's number, as in GET /config/history", field)
    return int(text)
