"""What a page waits for: every read route through the gateway, beside a bare function behind it.

Eight users at once ask the read routes in turn, 5,000 requests, in rounds; after each round they ask a
function of a dozen lines that gets one item and answers it, behind the same gateway and authorizer. No
function is asked by more than `MOST_AT_ONCE` at a time, so that the engine keeps as few workers as a
stack with reserved concurrency. All are warm. Latencies are those of the client. A share of each round
asks with `Cache-Control: no-cache`, for answers that are not kept (`alpaquero.lately`), and has a row of
its own.
"""

from __future__ import annotations

import http.client
import io
import json
import sys
import tempfile
import threading
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter
from typing import Any, Final
from urllib.parse import urlsplit

from laptop import owner, watchlist
from laptop.calls import public_get
from laptop.demo import trade_session
from laptop.quiescence import Quiescence
from laptop.stack import ACCOUNT, ExchangeOptions, LaptopCloud
from laptop.template import routes
from tests.benchmarks.rows import Goal, Row, percentile

REQUESTS: Final = 5000
AT_ONCE: Final = 8
MOST_AT_ONCE: Final = 2  # of one function
ROUNDS: Final = 10
WARM_UP: Final = 4  # of each route
SLOWEST_SHOWN: Final = 5
FIRST_SESSION, SESSIONS = "2012-04-09", 4
PASSWORD: Final = "Only-measuring-1234"
SYMBOL: Final = "GOOG"
BARE_FUNCTIONS: Final = AT_ONCE // MOST_AT_ONCE
BARE: Final = """
import json
import os

import botocore.session

client = botocore.session.get_session().create_client("dynamodb")
table = os.environ["TABLE"]


def handler(event, context):
    found = client.get_item(TableName=table, Key={"pk": {"S": "SETTINGS"}, "sk": {"S": "CURRENT"}})
    body = json.dumps({"version": found["Item"]["version"]["N"]})
    print("answered")  # the engine waits 50 ms for the log of a function that says nothing
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": body}
"""


@dataclass(frozen=True)
class Target:
    """A path of the stage to ask, and the function that answers it."""

    function: str
    path: str


@dataclass
class Answers:
    """Seconds by path, and what was not answered with 200."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: list[str] = field(default_factory=list)

    @property
    def all(self) -> list[float]:
        """The seconds of all answers."""
        return [one for some in self.seconds.values() for one in some]


def measure() -> Iterator[Row]:
    """The rows of this part."""
    exchange = ExchangeOptions(seed=1, clock="stepped", start=FIRST_SESSION)
    with (
        tempfile.TemporaryDirectory(prefix="alpaquero-bench-") as folder,
        LaptopCloud(Path(folder), exchange=exchange) as cloud,
    ):
        _trade(cloud)
        reads, bare = _read_routes(cloud), _bare(cloud)
        crowd = Crowd(cloud)
        crowd.ask([*reads, *bare], WARM_UP * (len(reads) + len(bare)), Answers())
        ours, anew, theirs = Answers(), Answers(), Answers()
        for _ in range(ROUNDS):
            crowd.ask(reads, REQUESTS // ROUNDS, ours)
            crowd.ask(reads, REQUESTS // ROUNDS // 4, anew, {"Cache-Control": "no-cache"})
            crowd.ask(bare, REQUESTS // ROUNDS // 2, theirs)
    if failures := [*ours.failures, *anew.failures, *theirs.failures]:
        raise RuntimeError(f"not answered: {failures[:5]}")
    _show_slowest(ours)
    yield from _rows(ours, anew, theirs, len(reads))


def _rows(ours: Answers, anew: Answers, theirs: Answers, paths: int) -> Iterator[Row]:
    for answers, how in ((ours, ""), (anew, " asked anew")):
        for name, share in (("median", 0.5), ("p99", 0.99)):
            held = name == "median" and answers is ours
            yield Row(
                f"gateway, {len(answers.all):,} requests over {paths} read routes{how}, {name}",
                percentile(answers.all, share) * 1000,
                "ms",
                peer="a bare function with one GetItem",
                peer_value=percentile(theirs.all, share) * 1000,
                goal=Goal(at_most=1.3, of_ratio=True) if held else None,
            )
    yield Row("gateway, requests that failed", len(ours.failures), "requests", goal=Goal(at_most=0))


def _show_slowest(answers: Answers) -> None:
    medians = sorted(((percentile(some, 0.5), path) for path, some in answers.seconds.items()), reverse=True)
    for seconds, path in medians[:SLOWEST_SHOWN]:
        sys.stderr.write(f"  {seconds * 1000:6.1f} ms {path}\n")


class Crowd:
    """Eight signed-in users who ask at once, each on a connection that stays open."""

    def __init__(self, cloud: LaptopCloud) -> None:
        self._address = urlsplit(cloud.api_url())
        self._tokens = [_user(cloud, f"bench-{number}@alpaquero.local") for number in range(AT_ONCE)]

    def ask(
        self,
        targets: Sequence[Target],
        requests: int,
        answers: Answers,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Ask `targets` in turn until `requests` are answered."""
        line = Line(islice(cycle(targets), requests))
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for done in [
                threads.submit(
                    self._work, {"Authorization": f"Bearer {token}", **(headers or {})}, line, answers
                )
                for token in self._tokens
            ]:
                done.result()

    def _work(self, headers: Mapping[str, str], line: Line, answers: Answers) -> None:
        connection = http.client.HTTPConnection(str(self._address.hostname), self._address.port, timeout=60)
        while (target := line.next()) is not None:
            began = perf_counter()
            connection.request("GET", self._address.path + target.path, headers=dict(headers))
            answer = connection.getresponse()
            text = answer.read()
            took = perf_counter() - began
            line.done(target)
            if answer.status == http.client.OK:
                answers.seconds[target.path].append(took)
            else:
                answers.failures.append(f"{target.path}: {answer.status} {text[:200]!r}")
        connection.close()


class Line:
    """Hands out targets in turn, passing over those whose function is busy with enough."""

    def __init__(self, targets: Iterator[Target]) -> None:
        self._waiting = list(targets)
        self._busy: dict[str, int] = defaultdict(int)
        self._changed = threading.Condition()

    def next(self) -> Target | None:
        """The next target, None when all were handed out; waits while every function left is busy."""
        with self._changed:
            while self._waiting:
                for place, target in enumerate(self._waiting):
                    if self._busy[target.function] < MOST_AT_ONCE:
                        self._busy[target.function] += 1
                        return self._waiting.pop(place)
                self._changed.wait()
            return None

    def done(self, target: Target) -> None:
        """`target` was answered."""
        with self._changed:
            self._busy[target.function] -= 1
            self._changed.notify_all()


def _trade(cloud: LaptopCloud) -> None:
    """Some sessions, so that there is something to read."""
    owner.ensure(cloud)
    watchlist.ensure(cloud, None, reason="a benchmark")
    cloud.tick("sync")
    for _ in range(SESSIONS):
        trade_session(cloud, Quiescence(cloud, ACCOUNT))
    cloud.invoke("TradingSync", {"job": "reconcile"})  # else the route that tells of it finds nothing


def _user(cloud: LaptopCloud, name: str) -> str:
    """The access token of a new admin, who may read all there is."""
    cognito, pool = cloud.client("cognito-idp"), cloud.outputs["UserPool"]
    cognito.admin_create_user(UserPoolId=pool, Username=name, MessageAction="SUPPRESS")
    cognito.admin_set_user_password(UserPoolId=pool, Username=name, Password=PASSWORD, Permanent=True)
    cognito.admin_add_user_to_group(UserPoolId=pool, Username=name, GroupName="admin")
    signed_in = cognito.initiate_auth(
        ClientId=cloud.outputs["UserPoolClient"],
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": name, "PASSWORD": PASSWORD},
    )
    return str(signed_in["AuthenticationResult"]["AccessToken"])


def _read_routes(cloud: LaptopCloud) -> list[Target]:
    """Every public GET but those of things there are none of here, functions mixed."""
    known = _known(cloud)
    found = []
    for function, method, path in routes("PublicApi"):
        filled = _filled(path, known.get(path, known["*"])) if method == "GET" else None
        if filled is not None:
            found.append(Target(function, filled))
    return [target for row in _by_function(found) for target in row]


def _known(cloud: LaptopCloud) -> Mapping[str, Mapping[str, str]]:
    """What stands for a path's parameters: of some paths their own, of all others `*`."""
    order = public_get(cloud, "/api/orders", {"limit": 1})["items"][0]
    run = public_get(cloud, "/api/runs", {"limit": 1})["items"][0]
    return {
        "*": {"symbol": SYMBOL},
        "/api/orders/{id}": {"id": order["client_order_id"]},
        "/api/runs/{id}": {"id": run["id"]},
        "/api/config/versions/{version}": {"version": "1"},
    }


def _filled(path: str, known: Mapping[str, str]) -> str | None:
    try:
        return path.format(**known) + QUERIES.get(path, "")
    except KeyError:
        return None


# What a route cannot be asked without.
QUERIES: Final = {"/api/config/diff": "?from=1"}


def _by_function(targets: Sequence[Target]) -> Iterator[list[Target]]:
    """Rows of one route of each function, so that neighbours in the line are of different functions."""
    waiting: dict[str, list[Target]] = defaultdict(list)
    for target in targets:
        waiting[target.function].append(target)
    while any(waiting.values()):
        yield [some.pop() for some in waiting.values() if some]


def _bare(cloud: LaptopCloud) -> list[Target]:
    """Functions that answer one item, each with a route of the public API behind its authorizer."""
    gateway, api = cloud.client("apigateway"), cloud.outputs["PublicApi"]
    [authorizer] = gateway.get_authorizers(restApiId=api)["items"]
    everything = gateway.get_resources(restApiId=api, limit=500)["items"]
    root = next(item["id"] for item in everything if item["path"] == "/")
    targets = []
    for number in range(BARE_FUNCTIONS):
        name = f"bench-bare-{number}"
        resource = gateway.create_resource(restApiId=api, parentId=root, pathPart=name)["id"]
        place = {"restApiId": api, "resourceId": resource, "httpMethod": "GET"}
        gateway.put_method(**place, authorizationType="CUSTOM", authorizerId=authorizer["id"])
        gateway.put_integration(
            **place, type="AWS_PROXY", integrationHttpMethod="POST", uri=_bare_function(cloud, name)
        )
        targets.append(Target(name, f"/{name}"))
    gateway.create_deployment(restApiId=api, stageName="v1")
    return targets


def _bare_function(cloud: LaptopCloud, name: str) -> str:
    """The integration address of a new bare function, which is what a read function is in all else."""
    functions = cloud.client("lambda")
    like: Any = functions.get_function_configuration(FunctionName=cloud.physical("ConfigurationApi"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("bare.py", BARE)
    made = functions.create_function(
        FunctionName=name,
        Runtime=like["Runtime"],
        Role=like["Role"],
        Handler="bare.handler",
        Code={"ZipFile": packed.getvalue()},
        MemorySize=like["MemorySize"],
        Timeout=like["Timeout"],
        Layers=[layer["Arn"] for layer in like["Layers"]],
        Environment={"Variables": {"TABLE": cloud.physical("Settings")}},
    )
    functions.add_permission(
        FunctionName=name,
        StatementId="gateway",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
    )
    region = cloud.client("lambda").meta.region_name
    return f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{made['FunctionArn']}/invocations"


def main() -> None:
    """The table of latencies by route, for whoever makes one faster."""
    for row in measure():
        sys.stdout.write(json.dumps([row.name, row.value, row.peer_value, row.ratio]) + "\n")


if __name__ == "__main__":
    main()
