"""The running API held to infra/openapi.json: schemathesis asks every route, and every answer must fit.

It asks for whatever the description allows and for some of what it forbids, so orders are placed,
settings changed and trading halted: these tests come after all others of the cloud.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from laptop import owner
from laptop.layout import REPOSITORY
from laptop.processes import LOOPBACK
from laptop.stack import LaptopCloud
from tests.integration.reading import PATIENCE_SECONDS

DOCUMENT: Final[dict[str, Any]] = json.loads((REPOSITORY / "infra" / "openapi.json").read_text())
SCHEMA: Final = schemathesis.openapi.from_dict(DOCUMENT)
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# Reads first, so that they are asked of books that nobody has upset.
ROUTES: Final = sorted(
    ((method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods),
    key=lambda route: (route[0] != "GET", route[1], route[0]),
)
SYMBOL: Final = "GOOG"  # traded by the time the cloud is handed over
LISTS: Final = {
    "/api/orders/{id}": ("/api/orders", "client_order_id"),
    "/api/runs/{id}": ("/api/runs", "id"),
    "/api/backtests/{id}": ("/api/backtests", "id"),
    "/api/historical/ingest/{id}": ("/api/historical/ingest", "id"),
    "/api/config/versions/{version}": ("/api/config/history", "version"),
    "/api/config/watchlists/{name}": ("/api/config/watchlists", "name"),
}


class Gateway:
    """The gateway's port, asked as the owner."""

    def __init__(self, port: int, token: str) -> None:
        self.url = f"http://{LOOPBACK}:{port}"
        self._session = requests.Session()
        self._session.trust_env = False
        self._headers = {"Authorization": f"Bearer {token}"}

    def ask(self, case: Any) -> int:
        """Asks, holds the answer to the description and gives its status."""
        answer = case.call(
            base_url=self.url, session=self._session, headers=self._headers, timeout=PATIENCE_SECONDS
        )
        case.validate_response(answer, checks=CHECKS)
        return int(answer.status_code)

    def known(self, path: str) -> dict[str, str]:
        """What is there to stand for the names in a path."""
        if "{symbol}" in path:
            return {"symbol": SYMBOL}
        listed, name = LISTS.get(path, ("", ""))
        if not listed:
            return {}
        found = self._session.get(
            f"{self.url}{listed}", headers=self._headers, timeout=PATIENCE_SECONDS
        ).json()["items"]
        return {path.rpartition("{")[2].rstrip("}"): str(found[0][name])} if found else {}


@pytest.fixture(scope="module")
def gateway(cloud: LaptopCloud, ports: Mapping[str, int]) -> Gateway:
    """The gateway's port."""
    return Gateway(ports["gateway"], owner.access_token(cloud))


@pytest.mark.parametrize("path", [path for method, path in ROUTES if method == "GET"])
def test_what_is_there_is_answered_as_described(gateway: Gateway, path: str) -> None:
    """A read of something that there is fits its schema, not only a refusal does."""
    known = gateway.known(path)
    if "{" in path and not known:
        pytest.skip("there is none yet")
    case = SCHEMA[path]["GET"].Case(path_parameters=known)
    assert gateway.ask(case) in {200, 404}


@pytest.mark.parametrize("examples", [5, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_no_request_is_answered_otherwise_than_described(
    gateway: Gateway, method: str, path: str, examples: int
) -> None:
    """No 5xx, no status and no media type that is not described, every body valid."""
    operation, known = SCHEMA[path][method], gateway.known(path)
    kinds = [operation.as_strategy(GenerationMode.POSITIVE)]
    if operation.body or operation.query or operation.headers:
        kinds.append(operation.as_strategy(GenerationMode.NEGATIVE))

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(kinds), named=st.booleans())
    def asked(case: Any, named: bool) -> None:
        if named and known:
            case.path_parameters = dict(known)
        gateway.ask(case)

    asked()
