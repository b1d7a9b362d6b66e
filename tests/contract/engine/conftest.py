"""A bare engine with the small stack of `stack/` deployed and nothing repaired, one for the module."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from laptop import credentials, deploy, processes
from laptop.engine import Engine, Sessions
from laptop.layout import StateFolder

HERE = Path(__file__).parent / "stack"
STACK = "contract"


def zipped(folder: Path, into: Path) -> Path:
    """The folder's Python files as a zip."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for path in sorted(folder.rglob("*.py")):
            archive.write(path, path.relative_to(folder))
    into.write_bytes(held.getvalue())
    return into


class Bare:
    """The engine, its stack as the deploy left it, and short ways to ask it."""

    def __init__(self, folder: Path) -> None:
        self.state = StateFolder.at(folder)
        self.keys = credentials.load_or_generate(self.state.credentials_file)
        port = processes.free_ports(1)[0]
        log = self.state.logs / "engine.log"
        self.engine = Engine(self.state.engine, port, log=log, credentials=self.keys)
        self.artifacts = {
            "functions/probe": zipped(HERE / "functions" / "probe", folder / "probe.zip"),
            "layer": zipped(HERE / "layer", folder / "layer.zip"),
        }
        self.template = HERE / "template.yaml"

    def start(self) -> None:
        """Start the engine and deploy."""
        self.engine.start()
        self.keys = self.engine.user()
        self.sessions = Sessions(self.engine.endpoint, self.keys.key_id, self.keys.secret_key)
        self.deployed = deploy.deploy(
            self.sessions, self.template, stack=STACK, artifacts=self.artifacts, parameters={}
        )

    def restart(self) -> None:
        """Stop the engine, if it runs, so that it saves its state, and start it again."""
        self.engine.stop()
        self.engine.start()

    def client(self, service: str) -> Any:
        """A client of the laptop's user."""
        return self.sessions.client(service)

    def id(self, logical: str) -> str:
        """A resource's physical id."""
        return self.deployed.resources[logical]

    def invoke(self, logical: str, event: object) -> Any:
        """A function's answer."""
        reply = self.client("lambda").invoke(
            FunctionName=self.id(logical), Payload=json.dumps(event).encode()
        )
        return json.loads(reply["Payload"].read() or b"null")

    def note(self, key: str) -> Any:
        """What a handler noted under a key, or None."""
        found = self.client("dynamodb").get_item(TableName=self.id("Notes"), Key={"pk": {"S": key}})
        return json.loads(found["Item"]["body"]["S"]) if "Item" in found else None

    def release(self, body: str) -> None:
        """Lets the function that works on a message end."""
        note = {"pk": {"S": f"release {body}"}, "body": {"S": "1"}}
        self.client("dynamodb").put_item(TableName=self.id("Notes"), Item=note)

    def counts(self, queue: str) -> tuple[int, int]:
        """A queue's visible messages and those in work."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client("sqs").get_queue_attributes(QueueUrl=self.id(queue), AttributeNames=names)
        return int(found["Attributes"][names[0]]), int(found["Attributes"][names[1]])


@pytest.fixture(scope="package")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bare]:
    """The engine with the stack as the deploy left it."""
    bare = Bare(tmp_path_factory.mktemp("engine"))
    try:
        bare.start()
        yield bare
    finally:
        bare.engine.stop()
