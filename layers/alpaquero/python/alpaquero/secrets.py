"""Reads a JSON object kept in Secrets Manager; `broker.keys`, `faults` and the health monitor's probe do."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from alpaquero import aws
from alpaquero.errors import ConfigurationError

T = TypeVar("T")


def read(name: str, kind: type[T], shape: str) -> T:
    """What the secret `name` holds, asked for anew; `shape` ends the sentence "it must be a JSON object".

    Raises `ConfigurationError` when it is of another shape, botocore's `ClientError` when it cannot be
    read, and `KeyError` when it holds no text.
    """
    text = aws.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"]
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError:
        raise ConfigurationError(
            f"the secret {name!r} must be a JSON object {shape}"
        ) from None  # the cause would carry the secret's text
