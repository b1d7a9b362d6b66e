"""The documents themselves, one for each API, from what every route of `functions/*/api.py` declares.

Called by `laptop.openapi.__main__` and by tests. Importing the services needs their environment, of
which nothing is used but its form.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

import msgspec

from laptop.layout import REPOSITORY
from laptop.openapi.schemas import Schema, UnclearError, schemas
from laptop.template import functions, template

if TYPE_CHECKING:
    from alpaquero.web.app import ServiceApp
    from alpaquero.web.endpoint import Endpoint

_JSON: Final = "application/json"
_PATH_NAME: Final = re.compile(r"\{(\w+)\}")
_PATH_NAMES: Final = {
    "symbol": "A symbol as Alpaca writes it, such as AAPL or BRK.B.",
    "id": "The id that the list or the accepted request gave.",
    "version": "The number of a version of the settings.",
    "name": "The name of a watchlist.",
}
_ERRORS: Final = {
    400: "A field cannot be used; `details.field` names it.",
    401: "Nobody is signed in, or the session has ended.",
    403: "The caller may not do this.",
    404: "There is no such thing.",
    405: "The route does not take this method.",
    409: "The request does not fit the present state of the thing.",
    412: "The thing has changed since it was read.",
    413: "The body is too large.",
    414: "The query is too long.",
    415: "The body is not sent as application/json.",
    428: "The request does not say which state it was decided upon.",
    429: "Too many requests; `Retry-After` says how many seconds to wait.",
    500: "Something went wrong here; the log has it under the correlation id.",
    502: "The broker refused.",
    503: "The broker or a service of AWS does not answer, or nobody knows what the broker did.",
    504: "The service did not answer in time.",
}
_LISTS: Final = frozenset({"QUEUES", "DEAD_LETTER_QUEUES", "STACK_PARAMETERS"})


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two APIs: its resource in the template, its file in infra/, and what a reader must know."""

    resource: str
    file: str
    title: str
    about: str
    servers: list[dict[str, Any]]
    scheme: str
    schemes: dict[str, Any]
    refuses: frozenset[int]  # what a caller is told that may not in: a wrong signature is a 403

    def path_of(self, endpoint: Endpoint) -> str | None:
        """Where the route is behind this door, None when it is not."""
        return endpoint.public if self is PUBLIC else endpoint.service


_BODIES: Final = (
    "Money, prices and quantities are decimal texts, times ISO 8601 in UTC, lists pages whose `next` is the "
    "cursor of the next one."
)


def _on_aws(stage: str) -> dict[str, Any]:
    return {
        "url": f"https://{{api}}.execute-api.{{region}}.amazonaws.com/{stage}",
        "description": "A stack on AWS.",
        "variables": {"api": {"default": "api-id"}, "region": {"default": "us-east-1"}},
    }


PUBLIC: Final = Door(
    resource="PublicApi",
    file="openapi",
    title="Alpaquero",
    about=f"The public API of the trading bot. {_BODIES}",
    servers=[
        {"url": "/", "description": "The host that serves this page: the laptop's gateway."},
        _on_aws("v1"),
    ],
    scheme="token",
    schemes={"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
    refuses=frozenset({401, 403}),
)
SERVICES: Final = Door(
    resource="ServicesApi",
    file="openapi-services",
    title="Alpaquero's services",
    about="The API by which services and programs of the account ask each service: signed with AWS Signature "
    "Version 4 for `execute-api`, and let in by the caller's IAM policy. On the laptop each service has a "
    f"port of its own (docs/services), where the first part of the path is left out. {_BODIES}",
    servers=[_on_aws("v1")],
    scheme="signature",
    schemes={
        "signature": {
            "type": "apiKey",
            "name": "Authorization",
            "in": "header",
            "x-amazon-apigateway-authtype": "awsSigv4",
        },
    },
    refuses=frozenset({403}),
)


def described(door: Door = PUBLIC) -> dict[str, Any]:
    """The whole document of one API."""
    served = sorted(endpoints(door), key=lambda one: (door.path_of(one[1]) or "", one[1].method))
    bodies, given = _components(served)
    paths: dict[str, dict[str, Any]] = {}
    for service, endpoint in served:
        route = paths.setdefault(str(door.path_of(endpoint)), {})
        route[endpoint.method.lower()] = _operation(door, service, endpoint, bodies)
    used = {int(status) for route in paths.values() for one in route.values() for status in one["responses"]}
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": door.title,
            "version": template()["Resources"][door.resource]["Properties"]["StageName"],
            "description": door.about,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": door.servers,
        "tags": [{"name": service} for service in sorted({service for service, _ in served})],
        "paths": paths,
        "components": {
            "securitySchemes": door.schemes,
            "responses": {_name_of(status): _error(status) for status in sorted(used) if status >= 400},
            "schemas": dict(sorted(given.items())),
        },
    }
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document))  # as a reader will have it
    return plain


def endpoints(door: Door = PUBLIC) -> Iterator[tuple[str, Endpoint]]:
    """Every route behind one door with its service."""
    for app in apps():
        for endpoint in app.endpoints:
            if door.path_of(endpoint) is not None:
                yield app.service, endpoint


def apps() -> Iterator[ServiceApp]:
    """The Chalice app of every service."""
    _pretend_to_run()
    for file in sorted((REPOSITORY / "functions").glob("*/api.py")):
        yield _loaded(file.parent.name).app


def _loaded(service: str) -> ModuleType:
    name = f"functions.{service}.api"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, REPOSITORY / "functions" / service / "api.py")
        if spec is None or spec.loader is None:
            raise ImportError(f"functions/{service}/api.py cannot be imported")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def _pretend_to_run() -> None:
    """Gives each variable that a function reads at its import a value of the right form."""
    parameters = template()["Parameters"]
    variables = dict(template()["Globals"]["Function"]["Environment"]["Variables"])
    for properties in functions().values():
        variables |= properties.get("Environment", {}).get("Variables", {})
    for name, value in variables.items():
        named = value.get("Ref") if isinstance(value, dict) else None
        given = parameters[named].get("Default") if named in parameters else value
        os.environ.setdefault(name, str(given) if isinstance(given, str | int) else _pretended(name))


def _pretended(name: str) -> str:
    if name in _LISTS:
        return "{}"
    if name == "TOKEN_ISSUER":  # the functions take no other off the laptop
        return "https://cognito-idp.us-east-1.amazonaws.com/pretended"
    return "https://alpaquero.example" if name.endswith(("_URL", "_ENDPOINT")) else "pretended"


# ---------------------------------------------------------------------------- bodies


def answer_of(endpoint: Endpoint) -> Any:
    """The type of a JSON answer: what the view says it returns, None for no body.

    Raises `UnclearError` for a view that does not say.
    """
    view = endpoint.view
    said = eval(view.__annotations__["return"], vars(sys.modules[view.__module__]))  # noqa: S307 -- our code
    if getattr(get_origin(said), "__name__", "") == "Answer":
        return get_args(said)[0]
    if said is object or getattr(said, "__name__", "") == "Response":
        if endpoint.status == HTTPStatus.NO_CONTENT or _JSON not in endpoint.content:
            return None
        path = endpoint.public or endpoint.service
        raise UnclearError(f"{endpoint.method} {path}: say what it answers, as `-> Answer[Body]`")
    return said


def _components(
    served: list[tuple[str, Endpoint]],
) -> tuple[dict[tuple[int, str], Schema], dict[str, Schema]]:
    """The schema of each body by its endpoint and side, and all components."""
    from alpaquero.web.bodies import ErrorBody

    bodies: dict[tuple[int, str], Schema] = {}
    components: dict[str, Schema] = {}
    for side in ("answer", "request"):
        asked = [
            (endpoint, answer_of(endpoint) if side == "answer" else endpoint.body) for _, endpoint in served
        ]
        asked = [(endpoint, kind) for endpoint, kind in asked if kind is not None]
        errors = [ErrorBody] if side == "answer" else []
        found, given = schemas([*(kind for _, kind in asked), *errors], answers=side == "answer")
        bodies |= {(id(one), side): schema for (one, _), schema in zip(asked, found, strict=False)}
        for name, schema in given.items():
            if components.setdefault(name, schema) != schema:
                raise UnclearError(f"{name} is a request and an answer and differs; give each its own name")
    return bodies, components


# ---------------------------------------------------------------------------- one route


def _operation(
    door: Door, service: str, endpoint: Endpoint, bodies: Mapping[tuple[int, str], Schema]
) -> dict[str, Any]:
    path = str(door.path_of(endpoint))
    summary, _, rest = (endpoint.view.__doc__ or "").strip().partition("\n\n")
    said: dict[str, Any] = {
        "operationId": f"{service}_{endpoint.view.__name__.strip('_')}",
        "tags": [service],
        "summary": " ".join(summary.split()),
    }
    if rest:
        said["description"] = " ".join(rest.split())
    if door is PUBLIC:
        said["x-role"] = endpoint.role or "anyone"
        if endpoint.service:
            said["x-service-path"] = endpoint.service
    elif endpoint.public:
        said["x-public-path"] = endpoint.public
    said["security"] = [{door.scheme: []}] if endpoint.role else []
    parameters = list(_parameters(endpoint, path))
    if parameters:
        said["parameters"] = parameters
    if (id(endpoint), "request") in bodies:
        said["requestBody"] = {
            "required": True,
            "content": {_JSON: {"schema": bodies[id(endpoint), "request"]}},
        }
    success: dict[str, Any] = {"description": HTTPStatus(endpoint.status).phrase}
    if endpoint.status != HTTPStatus.NO_CONTENT:
        text = {"schema": {"type": "string"}}
        success["content"] = {
            kind: {"schema": bodies[id(endpoint), "answer"]} if kind == _JSON else text
            for kind in endpoint.content
        }
    said["responses"] = {str(endpoint.status): success} | {
        str(status): {"$ref": f"#/components/responses/{_name_of(status)}"}
        for status in refused(endpoint, door)
    }
    return said


def refused(endpoint: Endpoint, door: Door = PUBLIC) -> list[int]:
    """Every status of an error that the route may answer with."""
    found = {429, 500, 503, 504, 414, *endpoint.refuses}
    if endpoint.role:
        found |= door.refuses
    if endpoint.query or endpoint.headers or endpoint.body is not None:
        found.add(400)
    if endpoint.body is not None or endpoint.method != "GET":
        found |= {413, 415}
    if "{" in str(door.path_of(endpoint)):
        found.add(404)
    return sorted(found)


def _parameters(endpoint: Endpoint, path: str) -> Iterator[dict[str, Any]]:
    for name in _PATH_NAME.findall(path):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PATH_NAMES[name],
            "schema": {"type": "string", "minLength": 1},
        }
    for place, struct in (("query", endpoint.query), ("header", endpoint.headers)):
        if struct is not None:
            yield from _fields(place, struct)


def _fields(place: str, struct: type[msgspec.Struct]) -> Iterator[dict[str, Any]]:
    """A parameter for each field; null is how a struct says that one may be left out."""
    _, components = schemas([struct], answers=False)
    schema = components.pop(struct.__name__)
    for name, given in schema["properties"].items():
        kinds = [kind for kind in given.get("anyOf", [given]) if kind != {"type": "null"}]
        if len(kinds) > 1:
            raise UnclearError(f"{struct.__name__}.{name} is of several types; a parameter has one")
        kind = dict(kinds[0])
        if "$ref" in kind:
            kind = components[kind["$ref"].rpartition("/")[2]] | {}
            kind.pop("title", None)
        if given.get("default") is not None:
            kind["default"] = given["default"]
        words = kind.pop("description", None) or given.get("description")
        parameter: dict[str, Any] = {
            "name": name,
            "in": place,
            "required": name in schema.get("required", ()),
        }
        if words:
            parameter["description"] = words
        yield parameter | {"schema": kind}


def _name_of(status: int) -> str:
    return "".join(word.capitalize() for word in re.findall(r"\w+", HTTPStatus(status).phrase))


def _error(status: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "description": _ERRORS[status],
        "content": {_JSON: {"schema": {"$ref": "#/components/schemas/ErrorBody"}}},
    }
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        found["headers"] = {"Retry-After": {"schema": {"type": "integer", "minimum": 0}}}
    return found
