"""The running API held to infra/openapi.json: schemathesis asks every route, and every answer must fit.

It asks for whatever the description allows and for some of what it forbids, so orders are placed,
settings changed and trading halted: these tests come after all others of the cloud.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
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
from tests.waiting import PATIENCE_SECONDS, wait_for

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
    "/api/config/versions/{version}": ("/api/config/history", "version"),
    "/api/config/watchlists/{name}": ("/api/config/watchlists", "name"),
}


# Jobs that are begun before the first read, by the path that has their ids below it.
DATES: Final = {"start": "2012-04-09", "end": "2012-04-16"}
JOBS: Final[dict[str, Any]] = {
    "/api/backtests": {"symbols": [SYMBOL], **DATES},
    "/api/analytics/exports": {"kind": "fills", "format": "csv"},
    "/api/historical/ingest": {"symbols": [SYMBOL], "adjustment": "raw", **DATES},
}


class Gateway:
    """The gateway's port, asked as the owner."""

    def __init__(self, port: int, token: str) -> None:
        self.url = f"http://{LOOPBACK}:{port}"
        self._session = requests.Session()
        self._session.trust_env = False
        self._headers = {"Authorization": f"Bearer {token}"}

    def begin_jobs(self) -> None:
        """Has one job of each kind done, whose ids stand in paths from then on."""
        self._jobs = {path: self._json("POST", path, body)["id"] for path, body in JOBS.items()}
        for path, identifier in self._jobs.items():
            wait_for(partial(self._is_done, f"{path}/{identifier}"), what=f"{path}/{identifier} to be done")

    def _is_done(self, path: str) -> bool:
        job = self._json("GET", path)
        return "done" in {job.get("status"), job.get("state")}

    def _json(self, method: str, path: str, body: Any = None) -> Any:
        headers = {**self._headers, "Idempotency-Key": "described"}
        answer = self._session.request(
            method, f"{self.url}{path}", json=body, headers=headers, timeout=PATIENCE_SECONDS
        )
        answer.raise_for_status()
        return answer.json()

    def ask(self, case: Any) -> int:
        """Asks, holds the answer to the description and gives its status."""
        answer = case.call(
            base_url=self.url, session=self._session, headers=self._headers, timeout=PATIENCE_SECONDS
        )
        case.validate_response(answer, checks=CHECKS)
        return int(answer.status_code)

    def known(self, path: str) -> dict[str, str]:
        """What is there to stand for the names in a path."""
        above, braces, _ = path.partition("/{")
        if not braces:
            return {}
        if "{symbol}" in path:
            return {"symbol": SYMBOL}
        if above in JOBS:
            return {"id": self._jobs[above]}
        listed, name = LISTS.get(path, ("", ""))
        if not listed:
            return {}
        found = self._json("GET", listed)["items"]
        return {path.rpartition("{")[2].rstrip("}"): str(found[0][name])} if found else {}


@pytest.fixture(scope="module")
def gateway(cloud: LaptopCloud, ports: Mapping[str, int]) -> Gateway:
    """The gateway's port, with something behind each path that has a name in it."""
    made = Gateway(ports["gateway"], owner.access_token(cloud))
    made.begin_jobs()
    return made


@pytest.mark.parametrize("path", [path for method, path in ROUTES if method == "GET"])
def test_what_is_there_is_answered_as_described(gateway: Gateway, path: str) -> None:
    """A read of something that there is fits its schema, not only a refusal does."""
    known = gateway.known(path)
    assert ("{" in path) == bool(known), f"nothing is there to stand for the name in {path}"
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
