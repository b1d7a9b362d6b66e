"""`make screens`: takes the pictures of the docs from a real cloud that has traded.

Run as `python -m tests.browser.screens`. Brings up a private cloud at a date when the rule trades,
lets sessions pass, and photographs each page into `docs/images/`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from laptop import chromium
from laptop.demo import ACCOUNT, trade_session
from laptop.layout import REPOSITORY, StateFolder
from laptop.quiescence import Quiescence
from laptop.stack import Stack

IMAGES = REPOSITORY / "docs" / "images"
SESSIONS = 24
PAGES = {"dashboard": "/"}
SYMBOL = "MSFT"
PATIENCE_MILLISECONDS = 60_000


@contextmanager
def traded_cloud() -> Iterator[Stack]:
    """A cloud whose market is stepped through some sessions with trades."""
    alpaquero = str(Path(sys.executable).with_name("alpaquero"))
    with tempfile.TemporaryDirectory(prefix="alpaquero-screens-") as folder:
        where = ["--state", folder]
        subprocess.run([alpaquero, "up", "--free-ports", "--detach", *where], check=True)
        try:
            stack = Stack.find(StateFolder.at(folder))
            stack.exchange.clock(mode="stepped")
            for _ in range(SESSIONS):
                trade_session(stack, Quiescence(stack, ACCOUNT))
            yield stack
        finally:
            subprocess.run([alpaquero, "down", *where], check=True)


def photograph(page: Page, stack: Stack) -> None:
    """Signs in and keeps a picture of each page once it shows its data."""
    url = f"http://localhost:{stack.ports['dashboard']}"
    page.goto(url)
    page.get_by_test_id("sign-in-username").fill(stack.credentials.email)
    page.get_by_test_id("sign-in-password").fill(stack.credentials.password)
    page.get_by_test_id("sign-in-submit").click()
    expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "live")
    for name, path in PAGES.items():
        page.goto(url + path)
        expect(page.locator("main .panel").first).to_be_visible()
        expect(page.locator(".bone")).to_have_count(0)
        if path == "/":
            page.get_by_role("button", name=SYMBOL, exact=True).click()
            expect(
                page.locator(f"[data-testid=chart][data-symbol={SYMBOL}][data-drawn=true]")
            ).to_be_visible()
            trade_session(stack, Quiescence(stack, ACCOUNT))
            expect(page.get_by_test_id("event-row").first).to_be_visible()
        page.screenshot(path=IMAGES / f"{name}.png")
        sys.stdout.write(f"docs/images/{name}.png\n")


def main() -> None:
    """Takes all pictures."""
    found = chromium.find()
    if found is None:
        sys.exit("error: no Chromium: run `python -m laptop.chromium`, which installs it")
    IMAGES.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with traded_cloud() as stack, sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=str(found), args=flags)
        photograph(browser.new_page(viewport={"width": 1440, "height": 1000}), stack)
        browser.close()


if __name__ == "__main__":
    main()
