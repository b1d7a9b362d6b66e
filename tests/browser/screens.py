"""`make screens`: takes the pictures of the docs from a real cloud that has traded.

Run as `python -m tests.browser.screens`. Brings up a private cloud at a date when the rule trades,
lets sessions pass, and photographs pages into `docs/images/`.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import datetime
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from laptop import chromium
from laptop.demo import trade_session
from laptop.layout import REPOSITORY
from laptop.quiescence import Quiescence
from laptop.stack import ACCOUNT
from tests.browser.cloud import ARGUMENTS, cloud_with_page, url_of
from tests.browser.conftest import Site

IMAGES = REPOSITORY / "docs" / "images"
# Seven weeks with trades won and lost, at whose end something is held.
FIRST_SESSION = "2009-10-26"
SESSIONS = 34
SYMBOLS = ("AAPL", "GOOG", "IBM", "MSFT")  # those with prices then
WIDTH = 1440
PATIENCE_MILLISECONDS = 60_000


class Photographer:
    """A signed-in page of a cloud that has traded, and where its pictures go."""

    def __init__(self, page: Page, site: Site) -> None:
        self._page, self._site = page, site

    def take_all(self) -> None:
        """A picture of each page once it shows its data."""
        self._sign_in()
        held = self._site.read("/api/positions")["items"][0]["symbol"]
        self._open("/", height=1180)
        self._page.get_by_role("button", name=held, exact=True).click()
        self._site.trade_session()
        equity = self._page.get_by_test_id("account-equity")
        expect(equity).to_have_attribute("data-value", self._site.read("/api/account")["equity"])
        expect(self._page.locator(".readout")).to_contain_text(
            self._site.read("/api/market_status")["now"][:10]
        )
        expect(self._page.locator(".watchlist .sparkline")).to_have_count(len(SYMBOLS))
        expect(self._page.locator(".watchlist").get_by_test_id("live-price")).to_have_count(len(SYMBOLS))
        self._take("dashboard", drawn=f"[data-testid=chart][data-symbol={held}]")
        self._open(f"/symbol/{held}?bar={self._bar_that_traded(held)}", height=1180, scheme="dark")
        expect(self._page.get_by_test_id("why-answer").first).to_be_visible()
        self._take("symbol", drawn=f"[data-testid=chart][data-symbol={held}]")
        self._open("/analytics", height=1180)
        self._take("analytics", drawn="[data-testid=equity-curve]")

    def _sign_in(self) -> None:
        self._page.goto(self._site.url)
        self._page.get_by_test_id("sign-in-username").fill(self._site.username)
        self._page.get_by_test_id("sign-in-password").fill(self._site.password)
        self._page.get_by_test_id("sign-in-submit").click()
        expect(self._page.get_by_test_id("connection")).to_have_attribute("data-state", "live")

    def _open(self, path: str, *, height: int, scheme: str = "light") -> None:
        self._page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        self._page.set_viewport_size({"width": WIDTH, "height": height})
        self._page.goto(self._site.url + path)
        expect(self._page.locator(".frame main .panel").first).to_be_visible()

    def _take(self, name: str, *, drawn: str) -> None:
        expect(self._page.locator(f"{drawn}[data-drawn=true]")).to_be_visible()
        expect(self._page.get_by_test_id("connection")).to_have_attribute("data-state", "live")
        expect(self._page.locator("main .bone")).to_have_count(0)
        self._page.screenshot(path=IMAGES / f"{name}.png")
        sys.stdout.write(f"docs/images/{name}.png\n")

    def _bar_that_traded(self, symbol: str) -> int:
        """The start, in seconds since 1970, of the bar whose signal opened the position."""
        raised = [s for s in self._site.read(f"/api/signals/{symbol}")["items"] if s["outcome"] == "raised"]
        closed = datetime.fromisoformat(raised[0]["bar_close"]).timestamp()
        starts: list[int] = self._site.read(f"/api/chart/{symbol}?limit=250&timeframe=1Day")["bars"]["time"]
        return max(start for start in starts if start < closed)


def main() -> None:
    """Takes all pictures."""
    found = chromium.find()
    if found is None:
        sys.exit("error: no Chromium: run `python -m laptop.chromium`, which installs it")
    IMAGES.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with (
        tempfile.TemporaryDirectory(prefix="alpaquero-screens-") as folder,
        cloud_with_page(Path(folder), "--from", FIRST_SESSION) as stack,
        sync_playwright() as playwright,
    ):
        site = Site(
            url=url_of(stack),
            username=stack.credentials.email,
            password=stack.credentials.password,
            trade_session=lambda: trade_session(stack, Quiescence(stack, ACCOUNT)),
        )
        site.change_settings({"watchlist": list(SYMBOLS)})
        for _ in range(SESSIONS):
            site.trade_session()
        browser = playwright.chromium.launch(executable_path=str(found), args=list(ARGUMENTS))
        # As the market tells the time: in another zone a close at 16:00 would read as 21:00.
        Photographer(browser.new_page(timezone_id="America/New_York"), site).take_all()
        browser.close()


if __name__ == "__main__":
    main()
