"""The broker's API keys, read from Secrets Manager by name; used when a client is connected."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import msgspec

from alpaquero import aws
from alpaquero.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class BrokerKeys:
    """A key pair; its text form shows neither half."""

    key_id: str = field(repr=False)
    secret_key: str = field(repr=False)


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
        text = aws.client("secretsmanager").get_secret_value(SecretId=secret_name)["SecretString"]
    except (ClientError, KeyError) as error:
        raise ConfigurationError(
            f"the broker's keys cannot be read from the secret {secret_name!r}: create it as text, and "
            f"allow secretsmanager:GetSecretValue on it ({_reason(error)})"
        ) from error
    try:
        secret = msgspec.json.decode(text, type=_Secret)
    except msgspec.MsgspecError:
        raise ConfigurationError(
            f'the secret {secret_name!r} must be a JSON object with texts "key_id" and "secret_key"'
        ) from None  # the cause would carry the secret's text
    if not secret.key_id or not secret.secret_key:
        raise ConfigurationError(f"the secret {secret_name!r} has an empty key_id or secret_key; fill it in")
    return BrokerKeys(secret.key_id, secret.secret_key)


def _reason(error: Exception) -> str:
    code = getattr(error, "response", {}).get("Error", {}).get("Code")
    return str(code or "it holds no text")
