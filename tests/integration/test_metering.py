"""What the functions asked of the engine is counted by function, as `alpaquero cost` needs it."""

from __future__ import annotations

from laptop.cost.metering import so_far
from laptop.stack import LaptopCloud


def test_a_cloud_that_traded_tells_what_each_function_did(cloud: LaptopCloud) -> None:
    """Times come from log lines, units from the guard; both know the function by the template's name."""
    done = so_far(cloud).done
    for name in ("TradingSync", "SignalPlan", "SignalEvaluate", "SignalConclude", "TradingExecute"):
        assert done[name].invocations > 0, name
        assert done[name].milliseconds > 0, name
        assert done[name].reads > 0, name
    assert done["SignalEvaluate"].writes > 0
    assert done["SignalPlan"].events > 0
    assert done["TradingExecute"].calls["secretsmanager"] > 0
