"""Which symbols a new stack watches."""

from __future__ import annotations

from pathlib import Path

import pytest

from laptop.cli.up import _arguments, up
from laptop.errors import LaptopError
from laptop.watchlist import Watched, chosen

KNOWN = ["SYN0001", "SYN0002", "SYN0003"]


@pytest.mark.parametrize(
    ("wanted", "watched"),
    [
        (None, KNOWN),
        ((), KNOWN),
        ("all", KNOWN),
        (2, KNOWN[:2]),
        (("SYN0003", "SYN0001"), ["SYN0003", "SYN0001"]),
    ],
)
def test_a_watchlist_is_named_counted_or_all(wanted: Watched | None, watched: list[str]) -> None:
    """Names keep their order, a number takes the exchange's first ones, nothing said is all."""
    assert list(chosen(KNOWN, wanted)) == watched


@pytest.mark.parametrize(
    ("wanted", "said"), [(4, "has 3 symbols"), (("AAPL", "SYN0001"), "no prices of AAPL:")]
)
def test_symbols_the_exchange_has_not_are_refused(wanted: Watched, said: str) -> None:
    """An error says how many there are, or which are wrong."""
    with pytest.raises(LaptopError, match=said):
        chosen(KNOWN, wanted)


def test_of_thousands_of_symbols_an_error_names_a_few() -> None:
    """The line of an error stays one that can be read."""
    universe = [f"SYN{number:04}" for number in range(1, 5001)]
    with pytest.raises(LaptopError) as refused:
        chosen(universe, ("AAPL",))
    assert len(str(refused.value)) < 300


def test_a_detached_start_passes_the_universe_on(tmp_path: Path) -> None:
    """The process that stays trades the same made-up symbols and watches as many."""
    context = up.make_context(
        "up", ["--synthetic", "5000", "--watchlist", "all", "--state", str(tmp_path), "--detach"]
    )
    passed_on = _arguments(context.params)
    assert passed_on[passed_on.index("--synthetic") + 1] == "5000"
    assert passed_on[passed_on.index("--watchlist") + 1] == "all"
