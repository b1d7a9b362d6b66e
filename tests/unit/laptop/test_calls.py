"""How `alpaquero curl` reads its target and signs."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from laptop.calls import parse_target
from laptop.errors import LaptopError
from laptop.stack import DEFAULT_PORTS


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("9001/positions", (9001, "/positions")),
        ("position/positions?limit=1", (9001, "/positions?limit=1")),
        ("http://localhost:9002/orders", (9002, "/orders")),
        ("127.0.0.1:9002/orders", (9002, "/orders")),
        ("/api/account", (9000, "/api/account")),
        ("9005", (9005, "/")),
    ],
)
def test_a_target_is_a_port_and_a_path(target: str, expected: tuple[int, str]) -> None:
    """A number, a service's name, a localhost URL, or a path of the gateway."""
    assert expected == parse_target(target, DEFAULT_PORTS)


@pytest.mark.parametrize("target", ["4566/", "9200/v2/orders", "nowhere/x", "http://example.com/x"])
def test_a_target_elsewhere_is_refused(target: str) -> None:
    """Only ports of the stack's APIs are signed for, so no key leaves this machine."""
    known: Mapping[str, int] = DEFAULT_PORTS
    with pytest.raises(LaptopError, match=r"is no port of the stack: give one of 9000 \(gateway\)"):
        parse_target(target, known)
