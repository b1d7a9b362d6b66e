"""`make screens`: takes the pictures of the docs from a real cloud that has traded.

Run as `python -m tests.browser.screens`. Brings up a private cloud at a date when the rule trades,
lets sessions pass, and photographs pages into `docs/images/`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from laptop import chromium
from laptop.demo import ACCOUNT, trade_session
from laptop.layout import REPOSITORY
from laptop.quiescence import Quiescence
from laptop.stack import Stack
from tests.browser.cloud import ARGUMENTS, cloud_with_page, url_of

IMAGES = REPOSITORY / "docs" / "images"
SESSIONS = 24
SYMBOL = "MSFT"
PAGES = {"dashboard": "/", "symbol": f"/symbol/{SYMBOL}", "analytics": "/analytics"}
DARK = {"symbol"}
PATIENCE_MILLISECONDS = 60_000


def photograph(page: Page, stack: Stack) -> None:
    """Signs in and keeps a picture of each page once it shows its data."""
    url = url_of(stack)
    page.goto(url)
    page.get_by_test_id("sign-in-username").fill(stack.credentials.email)
    page.get_by_test_id("sign-in-password").fill(stack.credentials.password)
    page.get_by_test_id("sign-in-submit").click()
    expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "live")
    for name, path in PAGES.items():
        page.emulate_media(color_scheme="dark" if name in DARK else "light")
        page.goto(url + path)
        expect(page.locator(".frame main .panel").first).to_be_visible()
        expect(page.locator(".bone")).to_have_count(0)
        if path == "/":
            page.get_by_role("button", name=SYMBOL, exact=True).click()
            trade_session(stack, Quiescence(stack, ACCOUNT))
            expect(page.get_by_test_id("event-row").first).to_be_visible()
        if path != "/analytics":
            drawn = f"[data-testid=chart][data-symbol={SYMBOL}][data-drawn=true]"
            expect(page.locator(drawn)).to_be_visible()
        else:
            expect(page.locator("[data-testid=equity-curve][data-drawn=true]")).to_be_visible()
        expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "live")
        page.screenshot(path=IMAGES / f"{name}.png")
        sys.stdout.write(f"docs/images/{name}.png\n")


def main() -> None:
    """Takes all pictures."""
    found = chromium.find()
    if found is None:
        sys.exit("error: no Chromium: run `python -m laptop.chromium`, which installs it")
    IMAGES.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with (
        tempfile.TemporaryDirectory(prefix="alpaquero-screens-") as folder,
        cloud_with_page(Path(folder)) as stack,
        sync_playwright() as playwright,
    ):
        for _ in range(SESSIONS):
            trade_session(stack, Quiescence(stack, ACCOUNT))
        browser = playwright.chromium.launch(executable_path=str(found), args=list(ARGUMENTS))
        photograph(browser.new_page(viewport={"width": 1440, "height": 1000}), stack)
        browser.close()


if __name__ == "__main__":
    main()
