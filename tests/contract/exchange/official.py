"""Alpaca's two official OpenAPI files, and what they say about a request and its answer.

The contract tests hold every answer of the exchange against them. The files come with a package
and are not kept here. What is let through is listed in `exceptions.py`, with the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.templating.paths.exceptions import PathError
from openapi_core.templating.paths.finders import APICallPathFinder
from openapi_core.templating.responses.exceptions import ResponseNotFound
from starlette.routing import BaseRoute, Route
from werkzeug.datastructures import Headers

from .exceptions import ERRORS_WITHOUT_A_SCHEMA, LET_THROUGH

TRADING, DATA = "trading-api", "market-data-api"
_METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, order=True)
class Operation:
    """A method and path template of one of the files."""

    path: str
    method: str
    spec: str

    def __str__(self) -> str:
        """As one writes it: GET /v2/account."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Answer:
    """A request that was sent and what came back."""

    method: str
    url: str
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def path(self) -> str:
        """The path without the query."""
        return urlsplit(self.url).path

    @property
    def succeeded(self) -> bool:
        """A status below 300."""
        return self.status < 300


@dataclass
class _Request:
    """What openapi-core wants to know of a request to find its operation."""

    host_url: str
    path: str
    method: str
    parameters: RequestParameters = field(default_factory=RequestParameters)
    content_type: str = ""
    body: None = None


@dataclass(frozen=True)
class _Response:
    """What openapi-core wants to know of a response."""

    data: bytes
    status_code: int
    headers: Headers
    content_type: str


@lru_cache(maxsize=2)
def document(spec: str) -> dict[str, Any]:
    """One of the files as it is."""
    text = (files("alpaca_mcp_server") / "specs" / f"{spec}.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@lru_cache(maxsize=2)
def _openapi(spec: str) -> OpenAPI:
    # The files themselves are taken as they are: to check them takes seconds and tells us nothing.
    return OpenAPI.from_dict(document(spec), config=Config(spec_validator_cls=None))


def _host(spec: str) -> str:
    url: str = document(spec)["servers"][0]["url"]
    return url


@lru_cache(maxsize=1)
def operations() -> frozenset[Operation]:
    """Every operation of both files."""
    return frozenset(
        Operation(path, method.upper(), spec)
        for spec in (TRADING, DATA)
        for path, item in document(spec)["paths"].items()
        for method in _METHODS
        if method in item
    )


@lru_cache(maxsize=4096)
def operation_of(method: str, path: str) -> Operation | None:
    """The operation that a request asks for; None when neither file has it."""
    for spec in (TRADING, DATA):
        finder = APICallPathFinder(_openapi(spec).spec)
        try:
            found = finder.find(method.lower(), _host(spec) + path)
        except PathError:
            continue
        return Operation(str(found.path.parts[-1]), method.upper(), spec)
    return None


def served(routes: Iterable[BaseRoute]) -> frozenset[Operation]:
    """The operations that an app's routes answer."""
    found: set[Operation | None] = set()
    for route in routes:
        if isinstance(route, Route):
            path = re.sub(r"{[^}]*}", "x", route.path)
            found.update(operation_of(method, path) for method in route.methods or ())
    return frozenset(operation for operation in found if operation)


def problems(answer: Answer) -> list[str]:
    """What the files say is wrong with an answer to one of their operations; nothing if it is right."""
    asked = operation_of(answer.method, answer.path)
    if asked is None:
        return []
    content_type = Headers(answer.headers).get("content-type", "")
    return list(_problems(asked, answer.status, content_type, answer.content))


@lru_cache(maxsize=512)
def _problems(asked: Operation, status: int, content_type: str, content: bytes) -> tuple[str, ...]:
    """Kept for a while, since a calendar of decades comes often and takes a second to look through."""
    request = _Request(_host(asked.spec), asked.path, asked.method.lower())
    response = _Response(content, status, Headers(), content_type)
    found: list[str] = []
    for error in _openapi(asked.spec).iter_response_errors(request, response):
        if isinstance(error, ResponseNotFound) and status in ERRORS_WITHOUT_A_SCHEMA:
            continue
        found.extend(said for said in _said(error) if not _let_through(asked, said))
    return tuple(f"{asked} answered {status}: {said}" for said in found)


def _said(error: Exception) -> list[str]:
    """An error in words, with the place in the body where it is."""
    cause = error.__cause__
    details = getattr(cause, "schema_errors", None)
    if details:
        return [f"{_place(detail)}: {_short(detail.message)}" for detail in details]
    return [f"{type(error).__name__}: {error}" + (f" ({cause})" if cause else "")]


def _short(message: str) -> str:
    """Both ends of a message, whose middle may be a whole body."""
    return message if len(message) <= 400 else f"{message[:150]} ... {message[-250:]}"


def _place(detail: Any) -> str:
    return "/".join("*" if isinstance(step, int) else str(step) for step in detail.absolute_path) or "body"


def _let_through(asked: Operation, said: str) -> bool:
    return any(known.covers(str(asked), said) for known in LET_THROUGH)
