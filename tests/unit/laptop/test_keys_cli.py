"""Keys of programs are made, listed and revoked from the command line."""

from __future__ import annotations

import json
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from laptop.cli import commands, keys

KEY = {
    "name": "bot", "role": "viewer", "made_by": "ana", "made_at": "2026-11-23T06:00:00Z",
    "expires_at": "2027-02-21T06:00:00Z", "requests_a_day": 500, "last_used_at": None,
}  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, Any]]:
    """What the API is asked; it answers as the routes do."""
    calls: list[tuple[str, str, Any]] = []

    def answer(_state: object, method: str, path: str, *, body: Any = None) -> Any:
        calls.append((method, path, body))
        return KEY | {"key": "aqk.bot.secret"} if method == "POST" else {"items": [KEY], "next": None}

    monkeypatch.setattr(keys, "_ask", answer)
    return calls


def run(*arguments: str) -> Result:
    return CliRunner().invoke(commands, ["keys", *arguments], catch_exceptions=False, standalone_mode=False)


def test_a_key_stands_alone_on_stdout(asked: list[tuple[str, str, Any]]) -> None:
    """A script can take it from there; what is to be known of it goes to stderr."""
    done = run("create", "bot", "--role", "viewer", "--requests-a-day", "500")
    assert done.stdout == "aqk.bot.secret\n"
    assert "2027-02-21" in done.stderr
    wanted = {"name": "bot", "role": "viewer", "expires_in_days": 90, "requests_a_day": 500}
    assert asked == [("POST", "/api/keys", wanted)]


def test_keys_are_listed_and_revoked(asked: list[tuple[str, str, Any]]) -> None:
    """Both show the keys there are; JSON is the API's own."""
    assert "never" in run("list").stdout
    assert json.loads(run("revoke", "bot", "--json").stdout) == [KEY]
    assert asked == [("GET", "/api/keys", None), ("DELETE", "/api/keys/bot", None)]


def test_no_key_is_an_admins(asked: list[tuple[str, str, Any]]) -> None:
    """The role is refused before anything is asked."""
    with pytest.raises(click.BadParameter, match="admin"):
        run("create", "bot", "--role", "admin")
    assert asked == []


def test_a_name_that_does_not_fit_is_told_in_words(asked: list[tuple[str, str, Any]]) -> None:
    """Before anything is asked of the API, which would name the pattern."""
    with pytest.raises(click.BadParameter, match="small letters, digits and dashes"):
        run("create", "My key", "--role", "viewer")
    assert asked == []
