"""Lambda's Runtime API for one function's process, and what that process prints; `executor` calls it.

The API is that of https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html: the process asks for
the next event and posts its answer or its error.
"""

from __future__ import annotations

import json
import os
import queue
import select
import subprocess
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOOPBACK = "127.0.0.1"
_ROOT = "/2018-06-01/runtime/"


@dataclass(frozen=True)
class Answer:
    """What a function answered: the body as it sent it, and whether it is an error."""

    body: bytes
    is_error: bool


@dataclass
class Invocation:
    """One event on its way through a process."""

    request_id: str
    payload: bytes
    headers: Mapping[str, str]
    answer: Future[Answer] = field(default_factory=Future)


def error(kind: str, message: str) -> Answer:
    """An answer as Lambda words it when the function did not."""
    return Answer(json.dumps({"errorType": kind, "errorMessage": message}).encode(), is_error=True)


class Output:
    """What a process prints. `take` gives all that was written before the call, and forgets it."""

    _KEPT = 256 * 1024

    def __init__(self, stream: int) -> None:
        os.set_blocking(stream, False)
        self._stream = stream
        self._is_open = True
        self._lock = threading.Lock()
        self._text = bytearray()
        threading.Thread(target=self._follow, daemon=True).start()

    def take(self) -> str:
        """The text since the last call, its oldest part dropped when it is very long."""
        with self._lock:
            self._read()
            text, self._text = self._text, bytearray()
        return text.decode(errors="replace")

    def _read(self) -> None:
        """Read what is there; close the stream when the process has closed its end."""
        while self._is_open:
            try:
                data = os.read(self._stream, 65536)
            except BlockingIOError:
                return
            if not data:
                self._is_open = False
                os.close(self._stream)
            self._text += data
            del self._text[: -self._KEPT]

    def _follow(self) -> None:
        # A process that prints much must not wait for its next answer.
        poll = select.poll()
        poll.register(self._stream, select.POLLIN)
        while self._is_open:
            poll.poll(1000)
            with self._lock:
                self._read()


class Worker:
    """A function's process behind a Runtime API of its own; it serves one event at a time.

    Parameters
    ----------
    command, environment, folder
        What to start, with `AWS_LAMBDA_RUNTIME_API` added.
    """

    def __init__(self, command: list[str], environment: Mapping[str, str], folder: str) -> None:
        self._events: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
        self._current: Invocation | None = None
        self._ready: Future[Answer | None] = Future()
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"worker": self})
        self._server = ThreadingHTTPServer((LOOPBACK, 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        reading, writing = os.pipe()
        self._process = subprocess.Popen(
            command,
            env={**environment, "AWS_LAMBDA_RUNTIME_API": f"{LOOPBACK}:{self._server.server_port}"},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        os.close(writing)
        self.output = Output(reading)
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def runs(self) -> bool:
        """Whether the process is alive."""
        return self._process.poll() is None

    def wait_ready(self, seconds: float) -> Answer | None:
        """Wait until it asks for its first event; gives its error when its handler could not be loaded.

        Raises
        ------
        TimeoutError
            When neither comes in time.
        """
        return self._ready.result(timeout=seconds)

    def invoke(self, invocation: Invocation, seconds: float) -> Answer:
        """The process's answer to an event.

        Raises
        ------
        TimeoutError
            When none comes in time; the process is of no further use.
        """
        with self._lock:
            self._current = invocation
        if not self.runs:
            self._ended()
        self._events.put(invocation)
        return invocation.answer.result(timeout=seconds)

    def stop(self) -> None:
        """End the process, whatever it does, and its API."""
        if self.runs:
            os.killpg(self._process.pid, 9)
        self._process.wait()
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()

    def is_up(self) -> None:
        """The process has loaded its handler."""
        if not self._ready.done():
            self._ready.set_result(None)

    def failed_to_load(self, body: bytes) -> None:
        """The process said that it could not load its handler."""
        if not self._ready.done():
            self._ready.set_result(Answer(body, is_error=True))

    def next_event(self) -> Invocation | None:
        """The next event, or None when the process is being stopped."""
        return self._events.get()

    def answered(self, request_id: str, answer: Answer) -> None:
        """The answer to the event under way; one to an event that was given up is dropped."""
        with self._lock:
            now = self._current
            if now is not None and now.request_id == request_id and not now.answer.done():
                now.answer.set_result(answer)

    def _watch(self) -> None:
        self._process.wait()
        self._ended()

    def _ended(self) -> None:
        gone = error(
            "Runtime.ExitError", f"Runtime exited with error: exit status {self._process.returncode}"
        )
        with self._lock:
            if not self._ready.done():
                self._ready.set_result(gone)
            if self._current is not None and not self._current.answer.done():
                self._current.answer.set_result(gone)


class _Handler(BaseHTTPRequestHandler):
    """The routes of the Runtime API."""

    protocol_version = "HTTP/1.1"
    # A small answer must not wait for the acknowledgement of its own headers.
    disable_nagle_algorithm = True
    wbufsize = -1
    worker: Worker

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 -- the base class names it
        """Says nothing: what matters is in the function's own output."""

    def do_GET(self) -> None:
        if self.path != f"{_ROOT}invocation/next":
            self._reply(404)
            return
        self.worker.is_up()
        event = self.worker.next_event()
        if event is None:
            self.close_connection = True
            return
        self._reply(
            200,
            event.payload,
            {"Lambda-Runtime-Aws-Request-Id": event.request_id, **event.headers},
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = self.path.removeprefix(_ROOT).split("/")
        if parts == ["init", "error"]:
            self.worker.failed_to_load(body)
        elif len(parts) == 3 and parts[0] == "invocation" and parts[2] in {"response", "error"}:
            self.worker.answered(parts[1], Answer(body, is_error=parts[2] == "error"))
        else:
            self._reply(404)
            return
        self._reply(202, b'{"status":"OK"}')

    def _reply(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
