"""The engine behind its guard, with what IAM allowed each role written down; the engine's own Python runs it.

The integration tests' cloud starts it in the guard's place; `tests.integration.actions` reads the file
`actions.tsv` in the engine's folder: a line for each role, action and resource, once. A transaction's parts
stand there one by one, as IAM judges them. Standard library only.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

GUARD = Path(__file__).resolve().parents[2] / "localstack" / "laptop" / "guard.py"
FILE = "actions.tsv"


def main() -> None:
    """The guard's own `main`, after the judge of policies is made to tell what it allowed."""
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
    sys.path.insert(0, str(GUARD.parent))  # what lies beside the guard is imported from there
    runpy.run_path(str(GUARD), run_name="__main__")


if __name__ == "__main__":
    main()
