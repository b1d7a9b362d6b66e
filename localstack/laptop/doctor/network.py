"""The few requests that ``laptop.doctor`` and deploys make over the internet, each with a deadline."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Reply:
    """An answer: its status, its `Date` header when it has a sound one, its JSON when it is some."""

    status: int
    date: datetime | None
    body: Any


Fetch = Callable[[str, Mapping[str, str]], Reply]


def fetch(url: str, headers: Mapping[str, str]) -> Reply:
    """One GET over TLS; a refusal is an answer too.

    Raises
    ------
    OSError
        When nothing answers.
    """
    if not url.startswith("https://"):
        raise OSError(f"{url} is no https address")
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - https alone
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - https alone
            return _reply(answer.status, answer.headers.get("Date"), answer.read())
    except urllib.error.HTTPError as error:
        return _reply(error.code, error.headers.get("Date"), error.read())


def fetch_json(url: str) -> tuple[int, Any]:
    """Status and JSON of a URL; 0 and None when nothing answers."""
    try:
        reply = fetch(url, {})
    except OSError:
        return 0, None
    return reply.status, reply.body


def _reply(status: int, date: str | None, body: bytes) -> Reply:
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = None
    return Reply(status, parsedate_to_datetime(date) if date else None, parsed)
