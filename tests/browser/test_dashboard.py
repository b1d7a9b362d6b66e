"""The dashboard in a real browser, against the whole laptop cloud: no part of it is mocked."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, Visitor

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
FIRST_FILL_SECONDS = 300


def test_a_fill_reaches_the_open_page_by_itself(visitor: Visitor, site: Site) -> None:
    """A signed-in visitor sees a fill arrive live, its order and position, and books that agree."""
    page = visitor.page
    visitor.open()
    visitor.sign_in()
    expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "live")

    trade_until_a_fill_is_shown_and_held(page, site)

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

    assert [] == visitor.errors
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
    """Each of the six paths opens its own page after sign-in, with data and without an error."""
    visitor.open(path)
    visitor.sign_in()
    expect(visitor.page).to_have_title(f"{name} · Alpaquero")
    expect(visitor.page.get_by_role("heading", level=1, name=name)).to_be_attached()
    expect(visitor.page.locator(".bone")).to_have_count(0)
    expect(visitor.page.get_by_test_id("error")).to_have_count(0)
    assert [] == visitor.errors
    assert set() == visitor.other_hosts


def test_the_pages_are_one_page(visitor: Visitor) -> None:
    """Following the navigation changes address and content, loads nothing anew, and goes back."""
    visitor.open()
    visitor.sign_in()
    visitor.page.evaluate("window.stillHere = true")
    visitor.page.get_by_role("link", name="Trading").click()
    expect(visitor.page).to_have_url(f"{visitor.site.url}/trading")
    expect(visitor.page).to_have_title("Trading · Alpaquero")
    visitor.page.go_back()
    expect(visitor.page).to_have_title("Overview · Alpaquero")
    assert visitor.page.evaluate("window.stillHere")


def test_a_wrong_password_is_refused(visitor: Visitor) -> None:
    """A wrong password shows the API's refusal and nothing of the account."""
    visitor.open()
    visitor.sign_in(password="Wrong-password-1")
    expect(visitor.page.get_by_test_id("sign-in-error")).to_contain_text("wrong")
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
    assert [] == visitor.errors


@pytest.mark.parametrize("path", PATHS)
def test_no_page_is_wider_than_a_phone(phone: Visitor, path: str) -> None:
    """Each page fits a phone's width; only tables scroll sideways, inside their panel."""
    phone.open(path)
    phone.sign_in()
    expect(phone.page.locator("main .bone")).to_have_count(0)
    expect(phone.page.locator("main .panel").first).to_be_visible()
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390
