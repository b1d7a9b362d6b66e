"""A dashboard's socket as the tests open it: a ticket, a connection, and the frames that came."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from laptop.processes import LOOPBACK
from tests.integration.asking import Caller
from tests.waiting import PATIENCE_SECONDS


def ticket(caller: Caller) -> str:
    """A one-time ticket for the socket."""
    return str(caller.ask("POST", "/api/auth/ticket").json()["ticket"])


@dataclass
class Dashboard:
    """An open socket; frames that were read stay in `frames`."""

    connection: ClientConnection
    frames: list[dict[str, Any]] = field(default_factory=list)

    def find(self, event_id: str) -> dict[str, Any] | None:
        """The frame of the event with this id, once it has come."""
        return next((f for f in self._heard() if f.get("detail", {}).get("id") == event_id), None)

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The frames of one type that have come, oldest first."""
        return [frame for frame in self._heard() if frame["type"] == kind]

    def say(self, action: str, *topics: str) -> None:
        """Sends a message as the page does."""
        self.connection.send(json.dumps({"action": action, "topics": topics}))

    def _heard(self) -> list[dict[str, Any]]:
        try:
            while True:
                self.frames.append(json.loads(self.connection.recv(timeout=0.05)))
        except (TimeoutError, ConnectionClosed):
            return self.frames


@contextmanager
def dashboard(port: int, with_ticket: str) -> Iterator[Dashboard]:
    """A dashboard that is connected until the block ends."""
    address = f"ws://{LOOPBACK}:{port}/ws?ticket={with_ticket}"
    with connect(address, open_timeout=PATIENCE_SECONDS, proxy=None) as connection:
        yield Dashboard(connection)
