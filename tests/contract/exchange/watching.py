"""Sees every request that this process sends over HTTP, whichever client sends it, and the answers.

Only the two HTTP libraries under the clients are watched: the clients stay as they were installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import httpx
import requests

from .official import Answer


@contextmanager
def watching(seen: Callable[[Answer], None]) -> Iterator[None]:
    """Call `seen` with each answer before the client gets it; what it raises, the client raises."""
    requests_send, httpx_send = requests.Session.send, httpx.Client.send

    def by_requests(session: requests.Session, request: Any, **options: Any) -> requests.Response:
        response = requests_send(session, request, **options)
        headers = dict(response.headers)
        seen(Answer(request.method, request.url, response.status_code, headers, response.content))
        return response

    def by_httpx(client: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        response = httpx_send(client, request, **options)
        headers = dict(response.headers)
        seen(Answer(request.method, str(request.url), response.status_code, headers, response.read()))
        return response

    with patch.object(requests.Session, "send", by_requests), patch.object(httpx.Client, "send", by_httpx):
        yield
