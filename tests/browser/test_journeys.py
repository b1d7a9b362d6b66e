"""A trader's ways through the dashboard in a real browser, against the whole cloud.

Answers are the cloud's own, but where a test says so: one holds an answer back, one leaves a request without
any, one puts long names and figures into what the cloud answered, and one cuts the network.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Request, Route, WebSocketRoute, expect

from laptop.layout import BUILD
from tests.browser.at_length import CUT_OFF, answer_at_length
from tests.browser.conftest import Site, Visitor
from tests.browser.holdings import a_position

pytestmark = [pytest.mark.browser, pytest.mark.cloud]

SCREENS = BUILD / "screens"
WIDTHS = (390, 768, 1440)
PATHS = {
    "overview": "/",
    "portfolio": "/portfolio",
    "trading": "/trading",
    "analytics": "/analytics",
    "config": "/config",
    "monitoring": "/monitoring",
    "symbol": "/symbol/MSFT",
}
# A rule that finds a reason to buy on most bars, so that the next session raises a signal.
EAGER = {
    "rule": "stochrsi_ema",
    "mode": "trade",
    "minimum_history_bars": 100,
    "parameters": {
        "oversold_level": 98,
        "overbought_level": 99,
        "extreme_overbought_level": 100,
        "ema_slow_period_bars": 11,
    },
}
SESSIONS_TO_A_SIGNAL = 8
# Each leg is taken back and seen to be gone before the sale, which fills at the next open.
SESSIONS_TO_SELL = 5
# What reaches past the right edge of the window, for the message of a page that is too wide.
BEYOND_THE_EDGE = """[...document.querySelectorAll("body *")]
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
  .map((one) => `${one.tagName}.${one.className}#${one.dataset.testid ?? ""}:`
    + Math.round(one.getBoundingClientRect().right)).slice(0, 12)"""


class Wire:
    """What lies between the page and the server's socket, and can be cut."""

    def __init__(self) -> None:
        self.cut = False
        self._open: list[WebSocketRoute] = []

    def take(self, socket: WebSocketRoute) -> None:
        """Lets a new socket through to the server, or ends it."""
        if self.cut:
            socket.close(code=1013, reason="cut by the test")
            return
        socket.connect_to_server()
        self._open.append(socket)

    def sever(self) -> None:
        """Ends all sockets, and every new one until it is mended."""
        self.cut = True
        for socket in self._open:
            socket.close(code=1013, reason="cut by the test")
        self._open.clear()


def test_a_lost_connection_is_told_polled_through_and_caught_up(visitor: Visitor, site: Site) -> None:
    """Without its socket the page says so and polls; back again it is told what it missed."""
    page, wire = visitor.page, Wire()
    visitor.forgive("/api/latest/")  # a symbol that has no price yet, which polling asks for
    page.route_web_socket(re.compile(r"/ws\?"), wire.take)
    visitor.open()
    visitor.sign_in()
    lamp = page.get_by_test_id("connection")
    expect(lamp).to_have_attribute("data-state", "live")
    told = page.locator("[data-testid=event-row][data-event=TradingStateChanged][data-live=true]")
    site.ask("POST", "/api/trading_state", {"state": "REDUCING", "reason": "before the loss"})
    expect(told.filter(has_text="before the loss")).to_have_count(1)
    wire.sever()
    expect(lamp).to_have_attribute("data-state", re.compile("reconnecting|polling"))
    site.ask("POST", "/api/trading_state", {"state": "ACTIVE", "reason": "while it was away"})
    expect(lamp).to_have_attribute("data-state", "polling")
    expect(page.get_by_test_id("trading-state")).to_have_attribute("data-value", "ACTIVE")
    expect(told.filter(has_text="while it was away")).to_have_count(0)

    wire.cut = False
    page.evaluate("dispatchEvent(new Event('online'))")  # as a network that is back: no wait for the next try
    expect(lamp).to_have_attribute("data-state", "live")
    expect(told.filter(has_text="while it was away")).to_have_count(1)


def test_a_halt_withholds_the_next_signal(visitor: Visitor, site: Site) -> None:
    """Trading is halted on the page; the next signal becomes no order, and the page says why."""
    page = visitor.page
    visitor.open()
    visitor.sign_in()
    expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "live")
    page.get_by_test_id("to-HALTED").click()
    page.get_by_test_id("confirm-reason").fill("a test halts it")
    page.get_by_test_id("confirm-submit").click()
    expect(page.get_by_test_id("trading-state")).to_have_attribute("data-value", "HALTED")
    site.change_settings({"strategies": {"eager": EAGER}})
    withheld = page.locator("[data-testid=event-row][data-event=SignalWithheld][data-live=true]")
    halted = withheld.filter(has_text="trading is HALTED, so no entry is placed")
    try:
        for _ in range(SESSIONS_TO_A_SIGNAL):
            site.trade_session()
            if halted.count():
                break
        expect(halted.first).to_be_visible()
    finally:
        site.change_settings({"strategies": {"eager": None}})
        site.ask("POST", "/api/trading_state", {"state": "ACTIVE", "reason": "the test is over"})
    expect(page.get_by_test_id("trading-state")).to_have_attribute("data-value", "ACTIVE")


def test_preferences_are_kept_and_followed(visitor: Visitor) -> None:
    """The preferred symbol leads the watchlist, and who comes in begins on the preferred page."""
    page = visitor.page
    visitor.open("/config")
    visitor.sign_in(role="viewer")
    page.get_by_test_id("preference-symbols").fill("MSFT")
    page.get_by_test_id("preference-page").select_option("portfolio")
    page.get_by_test_id("preferences-save").click()
    expect(page.get_by_test_id("preferences-save")).to_be_disabled()
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_test_id("watched").first).to_have_attribute("data-symbol", "MSFT")
    page.get_by_test_id("sign-out").click()
    visitor.sign_in(role="viewer")
    expect(page).to_have_url(f"{visitor.site.url}/portfolio")


def test_who_named_a_page_is_not_sent_to_the_preferred_one(visitor: Visitor) -> None:
    """Not at sign-in, nor when the preferences come after a click on the overview."""
    page = visitor.page
    late: list[Route] = []
    held = True

    def hold(route: Route) -> None:
        if held:
            late.append(route)
        else:
            route.continue_()

    page.route("**/api/config/preferences", hold)
    visitor.prefer(first_page="portfolio", symbols=["MSFT"])
    try:
        visitor.open("/trading")
        visitor.sign_in()
        expect(page).to_have_title("Trading · Alpaquero")
        page.get_by_role("link", name="Overview").click()
        expect(page.get_by_test_id("watched").first).to_be_visible()
        held = False
        for route in late:
            route.continue_()
        expect(page.get_by_test_id("watched").first).to_have_attribute("data-symbol", "MSFT")
        expect(page).to_have_url(f"{visitor.site.url}/")
    finally:
        visitor.prefer()
    page.unroute_all(behavior="ignoreErrors")


def test_sign_out_gives_up_what_is_being_read(visitor: Visitor) -> None:
    """A read that hangs is given up before the session ends, none follows, and the console stays clean."""
    page = visitor.page
    given_up: list[str] = []
    asked: list[str] = []
    page.route("**/api/orders?*", lambda _: None)  # never answered
    page.on("requestfailed", lambda request: given_up.append(request.url))
    visitor.open()
    with page.expect_request("**/api/orders?*"):
        visitor.sign_in()
    page.on("request", lambda request: asked.append(_of_api(request)))
    with page.expect_response("**/api/auth/sign-out"):
        page.get_by_test_id("sign-out").click()
    expect(page.get_by_test_id("sign-in-form")).to_be_visible()
    assert any("/api/orders?" in url for url in given_up)
    out = asked.index("POST /api/auth/sign-out")
    assert [] == [request for request in asked[out + 1 :] if request]
    page.unroute_all(behavior="ignoreErrors")


def _of_api(request: Request) -> str:
    path = request.url.partition("/api/")[2]
    return f"{request.method} /api/{path}" if path else ""


def test_books_leave_the_house_as_files(visitor: Visitor, tmp_path: Path) -> None:
    """An export is made and saved, the books are held against the broker's, tax lots are told by year."""
    page = visitor.page
    visitor.forgive("404 (Not Found)")  # while there is no reconciliation yet
    visitor.open("/analytics")
    visitor.sign_in()
    expect(page.get_by_test_id("realised")).to_be_visible()
    expect(page.locator("main .bone")).to_have_count(0)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")  # what is down there is read once it is seen
    expect(page.get_by_test_id("tax-year")).not_to_have_value("")
    page.get_by_test_id("reconcile").click()
    page.get_by_test_id("export-kind").select_option("fills")
    with page.expect_download() as download:
        page.get_by_test_id("export-begin").click()
    download.value.save_as(tmp_path / "fills.csv")
    assert (tmp_path / "fills.csv").read_text().startswith("id,")
    expect(page.get_by_test_id("export-done")).to_contain_text("fills")
    with page.expect_download() as report:
        page.get_by_test_id("report-save").click()
    assert report.value.suggested_filename == "report.html"
    expect(page.get_by_test_id("reconciled")).to_have_attribute("data-agrees", "true")
    visitor.check_axe()


def test_every_page_fits_every_screen(visitor: Visitor) -> None:
    """No page is wider than a phone, a tablet or a desk, light or dark; pictures are kept to be looked at."""
    page = visitor.page
    SCREENS.mkdir(parents=True, exist_ok=True)
    visitor.open()
    visitor.sign_in()
    for name, path in PATHS.items():
        expect(page.get_by_test_id("sign-out")).to_be_visible()  # the door itself has a panel too
        visitor.open(path)
        expect(page.get_by_test_id("sign-out")).to_be_visible()
        expect(page.locator(".frame main .panel").first).to_be_visible()
        expect(page.locator("main .bone")).to_have_count(0)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (
                f"{name} at {width}: {page.evaluate(BEYOND_THE_EDGE)}"
            )
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
                page.screenshot(path=SCREENS / f"{name}-{width}-{scheme}.png", full_page=True)


def test_long_content_stays_within_a_phone(visitor: Visitor) -> None:
    """Large amounts, long names, ids and reasons wrap or scroll within their panel at 390 px."""
    page = visitor.page
    visitor.forgive("404 (Not Found)")  # symbols that were added on the way here
    page.route("**/api/**", answer_at_length)
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})
    visitor.open()
    visitor.sign_in()
    for name, path in PATHS.items():
        expect(page.get_by_test_id("sign-out")).to_be_visible()
        visitor.open(path)
        expect(page.locator(".frame main .panel").first).to_be_visible()
        expect(page.locator("main .bone")).to_have_count(0)
        assert not page.get_by_text("This panel cannot be drawn").count(), name
        for opener in page.locator("main .opener").all()[:1]:
            opener.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[0], (
            f"{name}: {page.evaluate(BEYOND_THE_EDGE)}"
        )
        assert [] == page.evaluate(CUT_OFF), name
        page.screenshot(path=SCREENS / f"{name}-long.png", full_page=True)
    page.unroute_all(behavior="ignoreErrors")


def test_everything_is_sold_by_the_switch(visitor: Visitor, site: Site) -> None:
    """Reducing with the tick set sells all that is held in the next sessions; an admin ends it there."""
    page = visitor.page
    held = a_position(site)["symbol"]
    visitor.open()
    visitor.sign_in(role="trader")
    expect(page.get_by_test_id("position-row").first).to_be_visible()
    page.get_by_test_id("to-REDUCING").click()
    page.get_by_test_id("flatten").check()
    visitor.check_axe()
    page.get_by_test_id("confirm-reason").fill("a test sells everything")
    page.get_by_test_id("confirm-submit").click()
    expect(page.get_by_test_id("trading-switch")).to_contain_text("selling everything")
    expect(page.get_by_test_id("lowered")).to_have_text("REDUCING")
    try:
        for _ in range(SESSIONS_TO_SELL):
            site.trade_session()
            if not site.read("/api/positions")["items"]:
                break
        expect(page.get_by_test_id("position-row")).to_have_count(0)
        expect(page.get_by_test_id("books-agree")).to_have_attribute("data-agree", "true")
        assert [] == site.read("/api/orders?status=open")["items"]
        sales = site.read(f"/api/orders?symbol={held}&status=closed")["items"]
        assert any(sale["status"] == "filled" and sale["reason"].startswith("flatten") for sale in sales)
        page.get_by_test_id("sign-out").click()
        visitor.sign_in()
        page.get_by_test_id("to-ACTIVE").click()
        page.get_by_test_id("confirm-reason").fill("the test is over")
        page.get_by_test_id("confirm-submit").click()
        expect(page.get_by_test_id("lowered")).to_have_count(0)
        expect(page.get_by_test_id("trading-switch")).not_to_contain_text("selling everything")
    finally:
        site.ask("POST", "/api/trading_state", {"state": "ACTIVE", "reason": "the test is over"})
