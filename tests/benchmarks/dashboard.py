"""What a reader of the dashboard waits for, and what 50 live symbols cost the browser.

Headless Chromium opens the page of a whole cloud that has traded. The first rows are the time from the
click on "Sign in" until equity, positions and a drawn chart are there, after one visit that starts the
functions; each visit is a fresh browser profile. The last row is the processor time of all of Chromium's
processes while the gateway pushes new prices of 50 symbols once a second, each of which the page shows.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from alpaquero.events.live import PricesChanged, WatchedPrice
from laptop import chromium
from laptop.demo import trade_session
from laptop.quiescence import Quiescence
from laptop.stack import ACCOUNT, Stack
from tests.benchmarks.rows import Goal, Row, percentile
from tests.browser.cloud import ARGUMENTS, cloud_with_page, url_of

SYMBOLS: Final = 50
VISITS: Final = 9
UPDATES: Final = 20
PATIENCE_MILLISECONDS: Final = 60_000
SEEN: Final = {
    "equity": "[data-testid=account-equity]",
    "positions": "[data-testid=position-row]",
    "chart": "[data-testid=chart][data-drawn=true]",
}
# The page's policy lets nothing be evaluated but by the driver itself, so the wait is a promise of its own.
WATCH: Final = """selectors => {
    document.querySelector('[data-testid=sign-in-submit]')
        .addEventListener('click', () => { window.clicked = performance.now(); }, { capture: true });
    window.shown = new Promise(done => {
        const seen = {};
        const look = () => {
            for (const [name, selector] of Object.entries(selectors))
                if (!(name in seen) && document.querySelector(selector)) seen[name] = performance.now();
            if (Object.keys(seen).length === Object.keys(selectors).length) done(seen);
            else requestAnimationFrame(look);
        };
        look();
    });
}"""
TOOK: Final = """window.shown.then(seen =>
    Object.fromEntries(Object.entries(seen).map(([name, at]) => [name, (at - window.clicked) / 1000])))"""
SCROLL: Final = """async () => {
    const list = document.querySelector('.watchlist');
    for (let top = 0; top <= list.scrollHeight; top += 150) {
        list.scrollTop = top;
        await new Promise(done => setTimeout(done, 60));
    }
}"""
LAST_PRICES: Final = (
    "() => [...document.querySelectorAll('.watchlist [data-testid=live-price]')].map(e => e.textContent)"
)


def measure() -> Iterator[Row]:
    """The rows of this part."""
    found = chromium.find_or_install()
    options = ("--synthetic", str(SYMBOLS), "--watchlist", "all")
    with (
        tempfile.TemporaryDirectory(prefix="alpaquero-bench-") as folder,
        cloud_with_page(Path(folder), *options) as stack,
    ):
        _hold_something(stack)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=str(found), args=list(ARGUMENTS))
            yield from _first_sight(browser, stack)
            yield _live_prices(browser, stack)
            browser.close()


def _hold_something(stack: Stack) -> None:
    """A position by hand, so that there is one whatever the rule makes of the prices."""
    quiet = Quiescence(stack, ACCOUNT)
    trade_session(stack, quiet)
    order = {
        "symbol": stack.exchange.status().symbols[0],
        "side": "buy",
        "quantity": "1",
        "order_class": "simple",
    }
    with httpx.Client(
        base_url=url_of(stack), timeout=PATIENCE_MILLISECONDS / 1000, trust_env=False
    ) as client:
        owner = {"username": stack.credentials.email, "password": stack.credentials.password}
        token = client.post("/api/auth/sign-in", json=owner).raise_for_status().json()["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "benchmark"}
        client.post("/api/orders", json=order, headers=headers).raise_for_status()
    for _ in range(2):
        trade_session(stack, quiet)


def _visit(browser: Browser, stack: Stack) -> tuple[Page, dict[str, float]]:
    """A fresh profile that signs in; the seconds from the click until each thing was there."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    page.goto(url_of(stack))
    page.get_by_test_id("sign-in-username").fill(stack.credentials.email)
    page.get_by_test_id("sign-in-password").fill(stack.credentials.password)
    page.evaluate(WATCH, SEEN)
    page.get_by_test_id("sign-in-submit").click()
    return page, page.evaluate(TOOK)


def _first_sight(browser: Browser, stack: Stack) -> Iterator[Row]:
    visits: list[dict[str, float]] = []
    for _ in range(VISITS + 1):
        page, took = _visit(browser, stack)
        page.context.close()
        visits.append(took)
    warm = visits[1:]
    for name in SEEN:
        yield Row(f"dashboard, {name} after sign-in, median", _median(visit[name] for visit in warm), "s")
    whole = [max(visit.values()) for visit in warm]
    yield Row(
        f"dashboard, equity, positions and chart after sign-in, median of {VISITS}",
        _median(whole),
        "s",
        goal=Goal(at_most=1.5),
    )
    yield Row("dashboard, the same with cold functions", max(visits[0].values()), "s")


def _median(values: Iterator[float] | list[float]) -> float:
    return percentile(list(values), 0.5)


def _live_prices(browser: Browser, stack: Stack) -> Row:
    """Pushes by the cloud's own queue, function and socket; the page must show the last ones."""
    page, _ = _visit(browser, stack)
    page.locator("[data-testid=connection][data-state=live]").wait_for()
    page.evaluate(SCROLL)  # a symbol is watched once it was on screen
    page.wait_for_timeout(3000)  # what else the page reads in its first seconds
    queue = stack.physical("PushQueue")
    sqs, status = stack.client("sqs"), stack.exchange.status()
    before, began = _chromium_seconds(), time.monotonic()
    last = ""
    for update in range(1, UPDATES + 1):
        price = Decimal(100) + Decimal(update) / 10
        last = f"{price:.2f}"
        at = status.now + timedelta(seconds=update)
        prices = tuple(
            WatchedPrice(symbol=symbol, bid=price, ask=price, last=price, at=at, age_seconds=0)
            for symbol in status.symbols
        )
        told = PricesChanged(id=f"benchmark:{update}", occurred_at=at, prices=prices)
        body = {"detail-type": "PricesChanged", "detail": json.loads(msgspec.json.encode(told))}
        sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(body))
        page.wait_for_timeout(max(0.0, began + update - time.monotonic()) * 1000)
    share = (_chromium_seconds() - before) / (time.monotonic() - began) * 100
    page.wait_for_timeout(2000)  # the last one is still on its way
    shown: list[Any] = page.evaluate(LAST_PRICES)
    if shown.count(last) < SYMBOLS:
        raise RuntimeError(f"{shown.count(last)} of {SYMBOLS} symbols show the last price {last}: {shown}")
    name = f"dashboard, Chromium's share of a core, {SYMBOLS} symbols live at 1 update a second"
    return Row(name, share, "%", goal=Goal(at_most=25))


def _chromium_seconds() -> float:
    """Processor seconds of every Chromium process of ours so far."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        try:
            if "chrom" in process.name():
                times = process.cpu_times()
                total += times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return total
