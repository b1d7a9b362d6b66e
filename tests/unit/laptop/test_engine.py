"""Which engine a name stands for, and what each is told; no engine runs."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from laptop import credentials, owner
from laptop.engine import Engine, engine_class
from laptop.errors import LaptopError
from laptop.layout import StateFolder
from laptop.localstack import LocalStack
from laptop.stack import DEFAULT_PORTS, Child, StackRecord, chosen_ports

NOBODY = 2**22 + 1  # above the largest pid


def engine(kind: type[Engine], folder: Path) -> Engine:
    """An engine that was not started."""
    ports = {"engine": 4566, "issuer": 9300}
    keys = credentials.generate()
    return kind(folder / "engine", 4566, log=folder / "engine.log", credentials=keys, ports=ports)


def test_a_name_stands_for_an_engine() -> None:
    """Two are known; another name is refused with theirs."""
    assert engine_class("ministack") is Engine
    assert engine_class("localstack") is LocalStack
    with pytest.raises(LaptopError, match="ministack or localstack"):
        engine_class("moto")


def test_localstack_has_a_port_more() -> None:
    """The issuer's; the default engine needs none beside the design's."""
    assert set(chosen_ports("default", Engine.own_ports)) == set(DEFAULT_PORTS)
    assert chosen_ports("default", LocalStack.own_ports)["issuer"] == 9300
    assert set(chosen_ports("free", LocalStack.own_ports)) == {*DEFAULT_PORTS, "issuer"}


def test_each_tells_the_template_what_it_lacks(tmp_path: Path) -> None:
    """Only LocalStack names an issuer and does without a socket."""
    assert not {"LocalIssuer", "Socket"} & set(engine(Engine, tmp_path).parameters())
    told = engine(LocalStack, tmp_path).parameters()
    assert (told["LocalIssuer"], told["Socket"]) == ("http://127.0.0.1:9300", "DISABLED")


def test_cognitos_calls_go_to_the_issuer() -> None:
    """On LocalStack alone."""
    assert Engine.elsewhere(DEFAULT_PORTS) == {}
    assert LocalStack.elsewhere({"issuer": 9301}) == {"cognito-idp": "http://127.0.0.1:9301"}


def test_an_environment_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says which command makes it, and nothing was started."""
    monkeypatch.setattr("laptop.localstack.LOCALSTACK_PYTHON", tmp_path / "nowhere")
    started = engine(LocalStack, tmp_path)
    with pytest.raises(LaptopError, match="make run ENGINE=localstack"):
        started.start()
    assert started.processes() == {}


def test_a_record_of_before_is_the_default_engines(tmp_path: Path) -> None:
    """A stack.json that names no engine is read as it was meant."""
    gone = Child("supervisor", NOBODY, 1.0)
    path = tmp_path / "stack.json"
    StackRecord(dict(DEFAULT_PORTS), {}, {}, [gone], gone, 1.0, engine="localstack").keep(path)
    kept = json.loads(path.read_text())
    assert kept.pop("engine") == "localstack"
    path.write_text(json.dumps(kept))
    record = StackRecord.load(path)
    assert record is not None
    assert record.engine == "ministack"


def test_without_a_user_pool_the_owner_is_the_issuers(tmp_path: Path) -> None:
    """He is written into its file once, as admin."""

    keys = credentials.generate()
    stack = SimpleNamespace(outputs={}, state=StateFolder.at(tmp_path), credentials=keys)
    owner.ensure(stack)  # type: ignore[arg-type]
    owner.ensure(stack)  # type: ignore[arg-type]
    users = json.loads((tmp_path / "issuer.json").read_text())["users"]
    assert {name: user["groups"] for name, user in users.items()} == {keys.email: ["admin"]}
