"""Trading by hand, settings, backtests and what a role sees, in a real browser against the whole cloud."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import BY_HAND, COLD_START_SECONDS, Site, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.cloud]

SYMBOL = BY_HAND
# The light mix draws by its seed and the number of a request: the seventh is the first that is late.
REQUESTS_TO_A_FAULT = 7


def test_an_order_is_judged_while_typed_then_placed_replaced_and_cancelled(
    visitor: Visitor, site: Site
) -> None:
    """A double click places one order; its replacement and its cancel show without a reload."""
    site.trade_session()  # from then on there is a price
    page = visitor.page
    visitor.open("/trading")
    visitor.sign_in()
    fill_ticket(page, quantity="2", limit_price=below_the_market(site))
    answer = page.locator("[data-testid=verdict-answer][data-stale=false]")
    expect(answer).to_have_attribute("data-approved", "true")
    expect(page.locator("[data-testid=rule][data-outcome=passed]").first).to_be_visible()
    visitor.check_axe()

    page.get_by_test_id("ticket-send").dblclick()
    row = page.locator(f"[data-testid=open-order][data-symbol={SYMBOL}]")
    expect(row).to_have_count(1)
    expect(page.get_by_test_id("sent-order")).to_have_count(1)

    site.trade_session()  # before the market took it over it cannot be replaced
    expect(row).to_have_attribute("data-status", "new")
    row.get_by_test_id("replace").click()
    page.get_by_test_id("replace-quantity").fill("1")
    page.get_by_test_id("replace-send").click()
    replacement = row.filter(has=page.get_by_role("button", name="Cancel buy 1 "))
    expect(replacement).to_have_count(1)
    expect(row).to_have_count(1)

    row.get_by_test_id("cancel").click()
    page.get_by_test_id("confirm-submit").click()
    expect(row).to_have_count(0)
    assert ["canceled", "replaced"] == sorted(order["status"] for order in orders_by_hand(site))

    visitor.open(f"/symbol/{SYMBOL}")
    chart = page.locator(f"[data-testid=chart][data-symbol={SYMBOL}][data-drawn=true]")
    expect(chart).to_have_attribute("data-ended", re.compile("^[1-9]"))
    page.get_by_test_id("show-ended").uncheck()
    expect(chart).to_have_attribute("data-ended", "0")


def fill_ticket(page: Page, **amounts: str) -> None:
    """A simple limit order for a number of shares, good till cancelled."""
    page.get_by_test_id("ticket-symbol").fill(SYMBOL.lower())
    page.get_by_test_id("ticket-order_class").select_option("simple")
    page.get_by_test_id("ticket-order_type").select_option("limit")
    page.get_by_test_id("ticket-time_in_force").select_option("gtc")
    page.get_by_test_id("ticket-size").select_option("quantity")
    for name, amount in amounts.items():
        page.get_by_test_id(f"ticket-{name}").fill(amount)


def below_the_market(site: Site) -> str:
    """A price that the collar allows and the market will not reach at once."""
    return f"{float(site.read(f'/api/latest/{SYMBOL}')['last']) * 0.955:.2f}"


def orders_by_hand(site: Site) -> list[dict[str, Any]]:
    """What was placed by hand of the symbol."""
    items = site.read(f"/api/orders?symbol={SYMBOL}&limit=100")["items"]
    return [order for order in items if order["origin"] == "man"]


def test_a_refusal_names_its_rule_before_and_after_sending(visitor: Visitor) -> None:
    """An order past a limit is refused by that rule's name, in the verdict and once it was sent."""
    page = visitor.page
    visitor.open("/trading")
    visitor.sign_in()
    page.get_by_test_id("ticket-symbol").fill(SYMBOL)
    page.get_by_test_id("ticket-size").select_option("quantity")
    page.get_by_test_id("ticket-quantity").fill("99999")
    refused = page.locator("[data-testid=rule][data-code=position_limit]")
    expect(refused).to_have_attribute("data-outcome", "failed")
    page.get_by_test_id("ticket-send").click()
    expect(page.get_by_test_id("sent-refused")).to_contain_text("position limit")
    expect(page.get_by_test_id("refusal-row")).to_contain_text("position limit")


def test_a_setting_is_changed_beside_another_and_rolled_back(visitor: Visitor, site: Site) -> None:
    """What was typed survives another's change of the same setting; a wrong one is told at its field."""
    page = visitor.page
    visitor.forgive("status of 4")  # what is refused
    visitor.open("/config")
    visitor.sign_in()
    before = int(site.read("/api/config")["version"])
    page.get_by_test_id("settings-find").fill("drawdown")
    release = page.get_by_test_id("setting-risk.drawdown_release_percent")
    release.fill("99")
    page.get_by_test_id("settings-reason").fill("a test widens it")
    page.get_by_test_id("settings-save").click()
    expect(release).to_have_attribute("aria-invalid", "true")

    release.fill("12")
    saved_elsewhere(site, before, {"risk": {"drawdown_release_percent": "11"}})
    conflict = page.get_by_test_id("settings-conflict")
    expect(conflict).to_contain_text("11")
    expect(release).to_have_value("12")
    visitor.check_axe()
    page.get_by_test_id("conflict-keep").click()
    page.get_by_test_id("settings-save").click()
    expect(page.get_by_test_id("settings-version")).to_have_attribute("data-version", str(before + 2))

    row = page.locator(f"[data-testid=version-row][data-version='{before}']")
    row.get_by_test_id("version-roll-back").click()
    page.get_by_test_id("confirm-reason").fill("a test takes it back")
    page.get_by_test_id("confirm-submit").click()
    expect(page.get_by_test_id("settings-version")).to_have_attribute("data-version", str(before + 3))
    assert "10" == site.read("/api/config")["settings"]["risk"]["drawdown_release_percent"]


def saved_elsewhere(site: Site, version: int, settings: dict[str, Any]) -> None:
    """Another admin's change."""
    with httpx.Client(base_url=site.url, timeout=COLD_START_SECONDS, trust_env=False) as client:
        sign_in = {"username": site.username, "password": site.password}
        session = client.post("/api/auth/sign-in", json=sign_in).raise_for_status().json()
        body = {"version": version, "reason": "someone else", "settings": settings}
        headers = {"Authorization": f"Bearer {session['access_token']}"}
        client.post("/api/config", json=body, headers=headers).raise_for_status()


def test_a_watchlist_is_added_changed_and_taken_away(visitor: Visitor, site: Site) -> None:
    """Each step is a version of the settings with its reason; names stand as they were given."""
    page = visitor.page
    visitor.open("/config")
    visitor.sign_in()
    page.get_by_test_id("watchlist-add").click()
    page.get_by_test_id("watchlist-name").fill("quick")
    page.get_by_test_id("watchlist-symbols").fill("ibm, ko\nnot/one")
    page.get_by_test_id("watchlist-reason").fill("a test adds it")
    expect(page.get_by_test_id("watchlist-dialog")).to_contain_text("No symbol: NOT/ONE")
    page.get_by_test_id("watchlist-symbols").fill("ibm, ko")
    page.get_by_test_id("watchlist-save").click()
    added = page.locator("[data-testid=watchlist][data-name=quick]")
    expect(added.get_by_role("heading", name="quick", exact=True)).to_be_visible()
    expect(added).to_contain_text("2 symbols, judged by none")
    added.get_by_test_id("watchlist-edit").click()
    page.get_by_test_id("watchlist-symbols").fill("KO")
    page.get_by_test_id("watchlist-reason").fill("a test makes it shorter")
    visitor.check_axe()
    page.get_by_test_id("watchlist-save").click()
    expect(added).to_contain_text("1 symbol, ")
    assert ["KO"] == site.read("/api/config/watchlists/quick")["symbols"]
    added.get_by_test_id("watchlist-remove").click()
    confirm(page, "a test takes it away")
    expect(added).to_have_count(0)
    assert "a test takes it away" == site.read("/api/config")["reason"]


def confirm(page: Page, reason: str) -> None:
    """Gives the reason that is asked for, and goes on."""
    page.get_by_test_id("confirm-reason").fill(reason)
    page.get_by_test_id("confirm-submit").click()
    expect(page.get_by_test_id("confirm")).to_have_count(0)


def test_a_strategy_is_added_in_shadow_and_taken_away(visitor: Visitor, site: Site) -> None:
    """A strategy of one's own shows among the settings, and is gone after the question."""
    page = visitor.page
    visitor.open("/config")
    visitor.sign_in()
    page.get_by_test_id("add-strategy").click()
    page.get_by_test_id("strategy-name").fill("spare")
    page.get_by_test_id("strategy-reason").fill("a test adds it")
    page.get_by_test_id("strategy-save").click()
    section = page.get_by_test_id("settings-section").filter(has_text="Strategy spare")
    expect(section).to_have_count(1)
    assert "shadow" == site.read("/api/config")["settings"]["strategies"]["spare"]["mode"]
    section.locator("summary").click()
    section.get_by_test_id("remove-strategy-spare").click()
    confirm(page, "a test takes it away")
    expect(section).to_have_count(0)
    assert "spare" not in site.read("/api/config")["settings"]["strategies"]


def test_a_channel_is_named_tested_and_taken_away(visitor: Visitor, site: Site) -> None:
    """A wrong address is told at its field; a test message shows in the delivery log by itself."""
    page = visitor.page
    visitor.forgive("status of 4")  # the wrong address
    visitor.open("/config")
    visitor.sign_in()
    page.get_by_test_id("channel-add").click()
    page.get_by_test_id("channel-name").fill("desk")
    address = page.get_by_test_id("channel-address")
    address.fill("nobody")
    page.get_by_test_id("notifications-save").click()
    expect(address).to_have_attribute("aria-invalid", "true")
    address.fill("desk@alpaquero.local")
    page.get_by_test_id("notifications-save").click()
    expect(page.get_by_test_id("notifications-save")).to_have_count(0)
    page.get_by_test_id("channel-test").click()
    sent = page.get_by_test_id("delivery-row").filter(has_text="A test of this channel")
    expect(sent.first).to_have_attribute("data-state", "sent")
    page.get_by_test_id("channel-remove").click()
    page.get_by_test_id("notifications-save").click()
    expect(page.get_by_test_id("channel")).to_have_count(0)
    expect(page.get_by_test_id("notifications-save")).to_have_count(0)
    assert [] == site.read("/api/notifications/settings")["channels"]


def test_a_viewer_may_look_and_change_nothing(visitor: Visitor) -> None:
    """No ticket, no cancel, no input that takes anything, no backtest to begin."""
    page = visitor.page
    visitor.open("/trading")
    visitor.sign_in(role="viewer")
    expect(page.get_by_test_id("order-log")).to_be_visible()
    for control in ("ticket", "cancel", "replace", "cancel-all"):
        expect(page.get_by_test_id(control)).to_have_count(0)
    page.get_by_role("link", name="Config").click()
    page.get_by_test_id("settings-find").fill("stop loss percent")
    expect(page.get_by_test_id("setting-risk.stop_loss_percent")).to_be_disabled()
    expect(page.get_by_test_id("version-roll-back")).to_have_count(0)
    page.get_by_role("link", name="Analytics").click()
    expect(page.get_by_test_id("backtests")).to_be_visible()
    expect(page.get_by_test_id("backtest-start-button")).to_have_count(0)
    page.get_by_role("link", name="Monitoring").click()
    expect(page.get_by_test_id("fault-mix-light")).to_be_disabled()
    expect(page.get_by_test_id("faults-why")).to_contain_text("role admin")


def test_faults_are_switched_on_counted_and_cleared(visitor: Visitor, site: Site) -> None:
    """An admin spoils the exchange's answers from the page, sees what was hit, and stops it."""
    page = visitor.page
    visitor.open("/monitoring")
    visitor.sign_in()
    try:
        expect(page.get_by_test_id("faults-none")).to_be_visible()
        expect(page.locator("[data-testid=queue-row][data-queue=OrderQueue]")).to_be_visible()
        page.get_by_test_id("fault-mix-light").click()
        expect(page.get_by_test_id("fault-mix-light")).to_have_attribute("aria-pressed", "true")
        expect(page.get_by_test_id("fault-mix-heavy")).to_be_disabled()
        for _ in range(REQUESTS_TO_A_FAULT):
            site.read("/api/market_status")
        late = page.locator("[data-testid=fault-row][data-rule=latency]")
        expect(late).not_to_have_attribute("data-injected", "0")
        expect(page.get_by_test_id("faults-tally")).to_contain_text("late answer")

        page.get_by_test_id("fault-own").click()
        page.get_by_test_id("fault-kind").select_option("html")
        page.get_by_test_id("fault-route").select_option("watchlists")
        page.get_by_test_id("fault-times").fill("1")
        visitor.check_axe()
        page.get_by_test_id("fault-add").click()
        own = page.get_by_test_id("fault-row").filter(has_text="a web page for an answer")
        own.get_by_test_id("fault-remove").click()
        expect(own).to_have_count(0)

        page.get_by_test_id("faults-clear").click()
        page.get_by_test_id("confirm-submit").click()
        expect(page.get_by_test_id("faults-none")).to_be_visible()
        assert [] == site.read("/api/monitoring/faults")["rules"]
    finally:
        site.ask("DELETE", "/api/monitoring/faults")


def test_two_backtests_are_run_and_laid_beside_each_other(visitor: Visitor, site: Site) -> None:
    """Each shows how it comes along and its curve; the comparison tells what a changed setting did."""
    site.trade_session()  # a run stores the bars
    page = visitor.page
    visitor.open("/analytics")
    visitor.sign_in()
    done = page.locator("[data-testid=backtest-row][data-status=done]")
    before = [job["status"] for job in site.read("/api/backtests")["items"]].count("done")
    for number, change in enumerate(["", "risk.stop_loss_percent = 1"], start=before + 1):
        expect(page.get_by_test_id("backtest-start")).not_to_have_value("")
        page.get_by_test_id("backtest-symbols").fill("AAPL MSFT")
        page.get_by_text("Fills, fees and changed settings").click()
        page.get_by_test_id("backtest-changes").fill(change)
        page.get_by_test_id("backtest-start-button").click()
        expect(done).to_have_count(number)
        page.get_by_text("Fills, fees and changed settings").click()
    expect(page.locator("[data-testid=backtest-curve][data-drawn=true]")).to_be_visible()
    for place in (0, 1):
        done.nth(place).get_by_test_id("backtest-compare").check()
    expect(page.locator("[data-testid=comparison-curve][data-drawn=true]")).to_be_visible()
    ends = page.locator("[data-testid=comparison-row][data-name='Ends with']")
    expect(ends).to_contain_text(re.compile(r"\$[\d,]+\.\d\d"))
    visitor.check_axe()


def test_bars_of_five_minutes_are_fetched_and_tested_from_the_form(visitor: Visitor) -> None:
    """A backtest of bars that nobody has stored says so; the form fetches them, and it runs on them."""
    page = visitor.page
    visitor.open("/analytics")
    visitor.sign_in()
    expect(page.get_by_test_id("backtest-start")).not_to_have_value("")
    page.get_by_test_id("backtest-symbols").fill(BY_HAND)
    page.get_by_test_id("backtest-start").fill("2012-03-28")
    page.get_by_test_id("backtest-end").fill("2012-03-30")
    page.get_by_test_id("backtest-settings").select_option("default")
    page.get_by_test_id("backtest-timeframe").select_option("5Min")
    page.get_by_test_id("backtest-start-button").click()
    rows = page.get_by_test_id("backtest-row").filter(has_text="2012-03-28 to 2012-03-30, 5Min")
    expect(rows).to_have_attribute("data-status", "failed")
    expect(page.get_by_test_id("backtest-message").first).to_contain_text(
        f"not all bars of {BY_HAND} are stored"
    )

    page.get_by_test_id("bars-fetch").click()
    expect(page.get_by_test_id("bars-state")).to_have_attribute("data-state", "done")
    visitor.check_axe()
    page.get_by_test_id("backtest-start-button").click()
    done = rows.and_(page.locator("[data-status=done]"))
    expect(done).to_have_count(1)
    result = page.get_by_test_id("backtest-result")
    expect(result).to_contain_text("bars of 5Min")
    expect(result.locator("[data-testid=backtest-curve][data-drawn=true]")).to_be_visible()


def test_tables_are_told_by_their_load(visitor: Visitor) -> None:
    """The laptop counts no capacity, which the panel says; where it is counted, who refused comes first."""
    page = visitor.page
    visitor.open("/monitoring")
    visitor.sign_in()
    tables = page.get_by_test_id("tables")
    expect(tables).to_contain_text("CloudWatch")
    page.route("**/api/monitoring/usage", counted)
    page.reload()
    names = tables.locator("tbody td:first-child")
    expect(names).to_have_text(["Runs", "Books", "Settings"])
    expect(tables.locator("tbody tr").first).to_contain_text("✕7")
    visitor.check_axe()
    page.unroute_all(behavior="ignoreErrors")


def counted(route: Route) -> None:
    """What the cloud answers of the day's use, with tables as CloudWatch counts them on AWS."""
    answer = route.fetch()
    used = [("Settings", 10.5, 0.0, 0), ("Books", 12_000.0, 800.5, 0), ("Runs", 40.0, 3.0, 7)]
    tables = [
        {"table": name, "read_units": read, "write_units": written, "throttles": refused}
        for name, read, written, refused in used
    ]
    route.fulfill(response=answer, json=answer.json() | {"tables": tables})


def test_a_time_of_another_year_shows_its_year(visitor: Visitor) -> None:
    """In the market's year the year goes without saying; once the market is a year on, it is told."""
    page = visitor.page
    visitor.open()
    visitor.sign_in()
    as_of = page.get_by_role("region", name="Account").locator("time[datetime^='2012']").first
    expect(as_of).to_have_text(re.compile(r"^[A-Z][a-z]{2} \d+, \d\d:\d\d$"))
    page.route("**/api/market_status", a_year_on)
    expect(as_of).to_have_text(re.compile(r"^[A-Z][a-z]{2} \d+, 2012, \d\d:\d\d$"))
    page.unroute_all(behavior="ignoreErrors")


def a_year_on(route: Route) -> None:
    """The market's clock, the year after."""
    answer = route.fetch()
    told = answer.json()
    route.fulfill(response=answer, json=told | {"now": told["now"].replace("2012", "2013", 1)})
