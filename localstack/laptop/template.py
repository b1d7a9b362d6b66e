"""Reads template.yaml as data, short tags and all; the tests of the wiring use it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from laptop.layout import TEMPLATE


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short tags: `!Ref X` gives `{"Ref": "X"}`, others `{"Fn::Tag": ...}`."""


def _tag(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    return {"Ref": value} if suffix == "Ref" else {f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _tag)


def read(path: Path) -> dict[str, Any]:
    """A template, such as those of infra/."""
    loaded: dict[str, Any] = yaml.load(path.read_text(), _Loader)  # noqa: S506 - a SafeLoader with tags
    return loaded


@lru_cache(maxsize=1)
def template() -> dict[str, Any]:
    """The whole of template.yaml."""
    return read(TEMPLATE)


def functions() -> dict[str, dict[str, Any]]:
    """The properties of every Lambda function, by logical id."""
    return {
        name: resource["Properties"]
        for name, resource in template()["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def defaulted(value: Any) -> Any:
    """A property as a deploy with the parameters' defaults has it."""
    referred = value.get("Ref") if isinstance(value, dict) else None
    return template()["Parameters"][referred]["Default"] if referred else value


def routes(api: str) -> list[tuple[str, str, str]]:
    """Every (function, METHOD, path) of one API, `PublicApi` or `ServicesApi`."""
    return [
        (name, event["Properties"]["Method"].upper(), event["Properties"]["Path"])
        for name, properties in functions().items()
        for event in properties.get("Events", {}).values()
        if event["Type"] == "Api" and event["Properties"]["RestApiId"] == {"Ref": api}
    ]
