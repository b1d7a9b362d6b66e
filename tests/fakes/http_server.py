"""A loopback HTTP server that answers from a script and remembers what it was asked, for adapter tests."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Reply:
    """One answer. `cut` closes the connection in mid-body or before any; `stall` never answers."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    stall: bool = False

    @property
    def payload(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    text: str
    headers: dict[str, str]

    @property
    def body(self) -> Any:
        """The JSON that was sent."""
        return json.loads(self.text) if self.text else None


class ScriptedServer(ThreadingHTTPServer):
    """Answers each request with the next reply of `script`; 500 when the script has run out."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[Reply] = []
        self.asked: list[Asked] = []
        self.connections = 0
        self.let_go = threading.Event()

    def get_request(self) -> tuple[Any, Any]:
        """Takes the next connection, and counts it."""
        self.connections += 1
        return super().get_request()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def log_message(self, *_: Any) -> None:
        """Says nothing: the test reads `asked`."""

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.server.asked.append(
            Asked(self.command, parts.path, dict(parse_qsl(parts.query)), text, dict(self.headers))
        )
        reply = (
            self.server.script.pop(0) if self.server.script else Reply(500, {"message": "script has run out"})
        )
        if reply.stall:
            self.server.let_go.wait(20)
            self.close_connection = True
            return
        if reply.cut and not reply.payload:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.payload) * (2 if reply.cut else 1)))
        self.end_headers()
        self.wfile.write(reply.payload)
        self.close_connection = reply.cut

    do_GET = do_POST = do_DELETE = do_PATCH = _answer  # noqa: N815 - http.server's names


@contextmanager
def serving(server: HTTPServer) -> Iterator[str]:
    """Has the server answer in a thread, and gives its address; it is closed at the end whatever happens."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    """A running server, stopped at the end whatever happens."""
    server = ScriptedServer()
    with serving(server):
        try:
            yield server
        finally:
            server.let_go.set()
