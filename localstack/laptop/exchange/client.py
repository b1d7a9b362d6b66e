"""A typed client of the exchange's admin routes, for the command line, the demo and the tests."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx
import msgspec

from laptop.exchange.admin_bodies import Report, Status
from laptop.exchange.errors import ExchangeError

_Body = TypeVar("_Body")
_TIMEOUT_SECONDS = 30.0


class ExchangeAdmin:
    """Talks to one running exchange.

    Every method raises ExchangeError when the exchange does not answer or refuses.
    """

    def __init__(self, base_url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(
            base_url=base_url, headers=headers, timeout=_TIMEOUT_SECONDS, trust_env=False
        )

    def __enter__(self) -> Self:
        """Use the client in a with statement."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def status(self) -> Status:
        """Where the clock is."""
        return self._ask("GET", "/admin/status", Status)

    def step(self) -> Status:
        """Trade the next session; the status after it."""
        return self._ask("POST", "/admin/step", Status, {})

    def clock(self, *, mode: str | None = None, seconds_per_session: float | None = None) -> Status:
        """Set who moves the clock (`running` or `stepped`) and how fast; the status after it."""
        wanted = {"mode": mode, "seconds_per_session": seconds_per_session}
        return self._ask("POST", "/admin/clock", Status, wanted)

    def report(self) -> Report:
        """The exchange's own truth about cash, positions, orders and fills."""
        return self._ask("GET", "/admin/report", Report)

    def checkpoint(self, path: Path) -> None:
        """Have the exchange write a consistent copy of its book to `path`."""
        self._ask("POST", "/admin/checkpoint", dict[str, str], {"path": str(path.absolute())})

    def _ask(self, method: str, path: str, kind: type[_Body], body: object | None = None) -> _Body:
        try:
            answer = self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise ExchangeError(
                f"the paper exchange at {self._http.base_url} does not answer ({error}); "
                "look at its log, then start it again"
            ) from error
        if answer.is_error:
            raise ExchangeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return msgspec.json.decode(answer.content, type=kind)
