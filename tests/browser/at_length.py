"""The cloud's own answers with amounts and texts as long as they may come: does a page hold them?"""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Route

A_NAME = "a-name-that-somebody-made-quite-long"
NAMES = {"strategy", "name", "author", "requested_by", "channel", "user", "username", "account"}
AN_ID = "0123456789abcdef" * 5
IDS = {"client_order_id", "broker_order_id", "correlation_id", "run_id", "replaces", "id"}
# What a panel cuts off at its right edge, where nothing scrolls and no dots stand for the rest.
CUT_OFF = """[...document.querySelectorAll("main .panel")].flatMap((panel) => {
  const edge = panel.getBoundingClientRect().right + 1;
  const ends = (one) => getComputedStyle(one).overflowX !== "visible";
  const scrolls = (one) => one !== panel && (ends(one) || scrolls(one.parentElement));
  const title = panel.getAttribute("aria-label") ?? panel.querySelector("h2")?.textContent;
  return [...panel.querySelectorAll("*")]
    .filter((one) => one.getBoundingClientRect().right > edge && !scrolls(one))
    .map((one) => `${title}: ${one.tagName}.${one.className}`);
}).slice(0, 12)"""


def answer_at_length(route: Route) -> None:
    """Answers a read with what the cloud answers, made long."""
    if route.request.method != "GET":
        route.continue_()
        return
    answer = route.fetch()
    if "json" not in answer.headers.get("content-type", ""):
        route.fulfill(response=answer)
        return
    told = at_length(answer.json())
    if route.request.url.endswith("/api/config"):
        told["settings"]["watchlist"] += [f"LONG.{number:03}" for number in range(60)]
    route.fulfill(response=answer, json=told)


def at_length(value: Any, name: str = "") -> Any:
    """A JSON value, its amounts and texts made long and its codes, times and numbers left alone."""
    if isinstance(value, dict):
        return {key: at_length(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [at_length(inner, name) for inner in value]
    return _text_at_length(value, name) if isinstance(value, str) else value


def _text_at_length(text: str, name: str) -> str:
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return "-1234.5678" if "percent" in name else "-123456789.12"
    if name in NAMES and text:
        return A_NAME
    if name in IDS:
        return text + AN_ID
    return f"{text} {'W' * 60} {text}" if " " in text else text
