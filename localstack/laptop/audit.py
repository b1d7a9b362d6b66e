"""``make audit`` asks for known vulnerabilities of everything locked; ``make sbom`` lists what ships.

pip-audit and cyclonedx-py come from ``localstack/audit.txt``, in an environment of their own; npm does
the same for the dashboard. An audit fails on findings alone. Where a registry gives no advisories (a
mirror seldom does) it says so: nothing found is not the same as nobody asked.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from laptop import node
from laptop.build import LOCKED_LAYERS, settled_lock
from laptop.errors import LaptopError
from laptop.layout import BUILD, REPOSITORY

TOOLS: Final = REPOSITORY / ".venv-audit" / "bin"
SBOM: Final = BUILD / "sbom.json"
_SPEC: Final = "1.6"
_LOCKS: Final = (
    *(f"layers/{name}.txt" for name in LOCKED_LAYERS),
    *("localstack/laptop.txt", "localstack/engine.txt", "localstack/node.txt", "localstack/audit.txt"),
    *("localstack/sam.txt", "localstack/checkov.txt"),
    "tests/development.txt",
)
_NPM_FOLDERS: Final = ("frontend", "localstack/compiler")
_VALID: Final = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
print(JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read()) or "valid")
"""


@dataclass(frozen=True)
class Judged:
    """Of one lock: how many packages were judged, how many not, and a line for each finding."""

    lock: str
    judged: int
    unjudged: int
    findings: tuple[str, ...] = ()


def read_pip_audit(lock: str, told: Mapping[str, Any]) -> Judged:
    """What pip-audit's JSON says; a package without an answer is not judged, though it exits with 0."""
    packages = told["dependencies"]
    answered = [package for package in packages if "skip_reason" not in package]
    findings = tuple(
        f"{package['name']} {package['version']}: {found['id']}, "
        f"mended in {', '.join(found['fix_versions']) or 'no version yet'}"
        for package in answered
        for found in package["vulns"]
    )
    return Judged(lock, len(answered), len(packages) - len(answered), findings)


def read_npm_audit(lock: str, told: Mapping[str, Any], packages: int) -> Judged:
    """What ``npm audit --json`` says; an error instead of a report judged nothing."""
    if "vulnerabilities" not in told:
        return Judged(lock, 0, packages)
    findings = tuple(
        f"{name} {found['range']}: {found['severity']}, "
        + ("mended by npm audit fix" if found["fixAvailable"] else "mended in no version yet")
        for name, found in sorted(told["vulnerabilities"].items())
    )
    return Judged(lock, packages, 0, findings)


def audited() -> Iterator[Judged]:
    """Every lock of the project, judged where its registry answers."""
    with TemporaryDirectory(prefix="alpaquero-audit-") as folder:
        for lock in _LOCKS:
            path = REPOSITORY / lock
            if lock.startswith("layers/"):
                path = settled_lock(path, Path(folder) / path.name)
            yield read_pip_audit(lock, _pip_audit(path))
    BUILD.mkdir(exist_ok=True)
    environment = node.environment(BUILD / "dashboard.log")
    command = ["npm", "audit", "--json", "--package-lock-only"]
    for name in _NPM_FOLDERS:
        path = REPOSITORY / name / "package-lock.json"
        done = _run(command, folder=path.parent, environment=environment)
        packages = len(json.loads(path.read_text())["packages"]) - 1
        yield read_npm_audit(f"{name}/package-lock.json", json.loads(done.stdout or "{}"), packages)


def _pip_audit(lock: Path) -> Mapping[str, Any]:
    """pip-audit's report; all packages unanswered when its service cannot be reached."""
    command = [str(TOOLS / "pip-audit"), "--disable-pip", "--require-hashes", "--progress-spinner=off"]
    done = _run([*command, "--format=json", "--requirement", str(lock)])
    try:
        told: Mapping[str, Any] = json.loads(done.stdout)
    except ValueError:
        if "ConnectionError" not in done.stderr and "HTTPError" not in done.stderr:
            last = (done.stderr.strip() or "no output").splitlines()[-1]
            raise LaptopError(f"pip-audit could not read {lock.name} ({last})") from None
        names = re.findall(r"^([A-Za-z0-9._-]+)==", lock.read_text(), re.MULTILINE)
        told = {"dependencies": [{"name": name, "skip_reason": "no answer"} for name in names]}
    return told


def bill_of_materials() -> dict[str, Any]:
    """What ships, as CycloneDX: the layers' wheels with their hashes, and what the page is made of."""
    components: dict[str, dict[str, Any]] = {}
    with TemporaryDirectory(prefix="alpaquero-sbom-") as folder:
        for name in LOCKED_LAYERS:
            path = settled_lock(REPOSITORY / "layers" / f"{name}.txt", Path(folder) / f"{name}.txt")
            done = _run([str(TOOLS / "cyclonedx-py"), "requirements", "--sv", _SPEC, str(path)])
            _collect(components, f"layers/{name}", _parsed("cyclonedx-py", done)["components"])
    BUILD.mkdir(exist_ok=True)
    environment = node.environment(BUILD / "dashboard.log")
    command = ["npm", "sbom", "--sbom-format=cyclonedx", "--package-lock-only", "--omit=dev"]
    done = _run(command, folder=REPOSITORY / "frontend", environment=environment)
    _collect(components, "frontend", _parsed("npm sbom", done)["components"])
    listed = [components[purl] for purl in sorted(components)]
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": _SPEC,
        # Of the content, so that equal locks give equal bills.
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, json.dumps(listed, sort_keys=True))}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": project["name"],
                "name": project["name"],
                "version": project["version"],
            }
        },
        "components": listed,
    }


def _collect(into: dict[str, dict[str, Any]], part: str, found: Iterable[Mapping[str, Any]]) -> None:
    """Add components under their package URL; one that several parts ship is named once, with all of them."""
    for component in found:
        purl = str(component["purl"])
        # The tool's description repeats the lock's line, and its reference the line's number.
        told = {key: value for key, value in component.items() if key not in {"description", "properties"}}
        known = into.setdefault(purl, {**told, "bom-ref": purl, "properties": []})
        known["properties"].append({"name": "alpaquero:part", "value": part})


def _parsed(tool: str, done: subprocess.CompletedProcess[str]) -> Any:
    if done.returncode:
        last = (done.stderr.strip() or "no output").splitlines()[-1]
        raise LaptopError(f"{tool} failed ({last}): run `make audit` again once its cause is mended")
    return json.loads(done.stdout)


def _run(
    command: list[str],
    *,
    folder: Path = REPOSITORY,
    environment: Mapping[str, str] | None = None,
    given: str | None = None,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=environment, input=given, capture_output=True, text=True, check=False
    )


def audit() -> int:
    """Print what was judged; 1 when something is known to be vulnerable."""
    from laptop.cli.common import print_table

    results = list(audited())
    print_table(
        "Known vulnerabilities",
        ("lock", "packages judged", "not judged", "findings"),
        [(one.lock, str(one.judged), str(one.unjudged), str(len(one.findings))) for one in results],
    )
    for one in results:
        for finding in one.findings:
            sys.stderr.write(f"{one.lock}: {finding}\n")
    if any(one.unjudged for one in results):
        sys.stderr.write(
            "WARNING: NOT EVERYTHING WAS JUDGED: the registry this machine is set to gives no advisories. "
            "Run `make audit` where pypi.org and registry.npmjs.org answer\n"
        )
    return 1 if any(one.findings for one in results) else 0


def sbom() -> int:
    """Write ``build/sbom.json``, held against CycloneDX's own schema."""
    text = json.dumps(bill_of_materials(), indent=1, sort_keys=True) + "\n"
    valid = _run([str(TOOLS / "python"), "-c", _VALID], given=text)
    if valid.stdout.strip() != "valid":
        raise LaptopError(f"the bill of materials breaks CycloneDX's schema: {valid.stdout or valid.stderr}")
    SBOM.write_text(text)
    sys.stdout.write(f"{SBOM.relative_to(REPOSITORY)}: {len(json.loads(text)['components'])} components\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit({"audit": audit, "sbom": sbom}[sys.argv[1]]())
    except LaptopError as error:
        sys.exit(f"error: {error}")
