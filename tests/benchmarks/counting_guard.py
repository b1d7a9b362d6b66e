"""The engine behind its guard, with every request of a function counted; the engine's own Python runs it.

`tests.benchmarks.scale` starts it in the guard's place. `GET /_bench/requests` answers the counts so far
by caller's key, service and operation. Standard library only.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

_CREDENTIAL = re.compile(rb"Credential=([^/,]+)/[^/]+/[^/]+/([^/,]+)/")
_GUARD = Path(__file__).resolve().parents[2] / "localstack" / "laptop" / "guard.py"
_ASKED = "/_bench/requests"


def counted(app: Any) -> Any:
    """`app`, with each signed request counted before it is served."""
    seen: Counter[str] = Counter()

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        if scope["path"] == _ASKED:
            body = json.dumps(seen).encode()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body})
            return
        headers = dict(scope["headers"])
        signed = _CREDENTIAL.search(headers.get(b"authorization", b""))
        if signed:
            target = headers.get(b"x-amz-target", b"").decode("latin-1").rsplit(".", 1)[-1]
            seen["/".join([*(part.decode("latin-1") for part in signed.groups()), target])] += 1
        await app(scope, receive, send)

    return answer


def main() -> None:
    """The guard's own `main`, with the counter around what it guards."""
    spec = importlib.util.spec_from_file_location("guard", _GUARD)
    assert spec is not None
    assert spec.loader is not None
    guard = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(guard)
    plain = guard.guarded
    setattr(guard, "guarded", lambda app: counted(plain(app)))  # noqa: B010 - a module made at run time
    guard.main()


if __name__ == "__main__":
    main()
