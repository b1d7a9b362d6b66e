"""Answers the streams' question what becomes of a message, out of the fault switchboard. `app` joins the two.

A connection that a `stream_mute` rule hits stays mute, control messages included, while the rule is in
force; the socket stays open. The other kinds hit one message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from laptop.exchange.connection import Outgoing, Verdict
from laptop.exchange.faults import STREAM, Asked, FaultKind, Switchboard

_VERDICTS: Final[Mapping[FaultKind, Verdict]] = {
    FaultKind.STREAM_DUPLICATE: Verdict.DUPLICATE,
    FaultKind.STREAM_REORDER: Verdict.HOLD,
    FaultKind.STREAM_LOST: Verdict.SWALLOW,
    FaultKind.STREAM_MUTE: Verdict.SWALLOW,
    FaultKind.STREAM_CUT: Verdict.CUT,
}


class SpoiltStreams:
    """The `StreamFaults` of a switchboard; `now` tells market time."""

    def __init__(self, faults: Switchboard, now: Callable[[], datetime]) -> None:
        self._faults, self._now = faults, now
        self._mute: dict[int, str] = {}  # a connection's number, and the rule that silenced it

    def judge(self, message: Outgoing) -> Verdict:
        """What becomes of a message."""
        if not self._faults:
            return Verdict.DELIVER
        silencer = self._mute.get(message.connection)
        if silencer is not None and silencer in self._faults:
            return Verdict.SWALLOW
        name = f"connection {message.connection}"
        asked = Asked(STREAM, message.stream, self._now(), name, event=message.kind)
        for hit in self._faults.draw(asked):
            if hit.kind is FaultKind.STREAM_MUTE:
                self._mute[message.connection] = hit.rule.id
            return _VERDICTS[hit.kind]
        return Verdict.DELIVER
