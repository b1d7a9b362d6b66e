"""The broker's API keys, read from Secrets Manager by name; used when a client is connected."""

from __future__ import annotations

from dataclasses import field
from functools import lru_cache
from urllib.parse import urlsplit

import msgspec

from alpaquero import secrets
from alpaquero.errors import ConfigurationError
from alpaquero.quickly_made import dataclass

LIVE_HOST = "api.alpaca.markets"
PAPER_URL = "https://paper-api.alpaca.markets"


@dataclass(frozen=True, slots=True)
class BrokerKeys:
    """A key pair; its text form shows neither half.

    Alpaca's key ids tell where they belong: `PK` is a paper account's, `AK` a live one's (its
    maintainers on alpacahq/alpaca-trade-api-go#17). Others, as the paper exchange's, say nothing.
    """

    key_id: str = field(repr=False)
    secret_key: str = field(repr=False)

    @property
    def are_paper(self) -> bool:
        """Whether they are a paper account's."""
        return self.key_id.startswith("PK")

    @property
    def are_live(self) -> bool:
        """Whether they are a live account's."""
        return self.key_id.startswith("AK")


class _Secret(msgspec.Struct):
    key_id: str
    secret_key: str


@lru_cache(maxsize=4)
def read_keys(secret_name: str) -> BrokerKeys:
    """The keys in the secret `secret_name`, a JSON object `{"key_id", "secret_key"}`.

    They are read once in the life of a function's environment; after a rotation publish the
    function again, or call `read_keys.cache_clear()`.

    Raises `ConfigurationError` when the secret is absent, forbidden or of another shape.
    """
    from botocore.exceptions import ClientError

    try:
        secret = secrets.read(secret_name, _Secret, 'with texts "key_id" and "secret_key"')
    except (ClientError, KeyError) as error:
        raise ConfigurationError(
            f"the broker's keys cannot be read from the secret {secret_name!r}: create it as text, and "
            f"allow secretsmanager:GetSecretValue on it ({_reason(error)})"
        ) from error
    if not secret.key_id or not secret.secret_key:
        raise ConfigurationError(f"the secret {secret_name!r} has an empty key_id or secret_key; fill it in")
    return BrokerKeys(secret.key_id, secret.secret_key)


def refuse_foreign_keys(keys: BrokerKeys, url: str, secret_name: str) -> None:
    """Keeps paper keys from the live trading host, and live keys from any other.

    Raises `ConfigurationError`.
    """
    is_live_host = (urlsplit(url).hostname or "").rstrip(".") == LIVE_HOST
    if is_live_host and keys.are_paper:
        raise ConfigurationError(
            f"the secret {secret_name!r} holds paper keys, but ALPACA_TRADING_URL is the live host: "
            f"put live keys into it, or set the URL to {PAPER_URL}"
        )
    if not is_live_host and keys.are_live:
        raise ConfigurationError(
            f"the secret {secret_name!r} holds live keys, but ALPACA_TRADING_URL is not the live host: "
            f"put paper keys into it, or deploy the live environment with https://{LIVE_HOST}"
        )


def _reason(error: Exception) -> str:
    code = getattr(error, "response", {}).get("Error", {}).get("Code")
    return str(code or "it holds no text")
