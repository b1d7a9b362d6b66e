"""What a newcomer sees: `alpaquero up`, the page, and a trade that comes by itself."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from laptop.layout import StateFolder
from laptop.stack import Stack
from tests.waiting import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.cloud]

ALPAQUERO = str(Path(sys.executable).with_name("alpaquero"))
SECONDS_PER_SESSION = 20  # three sessions pass between two firings of the schedule
PATIENCE_SECONDS = 300
MEMORY_LIMIT_MB = 2000
RUSH_ENDS_WITHIN_SECONDS = 90  # a page that opens has some functions run twice; the second ones end when idle


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """What `make run` starts, on free ports: the exchange's clock runs and every schedule fires by itself."""
    state = tmp_path_factory.mktemp("first-run")
    where = ["--state", str(state)]
    speed = ["--seconds-per-session", str(SECONDS_PER_SESSION)]
    subprocess.run([ALPAQUERO, "up", "--detach", "--free-ports", *speed, *where], check=True)
    try:
        yield Stack.find(StateFolder.at(state))
    finally:
        subprocess.run([ALPAQUERO, "down", *where], check=True)


def status(stack: Stack) -> dict[str, Any]:
    """What `alpaquero status --json` says."""
    command = [ALPAQUERO, "status", "--json", "--state", str(stack.state.root)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_a_filled_trade_shows_by_itself(running: Stack, browser: Browser) -> None:
    """Nobody touches anything after sign-in: schedule, signal, order and fill reach the open page."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(f"http://localhost:{running.ports['dashboard']}")
    page.get_by_test_id("sign-in-username").fill(running.credentials.email)
    page.get_by_test_id("sign-in-password").fill(running.credentials.password)
    page.get_by_test_id("sign-in-submit").click()
    started = time.monotonic()
    filled = page.locator("[data-testid=event-row][data-event=OrderFilled][data-live=true]")
    expect(filled.first).to_be_visible(timeout=PATIENCE_SECONDS * 1000)
    expect(page.locator("[data-testid=order-row][data-status=filled]").first).to_be_visible()
    sys.stdout.write(f"a fill was on the page {time.monotonic() - started:.0f} s after the sign-in\n")
    page.close()


def test_it_stays_within_its_memory(running: Stack) -> None:
    """At rest, with every function warm, all that it started takes less than 2 GB of proportional memory."""
    taken: list[float] = []

    def is_within() -> bool:
        taken.append(status(running)["memory_mb"])
        return taken[-1] < MEMORY_LIMIT_MB

    try:
        wait_for(is_within, what="the memory to be within its limit", seconds=RUSH_ENDS_WITHIN_SECONDS)
    finally:
        sys.stdout.write(f"memory_mb {taken}\n")
