"""The port mappings in front of an engine that tells what reached it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from laptop import credentials, http_relay, processes
from laptop.layout import StateFolder
from laptop.ports import CONTENT_TYPES, PAGES, start
from laptop.stack import DEFAULT_PORTS, Child, StackRecord
from tests.fakes.http_server import serving

OUTPUTS = {
    "PublicApi": "aaaa1111",
    "ServicesApi": "bbbb2222",
    "SocketApi": "cccc3333",
    "DashboardBucket": "page",
}
FILES = {
    "/page/index.html": b"<p>hello",
    "/page/assets/a-1.js": b"x" * 200_000,
    "/page/api/docs/index.html": b"<p>routes",
    "/page/api/docs/openapi.json": b"{}",
}


class Engine(BaseHTTPRequestHandler):
    """Answers API requests with what it saw, and a bucket's objects."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path.startswith("/page/"):
            self._object()
            return
        seen = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body.decode(),
        }
        data = json.dumps(seen).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Set-Cookie", "a=1; HttpOnly")
        self.send_header("Set-Cookie", "b=2; HttpOnly")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _object(self) -> None:
        data = FILES.get(self.path)
        signed = self.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256")
        self.send_response(200 if data is not None and signed else 404)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    do_GET = do_POST = do_DELETE = do_OPTIONS = do_HEAD = _answer  # noqa: N815 -- names of the base class

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def engine() -> Iterator[int]:
    """The port of the telling engine."""
    server = ThreadingHTTPServer((processes.LOOPBACK, 0), Engine)
    with serving(server):
        yield server.server_port


@pytest.fixture(scope="module")
def ports(engine: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """The port mappings as the supervisor starts them."""
    state = StateFolder.at(tmp_path_factory.mktemp("ports"))
    numbers = dict(zip(DEFAULT_PORTS, processes.free_ports(len(DEFAULT_PORTS)), strict=True)) | {
        "engine": engine
    }
    credentials.keep(state.credentials_file, credentials.generate().with_user("AKIAX", "secret"))
    own = Child.of("supervisor", os.getpid())
    StackRecord(numbers, OUTPUTS, {}, [own], own, own.started_at).keep(state.stack_file)
    process = start(state)
    try:
        yield numbers
    finally:
        code = processes.stop(process)
    assert code == 0
    assert (state.logs / "ports.log").read_text() == ""


def ask(port: int, path: str, method: str = "GET", body: Any = None, **headers: str) -> tuple[int, Any, Any]:
    """A request's status, headers and body."""
    connection = HTTPConnection(processes.LOOPBACK, port, timeout=10)
    try:
        connection.request(method, path, body=body, headers=headers)
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        connection.close()


def seen(port: int, path: str, method: str = "GET", body: Any = None, **headers: str) -> Any:
    """What reached the engine."""
    return json.loads(ask(port, path, method, body, **headers)[2])


def test_the_gateway_puts_the_stage_before_the_path(ports: dict[str, int], engine: int) -> None:
    """A public request reaches the public API's own host, its query and body untouched."""
    found = seen(
        ports["gateway"], "/api/orders?symbol=A%20B&limit=2", "POST", b'{"x": 1}', Authorization="Bearer t"
    )
    assert found["path"] == "/v1/api/orders?symbol=A%20B&limit=2"
    assert found["headers"]["host"] == f"aaaa1111.execute-api.localhost:{engine}"
    assert (found["body"], found["headers"]["authorization"]) == ('{"x": 1}', "Bearer t")


@pytest.mark.parametrize("name", ["position", "trading", "market_data", "health_monitor"])
def test_a_service_port_puts_its_folder_before_the_path(
    ports: dict[str, int], engine: int, name: str
) -> None:
    """A service's request reaches the services' API below the service's folder, signed by nobody."""
    found = seen(ports[name], "/health")
    assert found["path"] == f"/v1/{name}/health"
    assert found["headers"]["host"] == f"bbbb2222.execute-api.localhost:{engine}"
    assert "authorization" not in found["headers"]


def test_a_signature_passes_untouched(ports: dict[str, int]) -> None:
    """The headers that a signature covers arrive as they were sent."""
    sent = {"Authorization": "AWS4-HMAC-SHA256 Credential=x", "X-Amz-Date": "20261122T000000Z"}
    found = seen(ports["position"], "/positions", **sent)["headers"]
    assert sent == {"Authorization": found["authorization"], "X-Amz-Date": found["x-amz-date"]}


@pytest.mark.parametrize("path", sorted(PAGES))
def test_every_page_answers_the_index(ports: dict[str, int], path: str) -> None:
    """Each path of the document gives the page, asked for anew each time, with the security headers."""
    status, headers, body = ask(ports["dashboard"], path)
    assert (200, b"<p>hello") == (status, body)
    assert headers["content-type"] == CONTENT_TYPES[".html"]
    assert headers["cache-control"] == "no-cache"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert f"ws://localhost:{ports['dashboard']}" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_a_hashed_file_is_kept_for_good(ports: dict[str, int]) -> None:
    """Files below assets/ carry a hash in their name, so they never change."""
    status, headers, body = ask(ports["dashboard"], "/assets/a-1.js")
    assert (200, 200_000) == (status, len(body))
    assert headers["content-type"].startswith("text/javascript")
    assert "immutable" in headers["cache-control"]


@pytest.mark.parametrize(
    "path", ["/nothing.js", "/orders", "/../credentials.json", "/%2e%2e/x.js", "/assets/"]
)
def test_other_paths_of_the_dashboard_are_not_found(ports: dict[str, int], path: str) -> None:
    """What is no page and no file of the bucket answers 404 in the shape of every error."""
    status, _, body = ask(ports["dashboard"], path)
    assert status == 404
    assert json.loads(body)["error"]["code"] == "not_found"


def test_the_dashboard_has_the_api_on_its_own_origin(ports: dict[str, int]) -> None:
    """/api on the dashboard's port is the gateway's."""
    assert seen(ports["dashboard"], "/api/account")["path"] == "/v1/api/account"


@pytest.mark.parametrize("port", ["gateway", "dashboard"])
@pytest.mark.parametrize(
    ("path", "body"),
    [("/api/docs", b"<p>routes"), ("/api/docs/", b"<p>routes"), ("/api/docs/openapi.json", b"{}")],
)
def test_the_description_is_shown_on_both_ports(
    ports: dict[str, int], port: str, path: str, body: bytes
) -> None:
    """/api/docs is the bucket's, with its strict policy, and no route of the API."""
    status, headers, found = ask(ports[port], path)
    assert (200, body) == (status, found)
    assert "default-src 'none'; script-src 'self'" in headers["content-security-policy"]
    assert seen(ports[port], "/api/docsy")["path"] == "/v1/api/docsy"


def test_the_description_page_loads_nothing_from_elsewhere() -> None:
    """Its files name no other host, and no script or style stands in the page itself."""
    folder = Path(__file__).parents[3] / "infra" / "docs"
    texts = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(texts) == {"index.html", "docs.css", "docs.js"}
    for text in texts.values():
        assert "//" not in text.replace("\n//", "").removeprefix("//")
        assert "innerHTML" not in text
    assert re.findall(r"<(?:script|style)[^>]*>[^<]", texts["index.html"]) == []


def test_the_dashboard_takes_no_writes(ports: dict[str, int]) -> None:
    """A POST to a page is refused."""
    assert ask(ports["dashboard"], "/", "POST", b"x")[0] == 405


def test_several_cookies_stay_apart(ports: dict[str, int]) -> None:
    """Each Set-Cookie header of an answer arrives by itself."""
    headers = ask(ports["gateway"], "/api/auth/sign-in", "POST", b"{}")[1]
    assert headers.get_all("set-cookie") == ["a=1; HttpOnly", "b=2; HttpOnly"]


def test_a_strangers_name_for_this_machine_is_refused(ports: dict[str, int]) -> None:
    """A page elsewhere that has its own name resolve to this machine gets nothing."""
    assert ask(ports["gateway"], "/api/account", Host="evil.example")[0] == 421


def test_a_chunked_body_arrives_whole(ports: dict[str, int]) -> None:
    """A body sent in chunks reaches the engine with its length."""
    found = seen(ports["gateway"], "/api/orders", "POST", iter([b"one", b"two"]))
    assert (found["body"], found["headers"]["content-length"]) == ("onetwo", "6")
    assert "transfer-encoding" not in found["headers"]


def test_a_body_over_the_limit_is_refused(ports: dict[str, int]) -> None:
    """A body larger than API Gateway takes answers 413 before it is read."""
    reply = raw(
        ports["gateway"], b"POST /api/orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n"
    )
    assert reply.startswith(b"HTTP/1.1 413")
    assert b"too_large" in reply


@pytest.mark.parametrize(
    "head",
    [
        b"GET http://elsewhere/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: \xb2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: b\nHost: elsewhere\r\n\r\n",
        b"GET /a\nHost:elsewhere HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: b\0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
    ],
)
def test_what_is_no_request_is_refused(ports: dict[str, int], head: bytes) -> None:
    """A head that could be read in two ways, or not at all, answers 400 and ends the connection."""
    assert raw(ports["gateway"], head).startswith(b"HTTP/1.1 400")


def raw(port: int, sent: bytes) -> bytes:
    """Everything that comes back until the connection ends."""
    with socket.create_connection((processes.LOOPBACK, port), timeout=10) as connection:
        connection.sendall(sent)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def test_one_connection_serves_many_requests(ports: dict[str, int]) -> None:
    """A kept connection answers request after request."""
    connection = HTTPConnection(processes.LOOPBACK, ports["gateway"], timeout=10)
    for number in range(5):
        connection.request("GET", f"/api/{number}")
        assert json.loads(connection.getresponse().read())["path"] == f"/v1/api/{number}"
    connection.close()


def test_an_engine_that_is_gone_answers_502() -> None:
    """When nothing answers behind the port, the error says where to look, and the request is sent once."""

    async def asked() -> http_relay.RefusedError:
        upstream = http_relay.Upstream(processes.free_ports(1)[0])
        with pytest.raises(http_relay.RefusedError) as refused:
            await upstream.send(http_relay.Request("GET", "/", ()))
        return refused.value

    error = asyncio.run(asked())
    assert (502, True) == (error.status, "alpaquero status" in str(error))


def test_pages_and_types_cover_the_built_dashboard() -> None:
    """Every kind of file that the page's sources bring has a content type."""
    public = Path(__file__).parents[3] / "frontend" / "public"
    assert {path.suffix for path in public.rglob("*") if path.is_file()} <= set(CONTENT_TYPES)
