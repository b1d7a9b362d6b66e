"""``make checkov``: what a scanner of templates finds in ours, each finding mended or with its reason.

checkov comes from ``localstack/checkov.txt``, in an environment of its own. It reads no ``Fn::If``, so it is
given each template as a paper stack in AWS has it, parameters at their defaults. ``infra/checkov.yaml`` has
what is left as it is, and why; a finding without a reason fails, and so does a reason that nothing needs.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from laptop.errors import LaptopError
from laptop.layout import BUILD, REPOSITORY
from laptop.template import read

TOOL: Final = REPOSITORY / ".venv-checkov" / "bin" / "checkov"
REASONS: Final = REPOSITORY / "infra" / "checkov.yaml"
TEMPLATES: Final = ("template.yaml", "infra/site.yaml", "infra/operations.yaml", "infra/deploy-role.yaml")
_ABSENT: Final = {"Ref": "AWS::NoValue"}


@dataclass(frozen=True, order=True)
class Finding:
    """A check that a resource failed."""

    check: str
    resource: str
    says: str


@dataclass(frozen=True)
class Reason:
    """Why a check is passed over; `resources` is a pattern of their names."""

    check: str
    resources: str
    why: str

    def covers(self, finding: Finding) -> bool:
        """Whether it speaks of this finding."""
        return self.check == finding.check and re.fullmatch(self.resources, finding.resource) is not None


def reasons(path: Path = REASONS) -> list[Reason]:
    """The file's lines; a check without `resources` is passed over everywhere."""
    found = yaml.safe_load(path.read_text())
    return [Reason(one["check"], one.get("resources", ".*"), one["why"]) for one in found]


def as_on_aws(document: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """The template with its conditions decided: resources that are made, `Fn::If` as it comes out.

    >>> body = {"Conditions": {"On": {"Fn::Equals": ["a", "a"]}}, "Resources": {"One": {"Condition": "On"}}}
    >>> as_on_aws(body, {})["Resources"]
    {'One': {'Condition': 'On'}}
    """
    parameters = {name: one.get("Default", "given") for name, one in document.get("Parameters", {}).items()}
    parameters |= {name: value for name, value in given.items() if name in parameters}
    conditions = document.get("Conditions", {})

    def holds(condition: Any) -> bool:
        kind, of = next(iter(condition.items()))
        if kind in {"Condition", "Fn::Condition"}:
            return holds(conditions[of])
        if kind == "Fn::Equals":
            left, right = (parameters[one["Ref"]] if isinstance(one, dict) else one for one in of)
            return str(left) == str(right)
        if kind == "Fn::Not":
            return not holds(of[0])
        return {"Fn::And": all, "Fn::Or": any}[kind](holds(one) for one in of)

    def decided(value: Any) -> Any:
        if isinstance(value, list):
            return [one for one in map(decided, value) if one != _ABSENT]
        if not isinstance(value, dict):
            return value
        if "Fn::If" in value:
            name, then, other = value["Fn::If"]
            return decided(then if holds({"Condition": name}) else other)
        parts = {name: decided(one) for name, one in value.items()}
        return {name: one for name, one in parts.items() if one != _ABSENT}

    resources = {
        name: resource
        for name, resource in document["Resources"].items()
        if "Condition" not in resource or holds({"Condition": resource["Condition"]})
    }
    return {**document, **{part: decided(document[part]) for part in ("Globals",) if part in document}} | {
        "Resources": decided(resources)
    }


def scan(folder: Path) -> list[Finding]:
    """What checkov finds in the templates.

    Raises
    ------
    LaptopError
        When it does not run, or cannot read one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name in TEMPLATES:
        path = folder / f"{Path(name).stem}.json"
        path.write_text(json.dumps(as_on_aws(read(REPOSITORY / name), {"Environment": "paper"}), indent=1))
        files.append(str(path))
    command = [str(TOOL), "--framework", "cloudformation", "--skip-download", "--quiet", "--compact"]
    told = subprocess.run(
        [*command, "--output", "json", "--file", *files],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    try:
        answer = json.loads(told.stdout)
        read_wrongly = answer["summary"]["parsing_errors"]
    except (ValueError, KeyError, TypeError) as error:
        raise LaptopError(f"checkov said nothing to read ({told.stderr.strip()[-300:]})") from error
    if read_wrongly:
        raise LaptopError(f"checkov cannot read {answer['results']['parsing_errors']}")
    return sorted(_findings(answer["results"]["failed_checks"]))


def _findings(failed: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    for one in failed:
        yield Finding(one["check_id"], one["resource"].rpartition(".")[2], one["check_name"])


def judged(findings: Iterable[Finding], known: Iterable[Reason]) -> list[str]:
    """A line for each finding without a reason, and for each reason without a finding."""
    findings, known = list(findings), list(known)
    unknown = [one for one in findings if not any(reason.covers(one) for reason in known)]
    idle = [reason for reason in known if not any(reason.covers(one) for one in findings)]
    return [f"{one.check} {one.resource}: {one.says}" for one in unknown] + [
        f"{reason.check} {reason.resources}: nothing needs this reason of infra/checkov.yaml any more"
        for reason in idle
    ]


def main() -> int:
    """0 when each finding has its reason; else 1, with a line for each that has none."""
    try:
        findings = scan(BUILD / "checkov")
    except LaptopError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    left = judged(findings, reasons())
    for line in left:
        sys.stderr.write(f"{line}\n")
    known = len(findings) - sum("any more" not in line for line in left)
    sys.stdout.write(
        f"checkov: {known} findings with their reasons (infra/checkov.yaml), {len(left)} without\n"
    )
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
