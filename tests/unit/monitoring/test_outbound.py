"""A URL from a person reaches the public internet and nothing else."""

from __future__ import annotations

import pytest

from alpaquero.outbound import OutboundRefused, send
from tests.fakes.http_server import Reply, scripted_server


@pytest.mark.parametrize(
    "url",
    [
        "http://hc-ping.com/x",
        "https://name:word@hc-ping.com/x",
        "https://hc-ping.com:8443/x",
        "https:///x",
        "https://hc-ping.com/a b",
        "https://hc-ping.com/\r\nX: y",
        "ftp://hc-ping.com/x",
        "https://[::1",
        "http://127.0.0.1/x",
    ],
)
def test_a_url_of_another_form_is_refused(url: str) -> None:
    """Neither plain http nor another port, a name in the URL, or a broken line; nothing is looked up."""

    def resolve(host: str, port: int) -> list[str]:
        raise AssertionError("nothing may be looked up")

    with pytest.raises(OutboundRefused) as refused:
        send(url, resolve=resolve)
    assert "hc-ping" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.7",
        "169.254.169.254",
        "192.168.1.1",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - refused here
        "224.0.0.1",
        "::1",
        "fd00::1",
        "fe80::1%eth0",
        "::ffff:10.0.0.7",
        "64:ff9b::a9fe:a9fe",
        "2002:0a00:0007::",
    ],
)
def test_a_host_inside_is_refused(address: str) -> None:
    """One address that is not public is enough, even beside a public one."""
    with pytest.raises(OutboundRefused, match="public internet"):
        send("https://example.com/x", resolve=lambda host, port: ["93.184.215.14", address])


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host is looked up once, so a name that changes between two looks gains nothing."""
    reached: list[tuple[str, int]] = []

    def create(target: tuple[str, int], timeout: float) -> None:
        reached.append(target)
        raise ConnectionRefusedError("nobody there")

    monkeypatch.setattr("alpaquero.outbound.socket.create_connection", create)
    with pytest.raises(ConnectionRefusedError):
        send("https://example.com/x", resolve=lambda host, port: ["93.184.215.14"])
    assert reached == [("93.184.215.14", 443)]


def test_no_redirect_is_followed() -> None:
    """On the laptop this machine may be asked; what comes back is the redirect itself."""
    with scripted_server() as server:
        elsewhere = {"Location": "http://127.0.0.1:9/", "Retry-After": "7"}
        server.script = [Reply(302, b"elsewhere", elsewhere)]
        answer = send(f"{server.url}/hook?a=1", body=b"hello", loopback=True)
        [asked] = server.asked
        with pytest.raises(OutboundRefused):
            send(f"{server.url}/hook")
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (302, b"elsewhere", "7")
    assert (asked.path, asked.query, asked.text) == ("/hook", {"a": "1"}, "hello")
