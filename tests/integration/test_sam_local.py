"""Each function in a container, as `sam local` runs it; `make sam` runs these tests, `make test` does not.

They need a container engine: the machine's own, or one that they start and end (`laptop.sam.docker`). Where
none is to be had they are skipped with the reason, and fail where ALPAQUERO_CI is set.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from laptop import owner
from laptop.build import build
from laptop.errors import LaptopError
from laptop.sam import commands
from laptop.sam.commands import Sam
from laptop.sam.docker import ContainerEngine, NoContainersError, container_engine
from laptop.sam.functions import write_environments
from laptop.sam.image import base_image
from laptop.sam.relay import relayed
from laptop.stack import LaptopCloud
from laptop.template import functions
from tests.integration.asking import Caller
from tests.integration.reading import Traded
from tests.integration.replays import fault, replay, work_was_done
from tests.integration.sent_events import route_of

pytestmark = pytest.mark.sam

AT_ONCE = 2
SECONDS = 120
Answers = dict[str, Any]
OF_AN_API = [name for name in functions() if route_of(name) is not None]


@pytest.fixture(scope="module")
def engine() -> Iterator[ContainerEngine]:
    """The machine's container engine, or one that ends with these tests, also when they are told to end."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with container_engine(commands.FOLDER / "docker", say=print) as found:
            yield found
    except NoContainersError as error:
        if os.environ.get("ALPAQUERO_CI"):
            raise
        pytest.skip(str(error))
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="module")
def sam(engine: ContainerEngine, cloud: LaptopCloud) -> Iterator[Sam]:
    """The functions built by `sam build`, and the cloud within a container's reach."""
    sam = Sam(engine, base_image(engine, commands.FOLDER / "image", say=print))
    sam.build(build("aws", say=print).folder)
    write_environments(cloud, engine.bridge.ip, sam.environments)
    with relayed(engine.bridge, [cloud.ports["engine"], cloud.ports["exchange"]]):
        yield sam


def asked(ask: Callable[[str], Any], names: list[str]) -> Answers:
    """Each function's answer, or the error of the one that gave none."""

    def one(function: str) -> Any:
        try:
            return ask(function)
        except (LaptopError, httpx.HTTPError, ValueError) as error:
            return error

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(names, pool.map(one, names), strict=True))


@pytest.fixture(scope="module")
def invoked(sam: Sam, cloud: LaptopCloud, admin: Caller, traded: Traded) -> Answers:
    """`sam local invoke` of every function."""
    given = replay(cloud, admin, traded.symbol, "2012-03-06")
    events = sam.folder / "events"
    events.mkdir(exist_ok=True)

    def ask(function: str) -> Any:
        event = events / f"{function}.json"
        event.write_text(given.event(function))
        return sam.invoke(function, event)

    return asked(ask, list(functions()))


@pytest.fixture(scope="module")
def by_lambda_api(sam: Sam, cloud: LaptopCloud, admin: Caller, traded: Traded) -> Answers:
    """Every function by Lambda's own API, as `sam local start-lambda` serves it."""
    given = replay(cloud, admin, traded.symbol, "2012-03-07")
    with sam.serving("start-lambda") as address:

        def ask(function: str) -> Any:
            url = f"{address}/2015-03-31/functions/{function}/invocations"
            event = given.event(function)
            return httpx.post(url, content=event, timeout=SECONDS, trust_env=False).json()

        return asked(ask, list(functions()))


@pytest.fixture(scope="module")
def api(sam: Sam) -> Iterator[str]:
    """The address of both APIs as `sam local start-api` serves them."""
    with sam.serving("start-api") as address:
        yield address


@pytest.fixture(scope="module")
def by_api(api: str, cloud: LaptopCloud) -> Answers:
    """A public route of every API function, with the owner's token."""
    headers = {"Authorization": f"Bearer {owner.access_token(cloud)}"}

    def ask(function: str) -> Any:
        return httpx.get(f"{api}{route_of(function)}", headers=headers, timeout=SECONDS, trust_env=False)

    return asked(ask, OF_AN_API)


def test_the_template_is_valid(sam: Sam) -> None:
    """`sam validate --lint` finds nothing."""
    assert "is a valid SAM Template" in sam.validate()


@pytest.mark.parametrize("function", functions())
def test_invoke(function: str, invoked: Answers) -> None:
    """In a container of its own it takes its event and answers as its caller needs."""
    assert fault(function, invoked[function]) is None


@pytest.mark.parametrize("function", functions())
def test_start_lambda(function: str, by_lambda_api: Answers) -> None:
    """Called as boto3 would call it, it answers the same way."""
    assert fault(function, by_lambda_api[function]) is None


@pytest.mark.parametrize("function", OF_AN_API)
def test_start_api(function: str, by_api: Answers) -> None:
    """Asked over HTTP with the owner's token, it answers 200 with JSON."""
    answer = by_api[function]
    assert isinstance(answer, httpx.Response), answer
    assert answer.status_code == 200, answer.text
    assert isinstance(answer.json(), dict)


def test_a_stranger_is_refused(api: str) -> None:
    """Without a token, or with one that is none, the local API lets nobody in, as the deployed one."""
    for headers in ({}, {"Authorization": "Bearer a.b.c"}):
        answer = httpx.get(f"{api}/api/orders", headers=headers, timeout=SECONDS, trust_env=False)
        assert answer.status_code in {401, 403}, answer.text


def test_work_that_was_left_to_them_is_done(
    by_lambda_api: Answers, cloud: LaptopCloud, admin: Caller
) -> None:
    """The backtest and the ingest that no worker of the engine saw are done: pandas and numpy work there."""
    assert by_lambda_api
    assert work_was_done(cloud, admin)
