"""Fixtures of the browser tests: a Chromium, a whole laptop cloud with its dashboard, and a visitor.

The tests themselves need a `Site` alone: an address, a sign-in, and a way to let a session pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from laptop import chromium
from laptop.demo import trade_session
from laptop.layout import REPOSITORY
from laptop.quiescence import Quiescence
from laptop.stack import ACCOUNT, Stack
from tests.browser.cloud import ARGUMENTS, cloud_with_page, url_of

HERE, ALONE = Path(__file__).parent, "test_first_run"
# The first request to each function starts it, ten of them at once on two cores.
COLD_START_SECONDS = 60
# The shipped prices raise a BUY of MSFT on 2012-04-03, so that few sessions must pass to see a fill.
FIRST_SESSION = "2012-04-02"
BY_HAND = "IBM"  # what tests trade by hand, and the bot leaves alone
AXE = REPOSITORY / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = {"serious", "critical"}
# Chromium gives up what is under way when an interface comes or goes, as a container engine's does.
OF_THE_MACHINE = "net::ERR_NETWORK_CHANGED"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a newcomer sees comes before the cloud that the others share is up: it measures memory."""
    places = [number for number, test in enumerate(items) if HERE in test.path.parents]
    ours = sorted((items[place] for place in places), key=lambda test: test.path.stem != ALONE)
    for place, test in zip(places, ours, strict=True):
        items[place] = test


@dataclass(frozen=True)
class Site:
    """A dashboard that is up; `trade_session` lets the market's next session pass, signals and all.

    The user of `username` is an admin; `others` are the names of one user of each lesser role, with the
    same password.
    """

    url: str
    username: str
    password: str
    trade_session: Callable[[], object]
    others: Mapping[str, str] = field(default_factory=dict)

    def read(self, path: str) -> Any:
        """What the API answers to a program that signs in as the visitor does."""
        return self.ask("GET", path)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The same for a command."""
        with httpx.Client(base_url=self.url, timeout=COLD_START_SECONDS, trust_env=False) as client:
            sign_in = {"username": self.username, "password": self.password}
            session = client.post("/api/auth/sign-in", json=sign_in).raise_for_status().json()
            headers = {"Authorization": f"Bearer {session['access_token']}"}
            return client.request(method, path, json=body, headers=headers).raise_for_status().json()

    def change_settings(self, settings: dict[str, Any]) -> None:
        """An admin's change, made on the version in force."""
        version = self.read("/api/config")["version"]
        self.ask("POST", "/api/config", {"version": version, "reason": "a test", "settings": settings})


@dataclass
class Visitor:
    """A page of a fresh browser profile, with what went wrong in it."""

    page: Page
    site: Site
    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    _forgiven: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._see)

    def open(self, path: str = "/") -> None:
        """Goes to a page of the site."""
        self.page.goto(f"{self.site.url}{path}")

    def sign_in(self, password: str | None = None, *, role: str = "admin") -> None:
        """Fills the form and sends it."""
        username = self.site.others.get(role, self.site.username)
        self.page.get_by_test_id("sign-in-username").fill(username)
        self.page.get_by_test_id("sign-in-password").fill(password or self.site.password)
        self.page.get_by_test_id("sign-in-submit").click()

    def prefer(self, *, first_page: str = "overview", symbols: Sequence[str] = ()) -> None:
        """Keeps preferences of the admin, as another page of his does."""
        body = {"first_page": first_page, "symbols": list(symbols), "time_zone": "America/New_York"}
        self.site.ask("PUT", "/api/config/preferences", body)

    def check_axe(self) -> None:
        """Fails when axe finds something grave on the page as it stands, in light or dark."""
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            self.page.evaluate(f"window.axe === undefined && (() => {{ {AXE.read_text()} }})()")
            found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            grave = [
                (finding["id"], [node["html"][:160] for node in finding["nodes"]][:3])
                for finding in found["violations"]
                if finding["impact"] in GRAVE
            ]
            assert [] == grave, f"{scheme}: {grave}"

    def forgive(self, *parts: str) -> None:
        """Takes as meant what the console tells with one of these words, as of a request that is refused."""
        self._forgiven += parts

    def check_console(self) -> None:
        """Fails when the console told of an error that was not meant; every test ends with it."""
        forgiven = (*self._forgiven, OF_THE_MACHINE)
        assert [] == [error for error in self.errors if not any(part in error for part in forgiven)]

    @property
    def other_hosts(self) -> set[str]:
        """Hosts that the page asked anything of, but its own."""
        return self.hosts - {urlsplit(self.site.url).netloc}

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def _see(self, request: Request) -> None:
        self.hosts.add(urlsplit(request.url).netloc)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium: the system's or Playwright's own.

    It ends with its file: while Playwright runs, its event loop keeps other tests from theirs.
    """
    found = chromium.find()
    if found is None:
        pytest.fail(
            "the browser tests need Chromium: run `python -m laptop.chromium`, which installs it, "
            f"or set {chromium.VARIABLE}=<its path>"
        )
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(found), args=list(ARGUMENTS))
        expect.set_options(timeout=COLD_START_SECONDS * 1000)
        yield running
        running.close()


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """What `make run` brings up, on free ports, its books open and its market stepped by the test."""
    state = tmp_path_factory.mktemp("dashboard-cloud")
    with cloud_with_page(state, "--from", FIRST_SESSION) as stack:
        found = Site(
            url=url_of(stack),
            username=stack.credentials.email,
            password=stack.credentials.password,
            trade_session=lambda: trade_session(stack, Quiescence(stack, ACCOUNT)),
            others={role: _user_of(stack, role) for role in ("viewer", "trader")},
        )
        _wait_for_books(found)
        watched = found.read("/api/config")["settings"]["watchlist"]
        found.change_settings({"watchlist": [symbol for symbol in watched if symbol != BY_HAND]})
        yield found


def _user_of(stack: Stack, role: str) -> str:
    """A new user of one role, with the owner's password."""
    cognito, pool = stack.client("cognito-idp"), stack.outputs["UserPool"]
    name = f"{role}@alpaquero.local"
    cognito.admin_create_user(UserPoolId=pool, Username=name, MessageAction="SUPPRESS")
    password = stack.credentials.password
    cognito.admin_set_user_password(UserPoolId=pool, Username=name, Password=password, Permanent=True)
    cognito.admin_add_user_to_group(UserPoolId=pool, Username=name, GroupName=role)
    return name


def _wait_for_books(site: Site) -> None:
    deadline = time.monotonic() + COLD_START_SECONDS
    while True:
        try:
            site.read("/api/account")
        except httpx.HTTPStatusError:
            if time.monotonic() > deadline:
                raise
        else:
            return


@pytest.fixture
def visitor(browser: Browser, site: Site) -> Iterator[Visitor]:
    """Someone who has not signed in yet."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    someone = Visitor(context.new_page(), site)
    yield someone
    context.close()
    someone.check_console()
