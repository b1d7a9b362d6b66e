"""What a cold start of each function costs beyond the interpreter: its imports and its first client.

Each sample is a process of its own with the standard library, the function's layers and its folder, as
the engine and Lambda start it; what counts is the processor time from the first import on. The peer
imports botocore and makes a DynamoDB client, which no function can do without. All are run in turn, so
that they share what else the machine does. Compiled is the build as it is; not compiled is a copy of it
without its .pyc files, of which the standard library keeps its own in both. What a person waits for, the
API, has goals beside the peer; a worker's start is told.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any, Final

from laptop.build import build
from laptop.layout import ENGINE_PYTHON
from laptop.template import functions, routes, template
from tests.benchmarks.rows import Goal, Row

SAMPLES: Final = 15
SAMPLES_UNCOMPILED: Final = 3
SAMPLES_OF_WORKERS: Final = 5
READ_RATIO, WRITE_RATIO, COMPILED_RATIO = 1.25, 1.4, 0.5
PEER: Final = "botocore and a DynamoDB client"
UNWANTED: Final = ("pandas", "numpy", "alpaca", "aws_xray_sdk")
CLIENT: Final = "import botocore.session; botocore.session.get_session().create_client('dynamodb')"
OURS: Final = """
import importlib
importlib.import_module({module!r})
from alpaquero import aws
aws.session().create_client("dynamodb")
"""
PROGRAM: Final = """
import json, sys, time
sys.path[:] = [p for p in sys.path if p and "site-packages" not in p] + json.loads(sys.argv[1])
began = time.process_time()
exec(sys.argv[2])
took = time.process_time() - began
print(json.dumps({"seconds": took, "modules": [name for name in sys.modules if "." not in name]}))
"""
_LAYERS: Final = {
    name: str(resource["Properties"]["ContentUri"]).removeprefix("build/aws/").rstrip("/")
    for name, resource in template()["Resources"].items()
    if resource["Type"] == "AWS::Serverless::LayerVersion"
}


def measure() -> Iterator[Row]:
    """The rows of this part."""
    built = build("local").folder
    apis = sorted(name for name, given in functions().items() if given["Handler"] == "api.app")
    workers = sorted(functions().keys() - set(apis))
    with tempfile.TemporaryDirectory(prefix="alpaquero-bench-") as folder:
        sources = Path(folder)
        for part in ("layers", "functions"):
            for path in (built / part).iterdir():
                shutil.copytree(
                    path.resolve(), sources / part / path.name, ignore=shutil.ignore_patterns("*.pyc")
                )
        compiled = _sampled(apis, built, SAMPLES)
        of_workers = _sampled(workers, built, SAMPLES_OF_WORKERS)
        plain = _sampled([*apis, *workers], sources, SAMPLES_UNCOMPILED)
    writers = {name for name, method, _ in routes("PublicApi") if method != "GET"}
    for name in apis:
        goal = Goal(at_most=WRITE_RATIO if name in writers else READ_RATIO, of_ratio=True)
        yield Row(f"cold {name}", compiled[name] * 1000, "ms", PEER, compiled[PEER] * 1000, goal)
    for name in workers:
        yield Row(f"cold {name}", of_workers[name] * 1000, "ms", PEER, of_workers[PEER] * 1000)
    for name, seconds in {**of_workers, **compiled}.items():
        if name != PEER:
            goal = Goal(at_most=COMPILED_RATIO, of_ratio=True)
            yield Row(
                f"cold {name}, compiled", seconds * 1000, "ms", "not compiled", plain[name] * 1000, goal
            )


def _sampled(names: list[str], folder: Path, samples: int) -> Mapping[str, float]:
    """The median seconds of each function and of the peer, from samples taken in turn."""
    took: dict[str, list[float]] = defaultdict(list)
    for _ in range(samples):
        for name in (PEER, *names):
            took[name].append(_seconds(name, folder))
    return {name: median(some) for name, some in took.items()}


def _seconds(name: str, folder: Path) -> float:
    """Processor seconds of one start. Raises `RuntimeError` when it fails or loads what it must not."""
    given = functions().get(name, {"CodeUri": "functions/gateway/", "Handler": ""})
    own = [*template()["Globals"]["Function"]["Layers"], *given.get("Layers", [])]
    places = [str((folder / _LAYERS[layer["Ref"]]).resolve() / "python") for layer in own]
    places.append(str((folder / given["CodeUri"].rstrip("/")).resolve()))
    module = given["Handler"].rpartition(".")[0]
    code = OURS.format(module=module) if module else CLIENT
    done = subprocess.run(
        [ENGINE_PYTHON, "-I", "-S", "-B", "-c", PROGRAM, json.dumps(places), code],
        env=_environment(given),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{name} does not start: {done.stderr[-500:]}")
    told = json.loads(done.stdout)
    loaded = set(UNWANTED).intersection(told["modules"])
    if loaded and module == "api":
        raise RuntimeError(f"{name} loads {', '.join(sorted(loaded))}")
    return float(told["seconds"])


def _environment(given: Mapping[str, Any]) -> dict[str, str]:
    """What the template gives the function, addresses and names made up."""
    shared = template()["Globals"]["Function"]["Environment"]["Variables"]
    variables = {**shared, **given.get("Environment", {}).get("Variables", {})}
    made_up = {name: _made_up(name, value) for name, value in variables.items()}
    made_up |= {"TOKEN_ISSUER": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_cold"}
    made_up["AWS_LAMBDA_FUNCTION_NAME"] = "cold"  # by which Lambda's functions know where they are
    return made_up | {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}


def _made_up(name: str, value: object) -> str:
    """The default of the parameter that a variable refers to, else something of its kind."""
    if isinstance(value, str):
        return value
    referred = value.get("Ref") if isinstance(value, dict) else None
    default = template()["Parameters"].get(referred, {}).get("Default")
    if default:
        return str(default)
    if name == "STACK_PARAMETERS":
        return "{}"
    return (
        '{"OrderQueue": "order-queue"}' if name in {"QUEUES", "DEAD_LETTER_QUEUES"} else "http://127.0.0.1:9"
    )
