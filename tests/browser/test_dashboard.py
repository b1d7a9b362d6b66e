"""The dashboard in a real browser, against the whole laptop cloud.

All answers are the cloud's own; one test turns the browser's clock and takes its cookies.
"""

from __future__ import annotations

import re
import time
from datetime import datetime

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from alpaquero.prices.sessions import NEW_YORK
from tests.browser.conftest import Site, Visitor
from tests.browser.holdings import FIRST_FILL_SECONDS, a_position, held_of

pytestmark = [pytest.mark.browser, pytest.mark.cloud]

PATHS = {
    "/": "Overview",
    "/portfolio": "Portfolio",
    "/trading": "Trading",
    "/analytics": "Analytics",
    "/config": "Config",
    "/monitoring": "Monitoring",
    "/symbol/MSFT": "MSFT",
}
LIVE_FILL = "[data-testid=event-row][data-event=OrderFilled][data-live=true]"
# An exit takes its legs back and sees that done before it sells, on the closed market for the next open.
SESSIONS_TO_SELL = 4
MOST_TABS = 80


def test_a_fill_reaches_the_open_page_by_itself(visitor: Visitor, site: Site) -> None:
    """A signed-in visitor sees a signal become an order, a fill and a position, and books that agree."""
    page = visitor.page
    visitor.open()
    visitor.sign_in()
    expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "live")

    trade_until_a_fill_is_shown_and_held(page, site)

    raised = page.locator("[data-testid=event-row][data-event=SignalRaised][data-live=true]")
    expect(raised.first).to_contain_text("BUY")
    symbol = page.get_by_test_id("position-row").first.get_attribute("data-symbol")
    filled = page.locator(f"[data-testid=order-row][data-status=filled][data-symbol={symbol}]")
    expect(filled.first).to_be_visible()
    page.get_by_role("button", name=str(symbol), exact=True).click()
    chart = page.locator(f"[data-testid=chart][data-symbol={symbol}][data-drawn=true]")
    expect(chart).to_be_visible()
    expect(chart).not_to_have_attribute("data-fills", "0")
    price = page.locator(f"[data-testid=position-row][data-symbol={symbol}]").get_by_test_id("live-price")
    expect(price).to_be_visible()

    account = site.read("/api/account")
    expect(page.get_by_test_id("account-equity")).to_have_attribute("data-value", account["equity"])
    expect(page.get_by_test_id("account-cash")).to_have_attribute("data-value", account["cash"])
    expect(page.get_by_test_id("books-agree")).to_have_attribute("data-agree", "true")
    held = {position["symbol"] for position in site.read("/api/positions")["items"]}
    expect(page.get_by_test_id("position-row")).to_have_count(len(held))
    assert held == symbols_shown(page)

    assert set() == visitor.other_hosts


def trade_until_a_fill_is_shown_and_held(page: Page, site: Site) -> None:
    """Lets sessions pass until the page, never reloaded, shows a live fill and an open position."""
    deadline = time.monotonic() + FIRST_FILL_SECONDS
    while time.monotonic() < deadline:
        site.trade_session()
        # Also lets the browser work: this thread drives it.
        page.wait_for_function("() => document.readyState === 'complete'")
        if page.locator(LIVE_FILL).count() and page.get_by_test_id("position-row").count():
            return
    pytest.fail(f"no live fill and position on the page within {FIRST_FILL_SECONDS} s")


def symbols_shown(page: Page) -> set[str | None]:
    """The symbols of the positions table."""
    return {row.get_attribute("data-symbol") for row in page.get_by_test_id("position-row").all()}


@pytest.mark.parametrize(("path", "name"), PATHS.items())
def test_each_path_answers_the_page(visitor: Visitor, path: str, name: str) -> None:
    """Each path opens its own page after sign-in, with data, without an error or a grave finding of axe."""
    visitor.open(path)
    visitor.sign_in()
    expect(visitor.page).to_have_title(f"{name} · Alpaquero")
    expect(visitor.page.get_by_role("heading", level=1, name=name)).to_be_attached()
    expect(visitor.page.locator(".bone")).to_have_count(0)
    expect(visitor.page.get_by_test_id("error")).to_have_count(0)
    visitor.check_axe()
    assert set() == visitor.other_hosts


def test_the_pages_are_one_page(visitor: Visitor) -> None:
    """Following the navigation changes address and content, loads nothing anew, and goes back."""
    visitor.open()
    visitor.sign_in()
    visitor.page.evaluate("window.stillHere = true")
    visitor.page.get_by_role("link", name="Trading", exact=True).click()
    expect(visitor.page).to_have_url(f"{visitor.site.url}/trading")
    expect(visitor.page).to_have_title("Trading · Alpaquero")
    visitor.page.go_back()
    expect(visitor.page).to_have_title("Overview · Alpaquero")
    assert visitor.page.evaluate("window.stillHere")


def test_a_page_whose_code_was_lost_is_fetched_again(visitor: Visitor) -> None:
    """A network that changes while a page opens costs a moment, not the page."""
    page = visitor.page
    visitor.forgive("net::ERR_FAILED")  # the request that is lost
    lost: list[str] = []

    def lose_one(route: Route) -> None:
        if lost:
            route.continue_()
        else:
            lost.append(route.request.url)
            route.abort()

    visitor.open()
    visitor.sign_in()
    page.route(re.compile(r"/assets/trading-[^/]+\.js"), lose_one)
    page.get_by_role("link", name="Trading", exact=True).click()
    expect(page.get_by_test_id("ticket")).to_be_visible()
    assert len(lost) == 1


def test_a_wrong_password_is_refused(visitor: Visitor) -> None:
    """A wrong password shows the API's refusal and nothing of the account."""
    visitor.forgive("401")
    visitor.open()
    visitor.sign_in(password="Wrong-password-1")
    expect(visitor.page.get_by_test_id("sign-in-error")).to_contain_text("wrong")
    visitor.check_axe()
    expect(visitor.page.get_by_test_id("account-equity")).to_have_count(0)


def test_a_reload_keeps_the_session_until_sign_out(visitor: Visitor) -> None:
    """The session outlives a reload by its cookie, and ends with sign-out; no token is kept in storage."""
    page = visitor.page
    visitor.open()
    visitor.sign_in()
    expect(page.get_by_test_id("account-equity")).to_be_visible()
    page.reload()
    expect(page.get_by_test_id("account-equity")).to_be_visible()
    stored = page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
    assert stored == '{"alpaquero-session":"1"}'
    assert page.evaluate("document.cookie") == ""
    page.get_by_test_id("sign-out").click()
    expect(page.get_by_test_id("sign-in-form")).to_be_visible()
    page.reload()
    expect(page.get_by_test_id("sign-in-form")).to_be_visible()


def test_trading_is_halted_and_resumed_with_a_reason(visitor: Visitor, site: Site) -> None:
    """An admin halts trading after a question, sees it at once everywhere on the page, and resumes it."""
    page = visitor.page
    visitor.open()
    visitor.sign_in()
    change_trading(page, "HALTED", "a test halts it")
    assert "a test halts it" == site.read("/api/trading_state")["reason"]
    change_trading(page, "ACTIVE", "a test resumes it")
    assert "ACTIVE" == site.read("/api/account")["trading_state"]


def test_only_reducing_offers_to_sell_everything(visitor: Visitor) -> None:
    """Halting says that nothing is sold and where to go instead; the API refuses the two together."""
    page = visitor.page
    visitor.open()
    visitor.sign_in()
    page.get_by_test_id("to-HALTED").click()
    expect(page.get_by_test_id("confirm")).to_contain_text("choose Reduce only")
    expect(page.get_by_test_id("flatten")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("confirm")).to_have_count(0)
    page.get_by_test_id("to-REDUCING").click()
    expect(page.get_by_test_id("flatten")).not_to_be_checked()


def test_the_keyboard_reaches_the_ticket_the_switch_and_any_symbol(visitor: Visitor) -> None:
    """Tab leads to the ticket and to the kill switch, whose dialog gives the focus back; / to any symbol."""
    page = visitor.page
    visitor.open("/trading")
    visitor.sign_in()
    expect(page.get_by_test_id("ticket-symbol")).to_be_visible()
    tab_to(page, "ticket-symbol")
    page.keyboard.type("ibm")
    expect(page.get_by_test_id("ticket-symbol")).to_have_value(re.compile("ibm", re.IGNORECASE))

    visitor.open()
    expect(page.get_by_test_id("to-HALTED")).to_be_visible()
    tab_to(page, "to-HALTED")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("confirm")).to_be_visible()
    assert page.evaluate("document.activeElement.closest('[data-testid=confirm]') !== null")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("confirm")).to_have_count(0)
    expect(page.get_by_test_id("to-HALTED")).to_be_focused()

    page.keyboard.press("/")
    expect(page.get_by_test_id("go-to-symbol")).to_be_focused()
    page.keyboard.type("ibm")
    page.keyboard.press("Enter")
    expect(page).to_have_title("IBM · Alpaquero")


def tab_to(page: Page, testid: str) -> None:
    """Presses Tab until the element has the focus."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement?.dataset.testid") == testid:
            return
    pytest.fail(f"Tab does not lead to {testid}")


def change_trading(page: Page, state: str, reason: str) -> None:
    """Presses the switch, gives the reason, and waits until the page shows the state."""
    page.get_by_test_id(f"to-{state}").click()
    page.get_by_test_id("confirm-reason").fill(reason)
    page.get_by_test_id("confirm-submit").click()
    expect(page.get_by_test_id("trading-state")).to_have_attribute("data-value", state)
    expect(page.get_by_test_id("confirm")).to_have_count(0)


@pytest.mark.parametrize(("role", "switches"), [("viewer", 0), ("trader", 2)])
def test_a_role_sees_what_it_may_do(visitor: Visitor, role: str, switches: int) -> None:
    """A viewer sees no trading control at all, a trader the switches that lower trading."""
    visitor.open("/portfolio")
    visitor.sign_in(role=role)
    expect(
        visitor.page.get_by_test_id("positions-table").or_(visitor.page.locator(".empty")).first
    ).to_be_visible()
    if role == "viewer":
        expect(visitor.page.get_by_test_id("close")).to_have_count(0)
    visitor.page.get_by_role("link", name="Overview").click()
    expect(visitor.page.get_by_test_id("trading-switch").locator(".standing-state")).to_be_visible()
    buttons = visitor.page.get_by_test_id("trading-switch").locator(".buttons button")
    expect(buttons).to_have_count(switches)


def test_any_bar_tells_why_it_did_or_did_not_trade(visitor: Visitor, site: Site) -> None:
    """The symbol view explains the newest bar and the one before, each in an address of its own."""
    site.trade_session()
    page = visitor.page
    visitor.open("/symbol/MSFT")
    visitor.sign_in()
    expect(page.locator("[data-testid=chart][data-symbol=MSFT][data-drawn=true]")).to_be_visible()
    expect(page.get_by_test_id("why-step").first).to_be_visible()
    expect(page.get_by_test_id("why-step").filter(has_text="values").first).to_be_visible()
    newest = page.get_by_test_id("why-bar").inner_text()
    page.get_by_test_id("bar-before").click()
    expect(page.get_by_test_id("why-bar")).not_to_have_text(newest)
    assert "bar=" in page.url
    expect(page.get_by_test_id("why-answer").first).to_be_visible()


def test_a_bar_from_long_ago_is_shown_and_explained(visitor: Visitor, site: Site) -> None:
    """An address with an old bar, a day that is gone to, and the chart's left edge each bring older bars."""
    starts: list[int] = site.read("/api/chart/MSFT?limit=1200&timeframe=1Day")["bars"]["time"]
    newest, old, older = 250, starts[-400], starts[-500]
    page = visitor.page
    visitor.open(f"/symbol/MSFT?bar={old}")
    visitor.sign_in()
    chart = page.locator("[data-testid=chart][data-symbol=MSFT][data-drawn=true]")
    expect(page.get_by_test_id("why-bar")).to_contain_text(f"{datetime.fromtimestamp(old, NEW_YORK):%Y}")
    expect(page.get_by_test_id("bar-before")).to_be_enabled()
    assert bars_of(chart) > newest
    page.get_by_test_id("bar-after").click()
    expect(page).to_have_url(re.compile(f"bar={starts[-399]}$"))

    day = datetime.fromtimestamp(older, NEW_YORK)
    page.get_by_test_id("go-to-day").fill(f"{day:%Y-%m-%d}")
    expect(page.get_by_test_id("why-bar")).to_contain_text(f"{day:%b} {day.day}, {day.year}")
    expect(page.get_by_test_id("bar-before")).to_be_enabled()

    visitor.open("/symbol/MSFT")
    expect(chart).to_have_attribute("data-bars", str(newest))
    expect(page.get_by_test_id("why-answer").first).to_be_visible()
    box = chart.locator(".canvas").bounding_box()
    assert box
    for _ in range(2):
        page.mouse.move(box["x"] + 60, box["y"] + 100)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] - 120, box["y"] + 100, steps=8)
        page.mouse.up()
    expect(chart).not_to_have_attribute("data-bars", str(newest))
    expect(page.get_by_test_id("error")).to_have_count(0)
    visitor.check_axe()


def bars_of(chart: Locator) -> int:
    """How many bars are drawn."""
    return int(chart.get_attribute("data-bars") or 0)


def test_half_of_a_position_is_closed_by_hand(visitor: Visitor, site: Site) -> None:
    """The portfolio shows a position's lots and sells a part of it in one of the next sessions."""
    page = visitor.page
    held = a_position(site)
    before = int(held["quantity"])
    visitor.open("/portfolio")
    visitor.sign_in()
    row = page.locator(f"[data-testid=position-row][data-symbol={held['symbol']}]")
    row.get_by_test_id("open-lots").click()
    expect(page.get_by_test_id("lots").locator("tbody tr").first).to_be_visible()
    row.get_by_test_id("close").click()
    page.get_by_test_id("part-quantity").check()
    page.get_by_test_id("close-amount").fill(str(before // 2))
    visitor.check_axe()
    page.get_by_test_id("close-submit").click()
    expect(page.get_by_test_id("close-position")).to_have_count(0)
    for _ in range(SESSIONS_TO_SELL):
        site.trade_session()
        if held_of(site, held["symbol"]) != before:
            break
    left = held_of(site, held["symbol"])
    orders = site.read(f"/api/orders?symbol={held['symbol']}")["items"]
    assert ("sell", str(before // 2)) in [(order["side"], order["quantity"]) for order in orders]
    assert left < before
    if left:  # else the session that sold the half also hit the stop of the rest
        expect(row.locator("td").nth(2)).to_have_text(str(left))
    else:
        expect(row).to_have_count(0)


def test_what_was_typed_outlives_the_session(visitor: Visitor) -> None:
    """A session that ends lays the sign-in over the page; after it the open dialog is as it was."""
    page = visitor.page
    visitor.forgive("401", "WebSocket")  # the session has ended
    page.clock.install()
    visitor.open()
    visitor.sign_in()
    page.get_by_test_id("to-HALTED").click()
    page.get_by_test_id("confirm-reason").fill("typed before the end")
    visitor.check_axe()
    page.context.clear_cookies()
    page.clock.fast_forward("16:00")
    expect(page.get_by_test_id("sign-in-form")).to_be_visible()
    visitor.sign_in()
    expect(page.get_by_test_id("sign-in-form")).to_have_count(0)
    expect(page.get_by_test_id("confirm-reason")).to_have_value("typed before the end")
