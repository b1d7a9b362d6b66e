"""Reads a function's environment into one validated model; called once, when a handler is loaded.

A handler states what it needs as a struct, field names being the variables in lower case, and
`load` either fills it or names everything that is missing or wrong at once:

>>> class Settings(FunctionSettings):
...     books_table: Text
>>> load(Settings, {"ACCOUNT": "paper", "ENVIRONMENT": "local", "BOOKS_TABLE": "books"}).books_table
'books'
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec

from alpaquero.errors import ConfigurationError

Text = Annotated[str, msgspec.Meta(min_length=1)]
# Free keys may read IEX alone, some per cent of the whole market's volume; paid ones the tape (sip).
DataFeed = Literal["iex", "sip", "delayed_sip"]
Url = Annotated[str, msgspec.Meta(pattern=r"^https?://[^/\s]+")]

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_COGNITO = re.compile(r"https://cognito-idp\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/")
_LIVE_HOST = "api.alpaca.markets"
_MAY_SEE_LIVE = frozenset({"live", "dry_run"})  # a dry run holds nothing that could send an order


class FunctionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What every function has: the books' label and where it runs.

    `dry_run` reads a real account and its prices, live or paper, and orders nothing.
    """

    account: Text = "paper"
    environment: Literal["local", "paper", "live", "dry_run"]
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class TradingApiSettings(FunctionSettings, frozen=True, kw_only=True):
    """What a function needs to reach the trading API; `trading_secret` names the keys' secret."""

    alpaca_trading_url: Url
    trading_secret: Text

    def __post_init__(self) -> None:
        _refuse_wrong_host("ALPACA_TRADING_URL", self.alpaca_trading_url, self.environment)


class DataApiSettings(FunctionSettings, frozen=True, kw_only=True):
    """What a function needs to reach the data API; `data_secret` names the keys' secret."""

    alpaca_data_url: Url
    alpaca_data_feed: DataFeed = "iex"
    data_secret: Text

    def __post_init__(self) -> None:
        _refuse_wrong_host("ALPACA_DATA_URL", self.alpaca_data_url, self.environment)


class BrokerSettings(TradingApiSettings, frozen=True, kw_only=True):
    """What a function needs that trades and reads prices."""

    alpaca_data_url: Url
    alpaca_data_feed: DataFeed = "iex"
    data_secret: Text

    def __post_init__(self) -> None:
        _refuse_wrong_host("ALPACA_TRADING_URL", self.alpaca_trading_url, self.environment)
        _refuse_wrong_host("ALPACA_DATA_URL", self.alpaca_data_url, self.environment)


class ClockSettings(DataApiSettings, frozen=True, kw_only=True):
    """What a function needs that reads prices, and of the trading API only clock and calendar.

    Those are the same for every account, so the reading keys do.
    """

    alpaca_trading_url: Url

    def __post_init__(self) -> None:
        _refuse_wrong_host("ALPACA_TRADING_URL", self.alpaca_trading_url, self.environment)
        _refuse_wrong_host("ALPACA_DATA_URL", self.alpaca_data_url, self.environment)


class IssuerSettings(FunctionSettings, frozen=True, kw_only=True):
    """Whose tokens count. On AWS that is Cognito, whatever the stack was told."""

    token_issuer: Text
    token_keys_url: Url
    user_pool_client: Text

    def __post_init__(self) -> None:
        if self.environment != "local" and not _COGNITO.match(self.token_issuer):
            raise ValueError(
                f"TOKEN_ISSUER is not Cognito but ENVIRONMENT is {self.environment}: leave LocalIssuer empty"
            )


Model = TypeVar("Model", bound=FunctionSettings)


def load(model: type[Model], environment: Mapping[str, str] | None = None) -> Model:
    """`model` filled from the environment; an empty variable counts as missing.

    Raises `ConfigurationError` that lists every missing or invalid variable, never a value of one.
    """
    variables = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for field in msgspec.structs.fields(model):
        variable = field.name.upper()
        text = variables.get(variable)
        if not text:
            if field.required:
                wrong.append(f"{variable} is missing")
            continue
        try:
            values[field.name] = msgspec.convert(text, field.type, strict=False)
        except msgspec.ValidationError as error:
            wrong.append(f"{variable} is invalid: {error}")
    if not wrong:
        try:
            return model(**values)
        except ValueError as error:
            wrong.append(str(error))
    raise ConfigurationError(
        f"{'; '.join(wrong)}. Set them in the function's environment in template.yaml and deploy again."
    )


def queue_urls(variable: str, text: str) -> dict[str, Text]:
    """The queues by name in an environment variable, a JSON object. Raises `ConfigurationError` otherwise."""
    try:
        return msgspec.json.decode(text, type=dict[str, Text])
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{variable} must be a JSON object, queue name to URL: {error}") from None


def _refuse_wrong_host(variable: str, url: str, environment: str) -> None:
    """Keeps paper keys off the live host, and keys off the open wire."""
    parts = urlsplit(url)
    if parts.path.strip("/") or parts.query:
        raise ValueError(f"{variable} is invalid: give the host alone, without a path such as /v2")
    host = (parts.hostname or "").rstrip(".")  # a name with its root's dot is the same host
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise ValueError(f"{variable} is invalid: http would send keys in the clear, use https")
    if host == _LIVE_HOST and environment not in _MAY_SEE_LIVE:
        raise ValueError(f"{variable} is the live host but ENVIRONMENT is {environment}")
    if variable == "ALPACA_TRADING_URL" and environment == "live" and host != _LIVE_HOST:
        raise ValueError(f"ENVIRONMENT is live, so set {variable} to https://{_LIVE_HOST}")
