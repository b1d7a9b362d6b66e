"""A function under AWS's runtime interface emulator as a plain process: no container, a second a function.

``tests/integration/test_under_emulator.py`` runs every handler so, the quick tier of ``make sam``. The
emulator is the one that ``sam`` puts into its containers. The handler runs on the engine's Python with the
function's own folder, its layers as the laptop builds them, and AWS's runtime client: nothing else is on
its path.
"""

from __future__ import annotations

import json
import platform
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from laptop import processes
from laptop.errors import LaptopError
from laptop.layout import BUILD, ENGINE_PYTHON, REPOSITORY
from laptop.template import functions, template

ENVIRONMENT: Final = REPOSITORY / ".venv-sam"
_CLIENT: Final = ("awslambdaric", "simplejson", "snapshot_restore_py", "runtime_client")
_SECONDS: Final = 60
# -S leaves the environment's own packages out: what a function misses in its layers is missed.
_RUN: Final = """\
import sys
handler, *places = sys.argv[1:]
sys.path[0:1] = places
from awslambdaric.__main__ import main
main([sys.argv[0], handler])
"""


def why_not() -> str | None:
    """Why no function can be run so on this machine, or None."""
    if not _packages():
        return "the SAM command line's environment is missing: `make sam` makes it"
    if not _emulator().exists():
        return f"sam has no runtime interface emulator for {platform.system()} on {platform.machine()}"
    return None


def _packages() -> Path | None:
    return next((ENVIRONMENT / "lib").glob("python3.*/site-packages/awslambdaric"), None)


def _emulator() -> Path:
    machine = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine(), "none")
    found = _packages() or ENVIRONMENT
    return found.parent / "samcli" / "local" / "rapid" / f"aws-lambda-rie-{machine}"


def paths_of(function: str) -> list[Path]:
    """A function's folder and its layers as built for this laptop, in Lambda's order."""
    resources, base = template()["Resources"], BUILD / "local"
    shared = template()["Globals"]["Function"]["Layers"]
    layers = [layer["Ref"] for layer in [*shared, *functions()[function].get("Layers", [])]]
    places = [base / functions()[function]["CodeUri"]]
    # A later layer's files lie on top of an earlier one's.
    places += [base / resources[name]["Properties"]["ContentUri"] / "python" for name in reversed(layers)]
    return places


def invoke(function: str, event: str, environment: Mapping[str, str]) -> Any:
    """What a function answers to an event, on a process of its own.

    Raises
    ------
    LaptopError
        When it does not start or answer, with the end of its log.
    """
    packages = _packages()
    if packages is None:
        raise LaptopError(why_not() or "")
    with TemporaryDirectory(prefix="alpaquero-rie-") as home:
        client = Path(home) / "client"
        client.mkdir()
        for name in _CLIENT:
            for found in packages.parent.glob(f"{name}*"):
                if not found.name.endswith(".dist-info"):
                    (client / found.name).symlink_to(found)
        return _asked(function, event, environment, client, Path(home))


def _asked(function: str, event: str, environment: Mapping[str, str], client: Path, home: Path) -> Any:
    handler = functions()[function]["Handler"]
    places = [str(place.resolve()) for place in (*paths_of(function), client)]
    runtime_api, door = processes.free_ports(2)
    command = [str(_emulator()), "--log-level", "error"]
    command += ["--runtime-api-address", f"{processes.LOOPBACK}:{runtime_api}"]
    command += ["--runtime-interface-emulator-address", f"{processes.LOOPBACK}:{door}"]
    command += [str(ENGINE_PYTHON), "-S", "-c", _RUN, handler, *places]
    given = processes.base_environment() | dict(environment)
    given |= {"LAMBDA_TASK_ROOT": places[0], "AWS_LAMBDA_FUNCTION_NAME": function, "_HANDLER": handler}
    given |= {"AWS_LAMBDA_FUNCTION_TIMEOUT": str(_SECONDS), "TMPDIR": str(home)}
    log = home / "emulator.log"
    process = processes.start(command, environment=given, log=log, folder=Path(places[0]))
    try:
        url = f"http://{processes.LOOPBACK}:{door}/2015-03-31/functions/function/invocations"
        processes.wait_until(lambda: processes.listens(door), what="the emulator", log=log, process=process)
        request = urllib.request.Request(url, event.encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=_SECONDS) as reply:  # noqa: S310
            return json.load(reply)
    except (OSError, ValueError) as error:
        told = log.read_text(errors="replace").strip()[-1500:] if log.exists() else ""
        raise LaptopError(f"{function} did not answer under the emulator ({error}): {told}") from None
    finally:
        below = processes.descendants(process.pid)
        processes.stop(process, seconds=5)
        processes.end(below, seconds=2)
