"""Builds the dashboard's page with npm and publishes it to the stack's bucket.

The supervisor calls it beside the rest of its start; `python -m laptop.dashboard check` (or `test`)
runs a script of the page's own, for `make check` and `make test`.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from laptop import node
from laptop.errors import LaptopError
from laptop.layout import BUILD, REPOSITORY
from laptop.ports import CONTENT_TYPES, DOCUMENTATION, caching

if TYPE_CHECKING:
    from laptop.deploy import Clients

FRONTEND: Final = REPOSITORY / "frontend"
_DESCRIPTION: Final = REPOSITORY / "infra" / "openapi.json"
_DESCRIPTION_PAGE: Final = REPOSITORY / "infra" / "docs"
_STAMP: Final = ".inputs"
_NOT_INPUTS: Final = frozenset({"node_modules", "dist", "screens"})


def sources_key(frontend: Path = FRONTEND) -> str:
    """A hash of everything the page is built from."""
    total = hashlib.sha256()
    for folder, names, files in os.walk(frontend):
        names[:] = sorted(name for name in names if name not in _NOT_INPUTS and not name.startswith("."))
        for name in sorted(files):
            path = Path(folder) / name
            total.update(str(path.relative_to(frontend)).encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def build(*, log: Path, frontend: Path = FRONTEND, say: Callable[[str], None] = lambda _: None) -> Path:
    """Build the page unless its inputs are unchanged; gives the folder of its files.

    Raises
    ------
    LaptopError
        When there is no Node, or npm fails; the message names the log.
    """
    built = frontend / "dist"
    key = sources_key(frontend)
    stamp = built / _STAMP
    if stamp.exists() and stamp.read_text() == key:
        return built
    say("building the dashboard")
    node.npm(["run", "build"], frontend, _prepared(frontend, log), log)
    stamp.write_text(key)
    return built


def run_script(name: str, *, frontend: Path = FRONTEND) -> int:
    """Run a script of `package.json`, its output shown; gives its exit code.

    Raises
    ------
    LaptopError
        When there is no Node, or its packages cannot be fetched.
    """
    BUILD.mkdir(exist_ok=True)
    environment = _prepared(frontend, BUILD / "dashboard.log")
    return subprocess.run(
        ["npm", "run", "--silent", name], cwd=frontend, env=environment, check=False
    ).returncode


def _prepared(frontend: Path, log: Path) -> dict[str, str]:
    """The environment to run npm in, the page's packages installed."""
    environment = node.environment(log)
    lock = frontend / "package-lock.json"
    installed = frontend / "node_modules" / ".lock-hash"
    lock_hash = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not installed.exists() or installed.read_text() != lock_hash:
        node.npm(["ci", "--no-audit", "--no-fund"], frontend, environment, log)
        installed.write_text(lock_hash)
    return environment


def publish(sessions: Clients, bucket: str, built: Path) -> int:
    """Upload what is not in the bucket as it is; gives how many files were sent."""
    s3 = sessions.client("s3")
    present = _present(s3, bucket)
    sent = 0
    for key, path in _files(built):
        body = path.read_bytes()
        if present.pop(key, None) != hashlib.md5(body, usedforsecurity=False).hexdigest():
            kind = CONTENT_TYPES.get(path.suffix, "application/octet-stream")
            s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=kind, CacheControl=caching(key))
            sent += 1
    for key in present:
        s3.delete_object(Bucket=bucket, Key=key)
    return sent


def _files(built: Path) -> Iterator[tuple[str, Path]]:
    """Every file of the bucket by its key: the page's, and those that show the API's description."""
    for path in sorted(path for path in built.rglob("*") if path.is_file() and path.name != _STAMP):
        yield str(path.relative_to(built)), path
    for path in (_DESCRIPTION, *sorted(_DESCRIPTION_PAGE.iterdir())):
        yield f"{DOCUMENTATION.lstrip('/')}/{path.name}", path


def _present(s3: Any, bucket: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        found |= {item["Key"]: item["ETag"].strip('"') for item in page.get("Contents", [])}
    return found


if __name__ == "__main__":
    try:
        sys.exit(run_script(sys.argv[1]))
    except LaptopError as error:
        sys.exit(f"error: {error}")
