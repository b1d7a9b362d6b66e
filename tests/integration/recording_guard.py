"""The engine behind its guard, with what it did written down; the engine's own Python runs it.

The integration tests' cloud starts it in the guard's place. In the engine's folder it leaves `actions.tsv`,
what IAM allowed each role, a line for each role, action and resource, once (`tests.integration.actions`
reads it; a transaction's parts stand there one by one, as IAM judges them), and `events.jsonl`, what each
function was sent, a line for each event with a shape that is new (`tests.integration.sent_events` reads it).
Standard library only.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

GUARD = Path(__file__).resolve().parents[2] / "localstack" / "laptop" / "guard.py"
FILE = "actions.tsv"
EVENTS = "events.jsonl"


def note_actions() -> None:
    """Makes the judge of policies tell what it allowed."""
    from ministack.core import iam_evaluator  # type: ignore[import-not-found]

    judge, seen = iam_evaluator.evaluate, set[str]()
    file = Path(FILE).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115 - open as long as the engine runs

    def evaluate(context: Any, *policies: Any) -> Any:
        verdict = judge(context, *policies)
        if verdict.decision == "Allow" and ":assumed-role/" in context.principal_arn:
            role = context.principal_arn.split("/")[1]
            line = f"{role}\t{context.action}\t{context.resource_arn}\n"
            if line not in seen:
                seen.add(line)
                file.write(line)
        return verdict

    iam_evaluator.evaluate = evaluate


def note_events() -> None:
    """Makes the functions' workers tell what they are sent."""
    from event_shapes import shapes  # type: ignore[import-not-found]  # beside this file, a script
    from ministack.core import lambda_runtime

    invoke, seen = lambda_runtime.Worker.invoke, set[tuple[str, str]]()
    file = Path(EVENTS).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115 - open as long as the engine runs

    def noted(worker: Any, event: Any, *rest: Any, **more: Any) -> Any:
        found = {(worker.func_name, one) for one in shapes(event)} if isinstance(event, dict) else set()
        if found - seen:
            seen.update(found)
            file.write(json.dumps({"function": worker.func_name, "event": event}) + "\n")
        return invoke(worker, event, *rest, **more)

    lambda_runtime.Worker.invoke = noted


def main() -> None:
    """The guard's own `main`, after the engine is made to tell what it does."""
    note_actions()
    note_events()
    sys.path.insert(0, str(GUARD.parent))  # what lies beside the guard is imported from there
    runpy.run_path(str(GUARD), run_name="__main__")


if __name__ == "__main__":
    main()
