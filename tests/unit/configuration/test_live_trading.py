"""Live trading is confirmed by an admin, in the live environment, for one account, with a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from alpaquero.store import live_trading
from functions.configuration import api

Call = Callable[..., tuple[int, Any]]
CONFIRM = {"account_number": "LIVE12345", "reason": "we begin"}


@pytest.fixture
def live(tables: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "SETTINGS", msgspec.structs.replace(api.SETTINGS, environment="live"))


def confirm(call: Call, role: str | None = "admin", **change: Any) -> tuple[int, Any]:
    return call(api.app, "/api/live-trading", method="POST", role=role, body=CONFIRM | change)


@pytest.mark.usefixtures("live")
def test_an_admin_confirms_an_account(call: Call) -> None:
    """It is kept with author and reason, and everyone may see that it was; not the whole number."""
    status, answer = confirm(call)
    assert (status, answer["account"], answer["author"]) == (200, "…2345", "ana")
    kept = live_trading.confirmation()
    assert kept is not None
    assert (kept.account_number, kept.reason) == ("LIVE12345", "we begin")
    assert call(api.app, "/api/live-trading", role="viewer") == (200, answer)


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize(("role", "status"), [("trader", 403), ("viewer", 403), (None, 401)])
def test_nobody_else_confirms(call: Call, role: str | None, status: int) -> None:
    """A trader may trade, and may not decide that it is with real money."""
    assert confirm(call, role)[0] == status
    assert live_trading.confirmation() is None


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("wrong", [{"reason": " "}, {"account_number": ""}, {"more": 1}], ids=str)
def test_a_confirmation_names_account_and_reason(call: Call, wrong: dict[str, Any]) -> None:
    """Nothing is kept of one that does not."""
    status, answer = confirm(call, **wrong)
    assert (status, answer["error"]["code"]) == (400, "invalid_request")
    assert live_trading.confirmation() is None


@pytest.mark.usefixtures("tables")
def test_there_is_nothing_to_confirm_elsewhere(call: Call) -> None:
    """On paper and on the laptop it would only mislead."""
    assert confirm(call)[0] == 409
    status, answer = call(api.app, "/api/live-trading")
    assert (status, answer["environment"], answer["account"]) == (200, "local", None)
