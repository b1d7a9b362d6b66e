"""No call that leaves a function waits for ever: each client has its time-outs and its number of tries."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re

import pytest
from pynamodb.models import Model

import alpaquero.store
from alpaquero import aws
from laptop.layout import REPOSITORY

PATIENCE = (aws.CONNECT_SECONDS, aws.READ_SECONDS, aws.TRIES)
CODE = [*REPOSITORY.glob("functions/*/*.py"), *REPOSITORY.glob("layers/alpaquero/python/alpaquero/**/*.py")]
SERVICES = sorted(
    {name for file in CODE for name in re.findall(r'aws\.client\("([\w-]+)"', file.read_text())}
)
MAKES_CLIENTS = {"aws.py"}
GATEWAY_SECONDS = 29


def every_model() -> list[type[Model]]:
    """The models of all tables, those of every store module."""
    for module in pkgutil.iter_modules(alpaquero.store.__path__):
        importlib.import_module(f"alpaquero.store.{module.name}")
    below, found = list(Model.__subclasses__()), []
    while below:
        model = below.pop()
        below += model.__subclasses__()
        found += [model] if model.__module__.startswith("alpaquero.") and hasattr(model, "Meta") else []
    return found


def test_all_tries_end_before_the_gateway_gives_up() -> None:
    """A caller hears from the function what is down, not from the gateway that nobody answered."""
    assert (aws.CONNECT_SECONDS + aws.READ_SECONDS) * aws.TRIES <= GATEWAY_SECONDS + 1
    assert aws.READ_SECONDS * aws.TRIES < GATEWAY_SECONDS


@pytest.mark.parametrize("service", SERVICES)
def test_a_client_gives_up(service: str) -> None:
    """Every service that the code names gets a client with bounded tries and time-outs."""
    config = aws.client(service, region_name="us-east-1", endpoint_url="http://127.0.0.1:9").meta.config
    assert (config.connect_timeout, config.read_timeout, config.retries["total_max_attempts"]) == PATIENCE


def test_a_table_gives_up() -> None:
    """No model waits longer than any other client; some wait less."""
    models = every_model()
    assert len(models) > 5
    for model in models:
        meta = model.Meta
        assert meta.connect_timeout_seconds <= aws.CONNECT_SECONDS, model
        assert meta.read_timeout_seconds <= aws.READ_SECONDS, model
        assert meta.max_retry_attempts < aws.TRIES, model


def test_clients_are_made_in_one_place() -> None:
    """A client made elsewhere would wait a minute and try as often as botocore likes."""
    makers = {
        file.name
        for file in CODE
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"create_client", "Session", "get_session"}
        if isinstance(node.value, ast.Name) and node.value.id in {"boto3", "botocore", "session"}
    }
    assert makers <= MAKES_CLIENTS


def test_every_address_is_opened_with_a_time_out() -> None:
    """`urlopen` without one waits as long as the other side likes."""
    calls = [
        (file.name, {word.arg for word in node.keywords})
        for file in CODE
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "urlopen"
    ]
    assert calls
    assert [name for name, words in calls if "timeout" not in words] == []
