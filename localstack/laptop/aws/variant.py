"""The template as AWS gets it: ``template.yaml`` with aliases, so that a release may shift traffic by and by.

``laptop.aws.shipping`` calls ``for_aws``. SAM takes no condition for ``AutoPublishAlias`` (a text or a
parameter alone), and the laptop's engine is better off without a version of each function a deploy; so these
lines are put in here and nowhere else.
"""

from __future__ import annotations

import re
from typing import Final

from laptop.errors import LaptopError

ALIAS: Final = "current"
# What CodeDeploy calls its ways; AllAtOnce has no roll-back by alarm, a failed deploy still goes back.
MANNERS: Final = ("AllAtOnce", "Canary10Percent5Minutes", "Linear10PercentEvery1Minute")
_GLOBALS: Final = "Globals:\n  Function:\n"
_SCHEDULED: Final = re.compile(r"Arn: !GetAtt (\w+)\.Arn, Input:")
_PERMITTED: Final = re.compile(
    r"(Properties: \{FunctionName: !Ref )(\w+)(, Action: lambda:InvokeFunction, Principal: events)"
)


def for_aws(template: str, *, manner: str, snap_start: bool = False) -> str:
    """The template's body with an alias for each function, which routes, queues and schedules call.

    Parameters
    ----------
    manner
        One of `MANNERS`: how fast an alias moves to the new version.
    snap_start
        Whether versions start from a snapshot of their initialised process.

    Raises
    ------
    LaptopError
        When the manner is unknown, or the template has no Globals to put it into.
    """
    if manner not in MANNERS:
        raise LaptopError(f"{manner} is no way to shift traffic: name one of {', '.join(MANNERS)}")
    if template.count(_GLOBALS) != 1:
        raise LaptopError("template.yaml has no Globals of functions: it is not this repository's")
    lines = [f"    AutoPublishAlias: {ALIAS}", f"    DeploymentPreference: {_preference(manner)}"]
    if snap_start:
        lines.append("    SnapStart: {ApplyOn: PublishedVersions}")
    body = template.replace(_GLOBALS, _GLOBALS + "\n".join(lines) + "\n")
    scheduled = set(_SCHEDULED.findall(body))
    body = _SCHEDULED.sub(r"Arn: !Ref \1.Alias, Input:", body)
    return _PERMITTED.sub(
        lambda found: f"{found[1]}{found[2]}{'.Alias' if found[2] in scheduled else ''}{found[3]}", body
    )


def _preference(manner: str) -> str:
    if manner == "AllAtOnce":
        return "{Type: AllAtOnce}"
    return f"{{Type: {manner}, Alarms: [!Ref ReleaseAlarm]}}"
