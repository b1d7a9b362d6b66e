"""What API Gateway itself refuses: the models and required headers of template.yaml, from the description.

`python -m laptop.openapi` writes them; `make check` tells when they have drifted. API Gateway takes JSON
Schema draft 4 without references, so each model stands whole. The function's own reading stays the
truth: a model refuses no body that the function would take as described.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

Schema = dict[str, Any]

BEGIN: Final = (
    "      # Models: written by `python -m laptop.openapi`, as are RequestModel and RequestParameters.\n"
)
END: Final = "      # End of models.\n"
_BEFORE: Final = "      GatewayResponses:\n"
_KEPT: Final = frozenset(
    {
        "type",
        "enum",
        "pattern",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "required",
    }
)
_EVENT: Final = re.compile(
    r"^(?P<head> +\w+: \{Type: Api, Properties: \{RestApiId: !Ref PublicApi, Path: '(?P<path>[^']+)', "
    r"Method: (?P<method>\w+))(?P<model>, RequestModel: \{[^}]*\})?(?P<sent>, RequestParameters: \[[^]]*\])?"
    r"(?P<tail>.*)$",
    re.MULTILINE,
)


def models(document: Mapping[str, Any]) -> dict[str, Schema]:
    """The draft 4 schema of each body by the name of its struct."""
    components = document["components"]["schemas"]
    found = {}
    for operation in _operations(document):
        name = _body_of(operation)
        if name is not None:
            found[name] = _plain(components[name], components)
    return dict(sorted(found.items()))


def written(template: str, document: Mapping[str, Any]) -> str:
    """The template's text with models, and with what each route of the public API demands."""
    lines = [f"        {name}: {json.dumps(model)}\n" for name, model in models(document).items()]
    block = BEGIN + "      Models:\n" + "".join(lines) + END
    if BEGIN in template:
        before, _, rest = template.partition(BEGIN)
        template = before + block + rest.partition(END)[2]
    else:
        before, mark, rest = template.partition(_BEFORE)  # the public API is the first that has them
        template = before + block + mark + rest
    return _EVENT.sub(lambda event: _event(event, document), template)


def _event(event: re.Match[str], document: Mapping[str, Any]) -> str:
    operation = document["paths"].get(event["path"], {}).get(event["method"], {})
    name = _body_of(operation)
    text = event["head"]
    if name is not None:
        text += (
            f", RequestModel: {{Model: {name}, Required: true, ValidateBody: true, ValidateParameters: true}}"
        )
        sent = [
            f"method.request.header.{one['name']}: {{Required: true}}"
            for one in operation.get("parameters", ())
            if one["in"] == "header" and one["required"]
        ]
        if sent:
            text += f", RequestParameters: [{', '.join(sent)}]"
    return text + event["tail"]


def _operations(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for methods in document["paths"].values():
        yield from methods.values()


def _body_of(operation: Mapping[str, Any]) -> str | None:
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    return str(schema["$ref"].rpartition("/")[2]) if "$ref" in schema else None


def _plain(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Schema:
    """The schema in draft 4, without words and with references put in place."""
    if "$ref" in schema:
        return _plain(components[schema["$ref"].rpartition("/")[2]], components)
    plain: Schema = {key: value for key, value in schema.items() if key in _KEPT}
    if "anyOf" in schema:
        plain["anyOf"] = [_plain(one, components) for one in schema["anyOf"]]
    if "properties" in schema:
        plain["properties"] = {
            name: _plain(one, components) for name, one in sorted(schema["properties"].items())
        }
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            plain[key] = _plain(schema[key], components)
        elif key in schema:
            plain[key] = schema[key]
    return plain
