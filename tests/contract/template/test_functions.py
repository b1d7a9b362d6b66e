"""What the template promises about its functions, held against the code."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from laptop.build import build
from laptop.layout import BUILD, ENGINE_PYTHON, REPOSITORY
from laptop.template import defaulted, functions, routes, template
from tests.conftest import FUNCTION, TABLES

LAYERS = {
    name: str(resource["Properties"]["ContentUri"]).removeprefix("layers/").rstrip("/")
    for name, resource in template()["Resources"].items()
    if resource["Type"] == "AWS::Serverless::LayerVersion"
}
STORES = "layers/alpaquero/python/alpaquero/store"
API_FUNCTIONS = sorted(name for name, given in functions().items() if given["Handler"] == "api.app")

# Imports one handler with the standard library, its layers and its own folder, and tells what it loaded.
PROBE = """
import importlib, json, sys
places, module = json.loads(sys.argv[1])
sys.path[:] = [p for p in sys.path if "site-packages" not in p and p] + places
loaded = importlib.import_module(module)
served = getattr(getattr(loaded, "app", None), "routes", {})
routes = {path: sorted(methods) for path, methods in served.items()}
print(json.dumps({"modules": sorted(sys.modules), "routes": routes}))
"""


@pytest.fixture(scope="module")
def layers() -> Path:
    """The local build of the layers."""
    build("local")
    return BUILD / "local" / "layers"


def imported(name: str, layers: Path) -> dict[str, list[str] | dict[str, list[str]]]:
    """What importing the function's handler loads, in a process of its own."""
    given = functions()[name]
    own = [*template()["Globals"]["Function"]["Layers"], *given.get("Layers", [])]
    places = [str(layers / LAYERS[layer["Ref"]] / "python") for layer in own]
    places.append(str(REPOSITORY / given["CodeUri"]))
    variables = {**FUNCTION, **TABLES, **dict.fromkeys(QUEUES, "https://queue.example")}
    done = subprocess.run(
        [ENGINE_PYTHON, "-I", "-S", "-c", PROBE, json.dumps([places, given["Handler"].split(".")[0]])],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


QUEUES = ("SHARD_QUEUE", "CONCLUDE_QUEUE", "ORDER_QUEUE", "SYNC_QUEUE", "FEED_QUEUE", "PUSH_QUEUE")


@pytest.mark.parametrize("name", sorted(functions()))
def test_handler_imports_with_its_layers_alone(name: str, layers: Path) -> None:
    """A handler needs nothing but the standard library and its own layers, and never loads pandas.

    An API's leaves the broker's client for the first request that asks the broker.
    """
    loaded = imported(name, layers)["modules"]
    later = {"alpaca", "requests"} if name in API_FUNCTIONS else set()
    assert {"pandas", "numpy", "aws_xray_sdk", *later}.isdisjoint(loaded)


@pytest.mark.parametrize("name", API_FUNCTIONS)
def test_api_routes_are_those_of_the_template(name: str, layers: Path) -> None:
    """Every route of the template is a route of the Chalice app of its function, and the other way round."""
    found = imported(name, layers)["routes"]
    assert isinstance(found, dict)
    served = {(method, path) for path, methods in found.items() for method in methods if method != "OPTIONS"}
    promised = {
        (method, path)
        for api in ("PublicApi", "ServicesApi")
        for function, method, path in routes(api)
        if function == name
    }
    assert promised == served


def test_only_execute_and_sync_may_read_the_trading_secret() -> None:
    """No other function's policies name the secret with the keys that trade."""
    readers = {
        name
        for name, given in functions().items()
        if "TradingSecret" in json.dumps(given.get("Policies", []))
    }
    assert readers == {"TradingExecute", "TradingSync"}


def test_every_queue_has_a_dead_letter_queue() -> None:
    """A message that keeps failing is kept for two weeks where someone can see it."""
    resources = template()["Resources"]
    queues = {n: r["Properties"] for n, r in resources.items() if r["Type"] == "AWS::SQS::Queue"}
    for name, given in queues.items():
        if name.endswith("DeadLetters"):
            assert given["MessageRetentionPeriod"] == 14 * 86_400
        else:
            target = given["RedrivePolicy"]["deadLetterTargetArn"]
            assert target == {"Fn::GetAtt": f"{name}DeadLetters.Arn"}


def test_every_consumer_reports_partial_batch_failures() -> None:
    """One bad message of a batch does not bring the good ones back."""
    for name, given in functions().items():
        for event in given.get("Events", {}).values():
            if event["Type"] in {"SQS", "DynamoDB"}:
                assert event["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name


def test_an_api_function_ends_before_the_gateway_gives_up() -> None:
    """API Gateway waits 29 seconds at most, whatever the parameter is set to; no worker's time-out is one."""
    most = template()["Parameters"]["ApiTimeout"]["MaxValue"]
    assert most <= 29
    for name in API_FUNCTIONS:
        assert functions()[name]["Timeout"] == {"Ref": "ApiTimeout"}, name
        assert functions()[name]["MemorySize"] == {"Ref": "ApiMemory"}, name


def test_every_function_has_memory_to_spare() -> None:
    """The most a function was seen to use, 78 MB without pandas, fits the least memory three times."""
    shared = template()["Globals"]["Function"]["MemorySize"]
    for name, given in functions().items():
        assert defaulted(given.get("MemorySize", shared)) >= 3 * 78, name


def test_queues_stay_invisible_longer_than_their_consumer_runs() -> None:
    """A message does not come again while it is still worked on (AWS asks for six times the timeout)."""
    resources, default = template()["Resources"], template()["Globals"]["Function"]["Timeout"]
    for name, given in functions().items():
        for event in given.get("Events", {}).values():
            if event["Type"] == "SQS":
                queue = event["Properties"]["Queue"]["Fn::GetAtt"].removesuffix(".Arn")
                visible = resources[queue]["Properties"]["VisibilityTimeout"]
                assert visible >= 6 * given.get("Timeout", default), name


@pytest.mark.parametrize("variable", ["RUNS_KEPT_DAYS", "NOTIFICATIONS_KEPT_DAYS", "HEALTH_KEPT_DAYS"])
def test_rows_are_kept_as_long_as_the_parameters_say(variable: str) -> None:
    """Each function gets the days of its parameter, whose default is that of the stores."""
    given = template()["Globals"]["Function"]["Environment"]["Variables"][variable]
    stores = "".join(path.read_text() for path in (REPOSITORY / STORES).glob("*.py"))
    told = set(re.findall(rf'kept_seconds\("{variable}", (\d+)\)', stores))
    assert told == {str(template()["Parameters"][given["Ref"]]["Default"])}
