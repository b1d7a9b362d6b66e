"""One request to an address that a person gave us, so that it cannot be turned against our own network.

Called where a URL comes from a setting or a secret: the watchdog of `health_monitor/probe`, webhooks.
Only https on port 443, no name or password in the URL, no redirect followed, every address that the
host has must be a public one, and the connection goes to an address that was checked, not to what a
second look-up says. After OWASP, "Server-Side Request Forgery Prevention".
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import field
from urllib.parse import urlsplit

from alpaquero.errors import AlpaqueroError
from alpaquero.quickly_made import dataclass

MOST_BYTES = 64 * 1024
_PUBLIC_V4_INSIDE = ipaddress.IPv6Network("64:ff9b::/96")  # NAT64, which Python calls global as a whole

Resolve = Callable[[str, int], list[str]]


class OutboundRefused(AlpaqueroError):
    """The URL is none that we may call; the message says what to change, and never the URL itself."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, the first 64 KB of the body, the headers by their names in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def addresses_of(host: str, port: int) -> list[str]:
    """The addresses of `host`. Raises `OSError` when it has none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def send(
    url: str,
    *,
    method: str = "POST",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    timeout_seconds: float = 5.0,
    loopback: bool = False,
    resolve: Resolve = addresses_of,
) -> Answer:
    """Sends one request and answers what came back, whatever its status.

    With `loopback` (the laptop's own environment) http to this machine is allowed as well. Raises
    `OutboundRefused` for a URL we may not call, `OSError` or `http.client.HTTPException` when there is
    no sound answer within `timeout_seconds` for each step.
    """
    connection, target = _connection(url, timeout_seconds, loopback=loopback, resolve=resolve)
    try:
        connection.request(method, target, body=body or None, headers=dict(headers or {}))
        answer = connection.getresponse()
        told = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, answer.read(MOST_BYTES), told)
    finally:
        connection.close()


def _host_and_port(url: str, *, loopback: bool) -> tuple[str, int, bool]:
    """Host, port and whether it is plain http to this machine."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise OutboundRefused("the URL cannot be read; write it as https://host/path") from None
    if not host or parts.username is not None or any(ord(letter) <= 32 for letter in url):
        raise OutboundRefused("the URL must be https://host/path, without a name, password or space")
    if loopback and parts.scheme == "http" and host in {"127.0.0.1", "localhost"}:
        return host, port or 80, True
    if parts.scheme != "https":
        raise OutboundRefused("the URL must begin with https://")
    if port not in {None, 443}:
        raise OutboundRefused("the URL must use port 443; leave the port out")
    return host, 443, False


def _connection(
    url: str, timeout: float, *, loopback: bool, resolve: Resolve
) -> tuple[http.client.HTTPConnection, str]:
    host, port, is_local = _host_and_port(url, loopback=loopback)
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if is_local:
        return http.client.HTTPConnection("127.0.0.1", port, timeout=timeout), target
    addresses = resolve(host, port)
    for address in addresses:
        if not _is_public(address):
            raise OutboundRefused("the URL's host is not on the public internet; name one that is")
    if not addresses:
        raise OSError("the URL's host has no address")
    return _PinnedConnection(host, addresses[0], port, timeout), target


def _is_public(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # an address with a zone is a local one
        return False
    if isinstance(found, ipaddress.IPv6Address) and found in _PUBLIC_V4_INSIDE:
        found = ipaddress.ip_address(int(found) & 0xFFFFFFFF)  # a translator would go to this one
    inner = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    return found.is_global and not found.is_multicast and (inner is None or inner.is_global)


class _PinnedConnection(http.client.HTTPSConnection):
    """HTTPS to one address, its certificate checked for the name of the host."""

    def __init__(self, host: str, address: str, port: int, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout, context=ssl.create_default_context())
        self._address = address

    def connect(self) -> None:
        """Opens the connection to the address that was checked."""
        plain = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)
