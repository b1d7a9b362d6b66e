"""The command line's KEY=VALUE becomes the change that the configuration service takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner

from alpaquero.store.settings_changes import changed
from alpaquero.store.tables import to_body
from alpaquero.store.trading_settings import TradingSettings
from laptop.cli import commands
from laptop.cli import settings as cli
from laptop.cli.settings import change_of

DEFAULTS = msgspec.json.decode(to_body(TradingSettings()))


@pytest.mark.parametrize(
    ("pairs", "change"),
    [
        (["risk.stop_loss_percent=4.10"], {"risk": {"stop_loss_percent": "4.10"}}),
        (["watchlist=AAPL, IBM"], {"watchlist": ["AAPL", "IBM"]}),
        (["watchlist="], {"watchlist": []}),
        (['watchlist=["AAPL"]'], {"watchlist": ["AAPL"]}),
        (["watchlists.tech=AAPL,IBM"], {"watchlists": {"tech": ["AAPL", "IBM"]}}),
        (["log_level=DEBUG"], {"log_level": "DEBUG"}),
        (["log_level=null"], {"log_level": None}),
        (["bar_settle_minutes=20"], {"bar_settle_minutes": 20}),
        (["risk.protect_missing_stops=false"], {"risk": {"protect_missing_stops": False}}),
        (
            ["risk.stop_loss_percent=4", "risk.sizing_method=atr"],
            {"risk": {"stop_loss_percent": "4", "sizing_method": "atr"}},
        ),
        (
            ["strategies.second.rule=ema_cross", "strategies.second.mode=shadow"],
            {"strategies": {"second": {"rule": "ema_cross", "mode": "shadow"}}},
        ),
        (["strategies.stochrsi_ema.mode=shadow"], {"strategies": {"stochrsi_ema": {"mode": "shadow"}}}),
    ],
)
def test_pairs_become_a_change_that_the_service_takes(pairs: list[str], change: dict[str, Any]) -> None:
    """Decimals keep their digits, lists take commas, the rest is JSON or a text."""
    assert change == change_of(pairs, DEFAULTS)
    assert isinstance(changed(TradingSettings(), change), TradingSettings)


@pytest.mark.parametrize("pairs", [["watchlist"], ["=4"], ["risk=4", "risk.stop_loss_percent=4"]])
def test_a_pair_that_is_none_is_a_wrong_use(pairs: list[str]) -> None:
    """The message shows how one is written."""
    with pytest.raises(click.UsageError):
        change_of(pairs, DEFAULTS)


class Service:
    """Answers as the configuration service does, and keeps what it was sent."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []

    def __call__(self, _state: Path | None, method: str, path: str, **given: Any) -> Any:
        if method == "POST":
            self.bodies.append((path, given["body"]))
            return {"version": 8}
        if path.endswith("/diff"):
            change = {"setting": "watchlist", "before": ["IBM"], "after": []}
            return {"from_version": given["query"]["from"], "to_version": 8, "changes": [change]}
        return {"version": 7, "author": "ana", "reason": "to trade", "settings": DEFAULTS}


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    fake = Service()
    monkeypatch.setattr(cli, "_ask", fake)
    return fake


def test_set_sends_the_version_it_read_and_shows_what_changed(service: Service) -> None:
    """Somebody else's change in between is refused by the service, never overwritten."""
    shown = CliRunner().invoke(commands, ["settings", "set", "watchlist=", "--reason", "a pause"])
    assert [
        ("/api/config", {"version": 7, "reason": "a pause", "settings": {"watchlist": []}})
    ] == service.bodies
    assert "version 8" in shown.output
    assert "IBM" in shown.output


def test_roll_back_names_both_versions(service: Service) -> None:
    """The one to bring back, and the one that was in force."""
    CliRunner().invoke(commands, ["settings", "roll-back", "3", "--reason", "as it was"])
    assert [("/api/config/roll-back", {"to": 3, "reason": "as it was", "version": 7})] == service.bodies


@pytest.mark.usefixtures("service")
def test_show_takes_the_part_that_is_named() -> None:
    """A group, or one setting; what there is not is said."""
    shown = CliRunner().invoke(commands, ["settings", "show", "orders", "--json"])
    assert '"orders.reprice_limit_percent": "1"' in shown.output
    assert "watchlist" not in shown.output
    assert CliRunner().invoke(commands, ["settings", "show", "nonsense"]).exception is not None
