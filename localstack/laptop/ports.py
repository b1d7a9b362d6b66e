"""The port mappings: one loopback process in front of the engine, as CloudFront is on AWS.

The supervisor has ``start`` run it as ``python -m laptop.ports --state DIR``. It knows three kinds of port:

- the gateway (9000): the public API, its stage put before the path, ``/ws`` the dashboard socket, and
  ``/api/docs`` the API's description, which are files of the dashboard's bucket;
- a service (9001 to 9010): the services' API, stage and service folder put before the path. It never
  signs. It gives a request the API's own host again, so that a signature made for that host verifies;
- the dashboard (9100): the page from its bucket, and the gateway's ``/api`` and ``/ws`` on one origin.

The ids of the APIs come from ``stack.json`` and are read again whenever a deploy rewrites it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import quote, unquote

from laptop import credentials, http_relay, processes
from laptop.engine import REGION, api_host
from laptop.http_relay import RefusedError, Request, Upstream
from laptop.layout import StateFolder
from laptop.processes import LOOPBACK
from laptop.stack import SERVICE_PORTS, StackRecord

STAGE: Final = "v1"
PAGES: Final = frozenset({"/", "/portfolio", "/trading", "/analytics", "/config", "/monitoring"})
DOCUMENTATION: Final = "/api/docs"
_SYMBOL_PAGE: Final = re.compile(r"/symbol/[A-Za-z0-9.%]{1,40}/?$")
CONTENT_TYPES: Final[Mapping[str, str]] = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
}
# What CloudFront's response headers policy says on AWS.
SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self' {sockets}; manifest-src 'self'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
# A page elsewhere that had its own name resolve to this machine would send that name.
_OWN_NAMES: Final = re.compile(r"(localhost|127\.0\.0\.1|\[::1\]|[\w.-]+\.localhost)(:\d+)?$")


@dataclass
class Directory:
    """Where requests go: read from ``stack.json``, and again when it changes."""

    state: StateFolder
    _read_at: int = -1
    _record: StackRecord | None = None

    @property
    def record(self) -> StackRecord:
        changed = self.state.stack_file.stat().st_mtime_ns
        if self._record is None or changed != self._read_at:
            self._record, self._read_at = StackRecord.load(self.state.stack_file), changed
        if self._record is None:
            raise RefusedError(502, "unavailable", "Nothing is up: start it with `alpaquero up`.")
        return self._record

    @property
    def engine_port(self) -> int:
        return self.record.ports["engine"]

    def host(self, output: str) -> str:
        """An API's own host, which signatures are made for."""
        return api_host(self.record.outputs[output], self.engine_port)


Route = Callable[[Request, "Connection"], Awaitable[bool]]


@dataclass
class Connection:
    """A client's connection: where its answers go and its way to the engine."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    upstream: Upstream

    async def relay(self, request: Request) -> bool:
        """Pass a request on and its answer back; False when the connection must end."""
        if request.is_socket:
            await http_relay.tunnel(request, self.upstream, self.reader, self.writer)
            return False
        return await self.upstream.pass_back(request, self.writer)

    def reply(self, status: int, headers: dict[str, str], body: bytes, *, with_body: bool = True) -> bool:
        """Answer from here."""
        self.writer.write(http_relay.answer(status, headers, body, with_body=with_body))
        return True


@dataclass
class Ports:
    """The routes of every port."""

    directory: Directory
    objects: Objects

    def gateway(self) -> Route:
        """The public API, its description and the dashboard's socket."""

        async def route(request: Request, connection: Connection) -> bool:
            if request.path == DOCUMENTATION or request.path.startswith(f"{DOCUMENTATION}/"):
                return await self.objects.answer(request, connection)
            if request.path == "/ws" and "SocketApi" not in self.directory.record.outputs:
                raise RefusedError(404, "not_found", "This engine has no sockets: the dashboard polls.")
            if request.path == "/ws":
                query = request.target.removeprefix("/ws")
                return await connection.relay(
                    request.to(self.directory.host("SocketApi"), f"/{STAGE}{query}")
                )
            target = f"/{STAGE}{request.target}"
            return await connection.relay(request.to(self.directory.host("PublicApi"), target))

        return route

    def service(self, name: str) -> Route:
        """One service's part of the services' API."""

        async def route(request: Request, connection: Connection) -> bool:
            target = f"/{STAGE}/{name}{request.target}"
            return await connection.relay(request.to(self.directory.host("ServicesApi"), target))

        return route

    def dashboard(self) -> Route:
        """The page, with the gateway on the same origin."""
        gateway = self.gateway()

        async def route(request: Request, connection: Connection) -> bool:
            if request.path == "/ws" or request.path.startswith("/api/"):
                return await gateway(request, connection)
            return await self.objects.answer(request, connection)

        return route


@dataclass
class Objects:
    """The dashboard's bucket, served as CloudFront would."""

    directory: Directory

    async def answer(self, request: Request, connection: Connection) -> bool:
        """Send the object of a path, ``index.html`` for each page.

        Raises
        ------
        RefusedError
            404 for anything else, 405 for a method that writes.
        """
        if request.method not in {"GET", "HEAD"}:
            raise RefusedError(405, "method_not_allowed", "The dashboard's files are read only.")
        page = request.path in PAGES or _SYMBOL_PAGE.match(request.path)
        key = "index.html" if page else unquote(request.path).lstrip("/")
        if request.path.rstrip("/") == DOCUMENTATION:
            key = f"{DOCUMENTATION.lstrip('/')}/index.html"
        suffix = PurePosixPath(key).suffix
        if suffix not in CONTENT_TYPES or ".." in key:
            raise RefusedError(404, "not_found", f"There is no page {request.path}.")
        status, etag, body = await self._object(key, request.header("if-none-match"), connection.upstream)
        if status not in {200, 304}:
            raise RefusedError(404, "not_found", self._missing(key))
        headers = {"Content-Type": CONTENT_TYPES[suffix], "Cache-Control": caching(key), "ETag": etag}
        headers |= self._security()
        return connection.reply(status, headers, body, with_body=request.method == "GET" and status == 200)

    def _missing(self, key: str) -> str:
        if key.endswith("index.html"):
            return "The dashboard is not published yet: `alpaquero up` builds it; see logs/dashboard.log."
        return f"There is no file /{key}."

    def _security(self) -> dict[str, str]:
        port = self.directory.record.ports["dashboard"]
        # Safari does not take a page's own socket for 'self'.
        sockets = f"ws://localhost:{port} ws://{LOOPBACK}:{port}"
        return {name: value.format(sockets=sockets) for name, value in SECURITY_HEADERS.items()}

    async def _object(self, key: str, known: str, upstream: Upstream) -> tuple[int, str, bytes]:
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        record = self.directory.record
        secrets = credentials.load(self.directory.state.credentials_file)
        if secrets is None:
            raise RefusedError(502, "unavailable", "credentials.json is missing: start with `alpaquero up`.")
        host = f"{LOOPBACK}:{record.ports['engine']}"
        target = f"/{record.outputs['DashboardBucket']}/{quote(key)}"
        signed = AWSRequest(
            "GET", f"http://{host}{target}", headers={"If-None-Match": known} if known else {}
        )
        S3SigV4Auth(Credentials(secrets.key_id, secrets.secret_key), "s3", REGION).add_auth(signed)
        headers = (("Host", host), *((str(name), str(value)) for name, value in signed.headers.items()))
        head, reader, _ = await upstream.send(Request("GET", target, headers))
        status_line, *lines = head[:-4].decode("latin-1").split("\r\n")
        found = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(found.get("content-length", "0") or 0))
        return int(status_line.split(" ", 2)[1]), found.get("etag", ""), body


def caching(key: str) -> str:
    """Files with a hash in their name never change; the page itself is asked for anew."""
    return "public, max-age=31536000, immutable" if key.startswith("assets/") else "no-cache"


@dataclass
class Server:
    """Listens on every port until told to stop."""

    ports: Ports
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, listening: Mapping[str, int], ready: Path | None = None) -> None:
        """Listen until SIGTERM; ``ready`` is touched once every port listens."""
        routes = {"gateway": self.ports.gateway(), "dashboard": self.ports.dashboard()}
        routes |= {name: self.ports.service(name) for name in SERVICE_PORTS}
        servers = [
            await asyncio.start_server(
                self._client(routes[name]), LOOPBACK, listening[name], limit=http_relay.MAX_HEAD
            )
            for name in routes
        ]
        if ready is not None:
            ready.touch()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await stop.wait()
        for server in servers:
            server.close()
        for writer in list(self._open):
            writer.close()

    def _client(
        self, route: Route
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._open.add(writer)
            upstream = Upstream(self.ports.directory.engine_port)
            connection = Connection(reader, writer, upstream)
            try:
                while await self._one(route, connection):
                    await writer.drain()
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                return  # the client left, or the server stops
            finally:
                upstream.close()
                self._open.discard(writer)
                with contextlib.suppress(ConnectionError):
                    writer.close()

        return client

    async def _one(self, route: Route, connection: Connection) -> bool:
        """One request and its answer; False when the connection must end."""
        try:
            request = await http_relay.read_request(connection.reader, connection.writer)
            if request is None:
                return False
            _require_own_name(request)
            return await route(request, connection) and request.keeps_alive
        except RefusedError as error:
            connection.writer.write(http_relay.refusal(error))
            await connection.writer.drain()
            return error.status in {404, 405}


def _require_own_name(request: Request) -> None:
    if not _OWN_NAMES.match(request.header("host")):
        raise RefusedError(421, "misdirected", "Ask for localhost: this port serves this machine alone.")


def start(state: StateFolder) -> subprocess.Popen[bytes]:
    """The port mappings of the stack in ``state`` as a child process, once every port listens.

    Raises
    ------
    NotReadyError
        When they do not come up; none is left behind.
    """
    ready, log = state.root / "ports-ready", state.logs / "ports.log"
    ready.unlink(missing_ok=True)
    process = processes.start(
        [sys.executable, "-m", "laptop.ports", "--state", state.root, "--ready", ready],
        environment=processes.base_environment(),
        log=log,
    )
    try:
        processes.wait_until(ready.exists, what="the port mappings", log=log, process=process)
    except BaseException:
        processes.stop(process, seconds=5)
        raise
    return process


def main(arguments: list[str] | None = None) -> int:
    """Run the port mappings of a stack until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m laptop.ports", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="the stack's state folder")
    parser.add_argument("--ready", type=Path, help="a file to touch once every port listens")
    options = parser.parse_args(arguments)
    directory = Directory(StateFolder.at(options.state))
    server = Server(Ports(directory, Objects(directory)))
    asyncio.run(server.serve(directory.record.ports, options.ready))
    return 0


if __name__ == "__main__":
    sys.exit(main())
