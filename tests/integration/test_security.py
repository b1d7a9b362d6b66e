"""Every route asked by every kind of caller, as docs/security.md says: who gets in, and who does not.

Requests change nothing where they are let in: bodies and parameters are wrong, or what they name is
not there. Only a sync and a rebuild are really asked for.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import httpx
import pytest

from alpaquero.web.principal import ROLES
from alpaquero.web.user_limit import USERS_SHARE
from laptop.engine import api_host
from laptop.quiescence import Quiescence
from laptop.stack import LOG_GROUP, LaptopCloud, Stack
from tests.contract.template import security_doc
from tests.contract.template.security_doc import PUBLIC, SERVICES, Route
from tests.integration import strangers
from tests.integration.asking import Caller
from tests.integration.conftest import VIEWER
from tests.integration.dashboards import dashboard, ticket
from tests.integration.strangers import Keys
from tests.waiting import PATIENCE_SECONDS, wait_for

AT_ONCE: Final = 6
# No route takes such a field, so that whoever is let in is told that his body is wrong.
WRONG_BODY: Final = b'{"nobody takes this": 1}'
PLACEHOLDER: Final = re.compile(r"\{\w+\}")
QUERY: Final = {"DELETE /api/orders": "?protection=perhaps", "DELETE /trading/orders": "?protection=perhaps"}
# What is no signature at all is a request that API Gateway cannot read, and tells with 403.
CODES: Final = {401: {"unauthorized"}, 403: {"forbidden", "bad_request"}}
# Without a session to renew the function itself answers 401.
ANSWERS_401: Final = "/api/auth/refresh"
KEYS: Final = "'s key"  # behind its role, in the table of callers


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
            # The gateway asks for the key before any role is looked at.
            sent |= {"Content-Type": "application/json", "Idempotency-Key": "nobody"}
        answer = self.client.request(method, f"{self.stack.endpoint}/v1{path}", content=body, headers=sent)
        inside = "x-correlation-id" in answer.headers
        said = answer.json() if answer.is_error else {}
        error = said.get("error", {})
        if answer.is_error:
            assert set(error) == {"code", "message", "details", "correlation_id"}, (route, answer.text)
        return Answer(answer.status_code, error.get("code", ""), inside)


def _expected(cell: str, who: str, caller: str) -> str:
    """`in`, `401` or `403` of a cell of the table of callers, at a route for `who`."""
    if cell != "role":
        return cell
    if caller.endswith(KEYS) and who.endswith(security_doc.NO_KEY):
        return "403"
    role = ROLES.index(caller.removesuffix(KEYS))
    return "in" if role >= ROLES.index(security_doc.least_role(who)) else "403"


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
        yield Strangers(strangers.tokens_of(cloud) | strangers.program_keys_of(cloud), keys)


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

    def public(route: Route, who: str) -> str | None:
        expected = open_to_all if who == "anyone" else _expected(other, who, caller)
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


def test_sign_in_is_slowed_down(cloud: LaptopCloud, admin: Caller) -> None:
    """Who guesses passwords is told to wait, in our error shape; a moment later sign-in answers again."""
    nobody = admin.having(None)
    door, route = "/api/auth/sign-in", {"content-type": "application/json"}
    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(lambda _: nobody.ask("POST", door, body=[], headers=route), range(40)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {400, 429}
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    assert {answer.json()["error"]["code"] for answer in refused} == {"throttled"}
    wait_for(lambda: nobody.ask("POST", door, body=[]).status_code == 400, what="sign-in to answer again")


def test_who_asks_too_much_waits(cloud: LaptopCloud, viewer: Caller) -> None:
    """A user whose share other functions have used up is told when to go on, in our error shape."""
    number, seconds = int(time.time()) // USERS_SHARE.seconds, USERS_SHARE.seconds
    table = cloud.client("dynamodb")
    for later in range(30):
        taken = {"pk": {"S": VIEWER}, "sk": {"S": f"{seconds}#{number + later}"}}
        taken |= {"taken": {"N": str(USERS_SHARE.requests)}, "expires_at": {"N": str(int(time.time()) + 600)}}
        table.put_item(TableName=cloud.physical("RateLimits"), Item=taken)
    try:
        refused = wait_for(lambda: _refusal_of(viewer), what="a refusal", seconds=60)
    finally:
        for later in range(30):
            key = {"pk": {"S": VIEWER}, "sk": {"S": f"{seconds}#{number + later}"}}
            table.delete_item(TableName=cloud.physical("RateLimits"), Key=key)
    assert refused.json()["error"]["code"] == "throttled"
    assert 1 <= int(refused.headers["retry-after"]) <= seconds


def _refusal_of(caller: Caller) -> httpx.Response | None:
    """The first answer that is no 200, of as many as a function admits by itself, all at once."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        asked = threads.map(lambda _: caller.ask("GET", "/api/config/schema"), range(4 * USERS_SHARE.block))
        return next((answer for answer in asked if answer.status_code == 429), None)


@pytest.mark.parametrize("kilobytes", [70, 11 * 1024], ids=["ours", "the gateway's own"])
def test_a_large_body_is_refused(admin: Caller, kilobytes: int) -> None:
    """What no route takes is a 413 in our error shape, whether a function refuses it or the gateway."""
    answer = admin.ask("POST", "/api/risk/assess", body={"reason": "x" * kilobytes * 1024})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def _raise_event(cloud: LaptopCloud, identifier: str) -> None:
    detail = {"id": identifier, "occurred_at": "2012-04-16T20:00:00Z", "correlation_id": identifier}
    cloud.client("events").put_events(
        Entries=[
            {
                "EventBusName": cloud.outputs["Bus"],
                "Source": "alpaquero.test",
                "DetailType": "SettingsChanged",
                "Detail": json.dumps(detail),
            }
        ]
    )


def test_a_dashboard_that_was_away_gets_what_it_missed(
    cloud: LaptopCloud, admin: Caller, ports: dict[str, int]
) -> None:
    """Events pushed while the socket was closed come in one frame after the last event it saw."""
    with dashboard(ports["gateway"], ticket(admin)) as page:
        _raise_event(cloud, "away:seen")
        wait_for(lambda: page.find("away:seen"), what="an event")
    _raise_event(cloud, "away:missed")

    def resumed() -> list[str]:
        with dashboard(ports["gateway"], ticket(admin)) as page:
            page.connection.send(json.dumps({"action": "resume", "after": "away:seen"}))
            [answer] = wait_for(lambda: page.told("Resumed"), what="the answer")
            return [event["detail"]["id"] for event in answer["detail"]["events"]]

    wait_for(lambda: "away:missed" in resumed(), what="the missed event")


def _everything_logged(cloud: LaptopCloud) -> str:
    """What functions, engine, ports and exchange have logged so far."""
    pages = cloud.client("logs").get_paginator("filter_log_events").paginate(logGroupName=LOG_GROUP)
    lines = [event["message"] for page in pages for event in page["events"]]
    return "\n".join(lines + [file.read_text() for file in sorted(cloud.state.logs.glob("*.log"))])


def test_no_secret_is_in_any_log(cloud: LaptopCloud, admin: Caller, callers: Strangers) -> None:
    """Neither a token, a password, a cookie, a ticket nor a key that was used here stands in a log."""
    said_in = {"username": "knocking-viewer", "password": strangers.PASSWORD}

    def signed_in() -> httpx.Response | None:  # another test may have used up what sign-in allows
        answer = admin.having(None).ask("POST", "/api/auth/sign-in", body=said_in)
        return answer if answer.status_code == 200 else None

    session = wait_for(signed_in, what="a sign-in")
    refresh = session.headers["set-cookie"].split(";")[0].partition("=")[2]
    used = ticket(admin)
    with dashboard(cloud.ports["gateway"], used):
        pass
    admin.having(None).ask("POST", "/api/auth/refresh", headers={"Cookie": session.headers["set-cookie"]})
    kept = cloud.credentials
    secrets = {
        **{f"token of {name}": token.split(".")[-1] for name, token in callers.tokens.items() if token},
        "access token": session.json()["access_token"].split(".")[-1],
        "password": strangers.PASSWORD,
        "owner's password": kept.password,
        "refresh token": refresh,
        "ticket": used,
        "secret key": kept.secret_key,
        "exchange's secret": kept.exchange_secret,
        "exchange's admin token": kept.exchange_admin_token,
        "exchange's faults token": kept.exchange_faults_token,
        "root secret": kept.root_secret,
    }
    said = _everything_logged(cloud)
    assert "answered" in said, "the functions' logs are not where this test looks"
    assert [name for name, secret in secrets.items() if len(secret) > 7 and secret in said] == []
