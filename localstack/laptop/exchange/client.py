"""A typed client of the exchange's admin routes, for the command line, the demo and the tests."""

from __future__ import annotations

import ssl
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from laptop.exchange.admin_bodies import (
    ChangesPage,
    ClockSetting,
    FaultsInForce,
    InjectedFaults,
    LedgerPage,
    NewFaults,
    Report,
    Status,
)
from laptop.exchange.errors import ExchangeError
from laptop.exchange.faults import FaultRule, RuleState

_Body = TypeVar("_Body")
_TIMEOUT_SECONDS = 30.0
_JUMP_SECONDS = 600.0  # a jump trades every session it passes
# The exchange speaks plain HTTP: loading the certificates of all authorities would only cost time.
_NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class ExchangeAdmin:
    """Talks to one running exchange.

    Every method raises ExchangeError when the exchange does not answer or refuses.
    """

    def __init__(self, base_url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(
            base_url=base_url,
            headers=headers,
            timeout=_TIMEOUT_SECONDS,
            trust_env=False,
            verify=_NO_AUTHORITIES,
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

    @property
    def url(self) -> str:
        """Where the exchange listens, without a slash at the end."""
        return str(self._http.base_url).rstrip("/")

    def status(self) -> Status:
        """Where the clock is."""
        return self._ask("GET", "/admin/status", Status)

    def step(self) -> Status:
        """Trade the next session; the status after it."""
        return self._ask("POST", "/admin/step", Status, {})

    def clock(self, *, mode: str | None = None, seconds_per_session: float | None = None) -> Status:
        """Set who moves the clock (`running`, `real` or `stepped`) and how fast; the status after it."""
        return self._set_clock(ClockSetting(mode=mode, seconds_per_session=seconds_per_session))

    def pause(self) -> Status:
        """Let market time stand still; the status after it."""
        return self._set_clock(ClockSetting(paused=True))

    def resume(self) -> Status:
        """Let market time follow wall time again after a pause; the status after it."""
        return self._set_clock(ClockSetting(paused=False))

    def jump(self, to: date | datetime) -> Status:
        """Trade all that lies before a date (its midnight in New York) or time as fast as it goes.

        Answers the status there. A time that has passed, or that lies beyond the prices, is refused.
        """
        return self._set_clock(ClockSetting(to=to.isoformat()))

    def _set_clock(self, wanted: ClockSetting) -> Status:
        return self._ask("POST", "/admin/clock", Status, wanted, seconds=_JUMP_SECONDS)

    def report(self) -> Report:
        """The exchange's own truth about cash, positions, orders and fills."""
        return self._ask("GET", "/admin/report", Report)

    def checkpoint(self, path: Path) -> None:
        """Have the exchange write a consistent copy of its book to `path`."""
        self._ask("POST", "/admin/checkpoint", dict[str, str], {"path": str(path.absolute())})

    def ledger(self, after: int = 0, limit: int = 1000) -> LedgerPage:
        """The requests that changed something, after number `after`."""
        return self._ask("GET", f"/admin/ledger?after={after}&limit={limit}", LedgerPage)

    def changes(self, after: int = 0, limit: int = 1000) -> ChangesPage:
        """The changes of the book, after number `after`."""
        return self._ask("GET", f"/admin/changes?after={after}&limit={limit}", ChangesPage)

    def faults(self) -> list[RuleState]:
        """The fault rules in force."""
        return self._ask("GET", "/admin/faults", FaultsInForce).rules

    def add_faults(self, *rules: FaultRule) -> list[RuleState]:
        """Put fault rules in force, all or none; the rules with their ids."""
        return self._ask("POST", "/admin/faults", FaultsInForce, NewFaults(list(rules))).rules

    def add_fault_mix(self, mix: str, seed: int = 0) -> list[RuleState]:
        """Put the rules of `light` or `heavy` in force; the rules."""
        return self._ask("POST", "/admin/faults", FaultsInForce, NewFaults(mix=mix, seed=seed)).rules

    def remove_fault(self, rule_id: str) -> None:
        """Take one fault rule out of force."""
        self._ask("DELETE", f"/admin/faults/{quote(rule_id, safe='')}", FaultsInForce)

    def clear_faults(self) -> None:
        """Take every fault rule out of force; what was injected stays listed."""
        self._ask("DELETE", "/admin/faults", FaultsInForce)

    def injected_faults(self, after: int = 0, limit: int = 1000) -> InjectedFaults:
        """The faults injected since the exchange started: counts by kind, and those after number `after`."""
        return self._ask("GET", f"/admin/faults/injected?after={after}&limit={limit}", InjectedFaults)

    def cut_streams(self) -> int:
        """Drop every open websocket at once; how many there were."""
        return self._ask("POST", "/admin/streams/cut", dict[str, int], {})["cut"]

    def _ask(
        self,
        method: str,
        path: str,
        kind: type[_Body],
        body: object | None = None,
        *,
        seconds: float = _TIMEOUT_SECONDS,
    ) -> _Body:
        content = None if body is None else msgspec.json.encode(body)
        try:
            answer = self._http.request(method, path, content=content, timeout=seconds)
        except httpx.HTTPError as error:
            raise ExchangeError(
                f"the paper exchange at {self._http.base_url} does not answer ({error}); "
                "look at its log, then start it again"
            ) from error
        if answer.is_error:
            raise ExchangeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return msgspec.json.decode(answer.content, type=kind)
