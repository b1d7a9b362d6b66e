"""Every route asked by every kind of caller, as docs/security.md says: who gets in, and who does not.

Requests change nothing where they are let in: bodies and parameters are wrong, or what they name is
not there. Only a sync and a rebuild are really asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import httpx
import pytest

from alpaquero.web.principal import ROLES
from laptop.engine import api_host
from laptop.quiescence import Quiescence
from laptop.stack import LaptopCloud, Stack
from tests.contract.template import security_doc
from tests.contract.template.security_doc import PUBLIC, SERVICES, Route
from tests.integration import strangers
from tests.integration.reading import PATIENCE_SECONDS
from tests.integration.strangers import Keys

AT_ONCE: Final = 6
# No route takes an array, so that whoever is let in is told that his body is wrong.
WRONG_BODY: Final = b"[]"
PLACEHOLDER: Final = re.compile(r"\{\w+\}")
QUERY: Final = {"DELETE /api/orders": "?protection=perhaps", "DELETE /trading/orders": "?protection=perhaps"}
# What is no signature at all is a request that API Gateway cannot read, and tells with 403.
CODES: Final = {401: {"unauthorized"}, 403: {"forbidden", "bad_request"}}
# The engine tells an IAM policy's refusal in its own words (hole 26); AWS gives ACCESS_DENIED's response.
IAM_DENIES: Final = "AccessDeniedException"
# Without a session to renew the function itself answers 401.
ANSWERS_401: Final = "/api/auth/refresh"


@dataclass(frozen=True)
class Answer:
    """What came back; `inside` when a function made it, not the gateway."""

    status: int
    code: str
    inside: bool

    @property
    def is_in(self) -> bool:
        """Whether the caller was let in."""
        return self.inside and self.status not in {401, 403}


@dataclass(frozen=True)
class Door:
    """One of the two APIs, asked at the engine under the host that signatures are made for."""

    stack: Stack
    api: str
    client: httpx.Client

    def knock(self, route: Route, headers: Mapping[str, str], keys: Keys | None = None) -> Answer:
        """Asks a route."""
        method, template = route
        path = (
            template.replace("{symbol}", "GOOG").replace("{id}", "nobody").replace("{", "").replace("}", "")
        )
        path += QUERY.get(f"{method} {template}", "")
        body = b"" if method in {"GET", "DELETE"} else WRONG_BODY
        sent = {"Host": api_host(self.stack.outputs[self.api], self.stack.ports["engine"]), **headers}
        if keys is not None:
            sent |= strangers.signature(self.stack, keys, self.api, (method, path, body))
        if body:
            sent["Content-Type"] = "application/json"
        answer = self.client.request(method, f"{self.stack.endpoint}/v1{path}", content=body, headers=sent)
        inside = "x-correlation-id" in answer.headers
        said = answer.json() if answer.is_error else {}
        if said.get("__type") == IAM_DENIES:
            return Answer(answer.status_code, "forbidden", inside)
        error = said.get("error", {})
        if answer.is_error:
            assert set(error) == {"code", "message", "details", "correlation_id"}, (route, answer.text)
        return Answer(answer.status_code, error.get("code", ""), inside)


def _expected(cell: str, least: str, caller: str) -> str:
    """`in`, `401` or `403` of a cell of the table of callers, at a route for `least`."""
    if cell != "role":
        return cell
    return "in" if ROLES.index(caller) >= ROLES.index(least) else "403"


def _fault(route: Route, expected: str, answer: Answer) -> str | None:
    """What is wrong with an answer, or None."""
    if expected == "in":
        fine = answer.is_in or (answer.inside and route[1] == ANSWERS_401)
    else:
        fine = answer.status == int(expected) and answer.code in CODES[int(expected)]
    return None if fine and answer.status < 500 else f"{route}: {expected} expected, got {answer}"


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """Connections for all that knock."""
    with httpx.Client(timeout=PATIENCE_SECONDS, trust_env=False) as one:
        yield one


@dataclass(frozen=True)
class Strangers:
    """What each kind of caller brings: a token, or keys to sign with."""

    tokens: dict[str, str | None]
    keys: dict[str, Keys]


@pytest.fixture(scope="module")
def callers(cloud: LaptopCloud) -> Iterator[Strangers]:
    """A caller of each kind."""
    with strangers.programs(cloud) as keys:
        yield Strangers(strangers.tokens_of(cloud), keys)


TABLE = security_doc.answers()


@pytest.mark.parametrize("caller", TABLE)
def test_every_route_answers_as_the_table_says(
    cloud: LaptopCloud,
    client: httpx.Client,
    callers: Strangers,
    quiet: Quiescence,
    caller: str,
) -> None:
    """A caller is let in at exactly the routes that docs/security.md names for him."""
    open_to_all, other, service = TABLE[caller]
    token, keys = callers.tokens.get(caller), callers.keys.get(caller)
    headers = {"Authorization": f"Bearer {token}"} if token else {}

    def public(route: Route, least: str) -> str | None:
        expected = open_to_all if least == "anyone" else _expected(other, least, caller)
        return _fault(route, expected, Door(cloud, "PublicApi", client).knock(route, headers, keys))

    def services(route: Route, _: str) -> str | None:
        return _fault(route, service, Door(cloud, "ServicesApi", client).knock(route, headers, keys))

    with ThreadPoolExecutor(AT_ONCE) as threads:
        asked = [threads.submit(public, *row) for row in security_doc.routes(PUBLIC).items()]
        asked += [threads.submit(services, *row) for row in security_doc.routes(SERVICES).items()]
        faults = [fault for one in asked if (fault := one.result())]
    quiet.wait()
    assert not faults, "\n".join(faults)


def test_every_kind_of_caller_is_asked(callers: Strangers) -> None:
    """A row of the table that nobody stands for would be asked without a token."""
    assert set(TABLE) == set(callers.tokens) | set(callers.keys)


def test_another_account_stays_outside(cloud: LaptopCloud, client: httpx.Client) -> None:
    """Whoever signs as another account never reaches a function of ours; to the engine he has no such API."""
    door = httpx.Headers({"Host": api_host(cloud.outputs["ServicesApi"], cloud.ports["engine"])})
    for method, path in [("GET", "/position/positions"), ("GET", "/configuration/health")]:
        signed = strangers.signature(cloud, strangers.ANOTHER_ACCOUNT, "ServicesApi", (method, path, b""))
        answer = client.request(method, f"{cloud.endpoint}/v1{path}", headers={**door, **signed})
        assert (answer.status_code in {403, 404}, "x-correlation-id" in answer.headers) == (True, False)


def test_the_services_admit_this_account_alone(cloud: LaptopCloud) -> None:
    """The resource policy in force denies whoever is not of this account."""
    policy = cloud.client("apigateway").get_rest_api(restApiId=cloud.outputs["ServicesApi"])["policy"]
    [statement] = json.loads(json.loads(f'"{policy}"'))["Statement"]
    account = cloud.client("sts").get_caller_identity()["Account"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Condition"] == {"StringNotEquals": {"aws:PrincipalAccount": account}}
