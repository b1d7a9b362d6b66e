"""Client order ids: the same reason gives the same id, another gives another, all fit the broker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpaquero.orders.identity import (
    MAX_REVISION,
    client_order_id,
    exit_key,
    is_ours,
    manual_key,
    signal_key,
)

CLOSE = datetime(2012, 7, 2, 20, 15, tzinfo=UTC)
SIGNAL = ("paper", "stochrsi_ema", "1Day", "buy", "AAPL", CLOSE)
KEY = signal_key(*SIGNAL)


def test_an_id_reads_as_documented() -> None:
    """The id is prefix, origin, symbol, key and revision."""
    assert f"aq1-sig-BRK.B-{KEY}-2" == client_order_id("sig", "BRK.B", KEY, 2)


def test_keys_stay_what_they_were() -> None:
    """A release that changed the keys would order again what is ordered already."""
    assert "zcx66cyv4ajdvzrzy2l5" == KEY
    assert "z22juh5v6g3flomszr4s" == manual_key("paper", "k-1")
    assert "ov4xvntzifel7lx2qht5" == exit_key("paper", "AAPL", "e-1")


@pytest.mark.parametrize(
    ("place", "other"),
    [(0, "live"), (1, "other"), (2, "5Min"), (3, "sell"), (4, "MSFT"), (5, CLOSE + timedelta(days=1))],
)
def test_each_part_of_a_signal_makes_another_key(place: int, other: object) -> None:
    """Account, strategy, timeframe, side, symbol and bar each tell two signals apart."""
    parts = [other if index == place else part for index, part in enumerate(SIGNAL)]
    assert signal_key(*parts) != KEY  # type: ignore[arg-type]


def test_the_time_zone_of_a_bar_does_not_matter() -> None:
    """The same instant in another zone is the same bar."""
    local = CLOSE.astimezone(timezone(timedelta(hours=-4)))
    assert signal_key(*SIGNAL[:5], local) == KEY


def test_parts_are_not_run_together() -> None:
    """Moving a letter from one part to the next makes another key."""
    assert exit_key("paper", "AB", "C") != exit_key("paper", "A", "BC")


def test_kinds_of_keys_do_not_meet() -> None:
    """A person's request and an exit never share a key."""
    assert manual_key("paper", "x") != exit_key("paper", "x", "x")


@pytest.mark.parametrize("call", [lambda: manual_key("paper", ""), lambda: exit_key("paper", "AAPL", "")])
def test_an_empty_reason_is_refused(call: object) -> None:
    """Without an idempotency key or an episode two orders could not be told apart."""
    with pytest.raises(ValueError, match="is empty"):
        call()  # type: ignore[operator]


def test_a_naive_bar_close_is_refused() -> None:
    """A time without a zone names no instant."""
    with pytest.raises(ValueError, match="time zone"):
        signal_key(*SIGNAL[:5], CLOSE.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("origin", "symbol", "key", "revision"),
    [
        ("sig", "aapl", KEY, 0),
        ("sig", "BTC/USD", KEY, 0),
        ("sig", "", KEY, 0),
        ("sig", "AAPL", "short", 0),
        ("sig", "AAPL", KEY, -1),
        ("sig", "AAPL", KEY, MAX_REVISION + 1),
        ("other", "AAPL", KEY, 0),
    ],
)
def test_a_part_that_does_not_fit_is_refused(origin: str, symbol: str, key: str, revision: int) -> None:
    """No id is made that could not be read back."""
    with pytest.raises(ValueError, match="must be"):
        client_order_id(origin, symbol, key, revision)


@given(
    origin=st.sampled_from(["sig", "man", "risk", "prot"]),
    symbol=st.from_regex(r"[A-Z0-9][A-Z0-9.]{0,20}", fullmatch=True),
    episode=st.text(min_size=1),
    revision=st.integers(0, MAX_REVISION),
)
def test_every_id_fits_the_broker_and_shows_its_parts(
    origin: str, symbol: str, episode: str, revision: int
) -> None:
    """Any id has at most 48 characters and is its parts, of a long symbol its beginning."""
    key = exit_key("paper", symbol, episode)
    text = client_order_id(origin, symbol, key, revision)
    assert len(text) <= 48
    shown = symbol if len(symbol) <= 10 else symbol[:9] + "~"
    assert ["aq1", origin, shown, key, str(revision)] == text.split("-")


def test_our_prefix_alone_makes_an_order_ours() -> None:
    """An id with our prefix is ours to recover even when the rest is damaged."""
    assert is_ours("aq1-damaged")
    assert not is_ours("aq10-sig")
    assert not is_ours("xaq1-sig")
