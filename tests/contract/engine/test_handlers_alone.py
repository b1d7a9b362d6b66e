"""Each handler imports with the standard library and its own layers alone.

The engine lets a function see the packages of its own environment, so a package that a layer lacks
would be missed only on AWS.
"""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from laptop.build import build
from laptop.layout import ENGINE_PYTHON, TEMPLATE


class Tolerant(yaml.SafeLoader):
    """The template with its references as their names."""


Tolerant.add_multi_constructor("!", lambda _loader, _suffix, node: node.value)

DOCUMENT = yaml.load(TEMPLATE.read_text(), Tolerant)  # noqa: S506 -- a safe loader
RESOURCES: dict[str, Any] = DOCUMENT["Resources"]
PARAMETERS: dict[str, dict[str, Any]] = DOCUMENT["Parameters"]
SOMEWHERE = "http://127.0.0.1:9/queue"
GLOBALS: dict[str, Any] = DOCUMENT["Globals"]["Function"]
FUNCTIONS = sorted(name for name, r in RESOURCES.items() if r["Type"] == "AWS::Serverless::Function")
LAYERS = {
    name: "layers/" + r["Properties"]["ContentUri"].rstrip("/").split("/")[-1]
    for name, r in RESOURCES.items()
    if r["Type"] == "AWS::Serverless::LayerVersion"
}
PROGRAM = """
import importlib, sys
folder, module, *layers = sys.argv[1:]
sys.path[:0] = [folder, *layers]
importlib.import_module(module)
files = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
outside = [file for file in files if "site-packages" in file]
sys.exit(f"loaded from outside its layers: {outside[:3]}" if outside else 0)
"""


def environment(properties: dict[str, Any]) -> dict[str, str]:
    """The function's variables: those of the tests' function, else their parameter's default."""
    wanted = GLOBALS["Environment"]["Variables"] | properties.get("Environment", {}).get("Variables", {})
    given = {
        name: os.environ.get(name) or str(PARAMETERS.get(str(refers_to), {}).get("Default") or SOMEWHERE)
        for name, refers_to in wanted.items()
    }
    given["LOG_LEVEL"] = "INFO"
    return given | {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "PATH": os.environ["PATH"]}


def imported(name: str, folder: Path) -> str:
    """What importing a function's module said on stderr; empty when all is well."""
    properties = RESOURCES[name]["Properties"]
    references = [*GLOBALS["Layers"], *properties.get("Layers", [])]
    layers = [str((folder / LAYERS[layer] / "python").resolve()) for layer in references]
    module = properties["Handler"].rpartition(".")[0]
    code = str((folder / properties["CodeUri"].rstrip("/")).resolve())
    done = subprocess.run(
        [str(ENGINE_PYTHON), "-S", "-E", "-c", PROGRAM, code, module, *layers],
        capture_output=True,
        text=True,
        check=False,
        env=environment(properties),
        cwd=folder,
    )
    return done.stderr if done.returncode else ""


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    """What each function's import said, two at a time."""
    folder = build("local").folder
    with ThreadPoolExecutor(max_workers=2) as pool:
        return dict(zip(FUNCTIONS, pool.map(lambda name: imported(name, folder), FUNCTIONS), strict=True))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_handler_needs_its_own_layers_alone(said: dict[str, str], name: str) -> None:
    """The function's module imports, and nothing it loads comes from elsewhere."""
    assert said[name] == ""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_layer_is_named_twice(name: str) -> None:
    """SAM adds a function's layers to the global ones, and Lambda refuses one twice."""
    references = [*GLOBALS["Layers"], *RESOURCES[name]["Properties"].get("Layers", [])]
    assert len(references) == len(set(references))
