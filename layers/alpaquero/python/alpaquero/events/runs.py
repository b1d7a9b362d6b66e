"""The events that tell of a run: what plans it and what concludes it puts them on the bus."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from alpaquero.events.bus import EncodedEvent, encoded
from alpaquero.events.schemas import Event, RunConcluded, RunMissed, RunPlanned, SignalRaised, SignalWithheld
from alpaquero.strategy.run import Run, SignalRecord
from alpaquero.strategy.signal import Signal


def run_planned(run: Run) -> EncodedEvent:
    """`RunPlanned`."""
    event = RunPlanned(
        id=f"planned:{run.id}",
        occurred_at=run.planned_market_at,
        account=run.account,
        correlation_id=run.correlation_id,
        run_id=run.id,
        timeframe=run.timeframe,
        bar_close=run.bar_close,
        symbols=run.symbols,
        shards=run.shards,
        late=run.late,
    )
    return encoded(event, "signal")


def run_concluded(
    run: Run, ranked: Iterable[Signal], records: Iterable[SignalRecord], *, missing_shards: int
) -> list[EncodedEvent]:
    """What the conclusion of `run` tells: bars that nobody judged, each signal, and `RunConcluded` last.

    A raised condition is told even when nobody need trade on it; why not is told beside it.
    """
    events: list[Event] = [_missed(run)] if run.missed else []
    events += [_raised(run, signal) for signal in ranked]
    events += [_withheld(run, record) for record in records if record.outcome == "withheld"]
    return [encoded(event, "signal") for event in (*events, _concluded(run, missing_shards))]


def _common(run: Run) -> dict[str, Any]:
    return {"occurred_at": run.bar_close, "account": run.account, "correlation_id": run.correlation_id}


def _missed(run: Run) -> RunMissed:
    which = f"{run.missed} {run.timeframe} bars from the one that closed {run.missed_since} on"
    return RunMissed(
        id=f"missed:{run.id}",
        bar_close=run.missed_since or run.bar_close,
        message=f"{which} were not judged: the schedule did not fire in time",
        **_common(run),
    )


def _raised(run: Run, signal: Signal) -> SignalRaised:
    return SignalRaised(
        id=f"raised:{run.id}:{signal.strategy}:{signal.symbol}",
        run_id=run.id,
        symbol=signal.symbol,
        side=signal.side,
        strategy=signal.strategy,
        timeframe=signal.timeframe,
        bar_close=signal.bar_close,
        strength=signal.strength,
        reference_price=signal.reference_price,
        reason=signal.reason,
        values=signal.values,
        shadow=signal.shadow,
        **_common(run),
    )


def _withheld(run: Run, record: SignalRecord) -> SignalWithheld:
    return SignalWithheld(
        id=f"withheld:{run.id}:{record.strategy}:{record.symbol}",
        run_id=run.id,
        symbol=record.symbol,
        strategy=record.strategy,
        timeframe=record.timeframe,
        bar_close=record.bar_close,
        code=record.code,
        message=record.message,
        **_common(run),
    )


def _concluded(run: Run, missing_shards: int) -> RunConcluded:
    return RunConcluded(
        id=f"concluded:{run.id}",
        run_id=run.id,
        bar_close=run.bar_close,
        raised=run.raised,
        withheld=run.withheld,
        intents=run.intents,
        missing_shards=missing_shards,
        late=run.late,
        **_common(run),
    )
