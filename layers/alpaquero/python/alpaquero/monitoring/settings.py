"""When the health monitor raises its voice: a part of the trading settings, for `health_monitor/probe`."""

from __future__ import annotations

from alpaquero.quickly_made import dataclass

RANGES = {
    "raise_after_probes": (1, 60),
    "clear_after_probes": (1, 60),
    "sync_lag_seconds": (60, 86_400),
    "missed_run_minutes": (1, 1_440),
    "queue_depth": (1, 1_000_000),
    "usage_minutes": (1, 1_440),
    "error_percent": (1, 100),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringSettings:
    """Thresholds of the alerts. Raises `ValueError` naming the setting that does not fit.

    `raise_after_probes` bad looks in a row raise an alert, `clear_after_probes` good ones clear it.
    `sync_lag_seconds` (wall time) is how old the last sync and the last look of the risk monitor may
    be. `missed_run_minutes` (wall time) is how long a bar that is due may wait for its run.
    `queue_depth` is how many messages may wait in one queue. `usage_minutes` is how often
    CloudWatch is read, which costs money; `error_percent` is the share of a function's invocations
    that may have failed since the reading before.
    """

    raise_after_probes: int = 3
    clear_after_probes: int = 2
    sync_lag_seconds: int = 300
    missed_run_minutes: int = 15
    queue_depth: int = 1_000
    usage_minutes: int = 30
    error_percent: int = 5

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} is {getattr(self, name)}; set it from {low} to {high}")
