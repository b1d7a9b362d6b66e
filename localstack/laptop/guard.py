"""Starts the engine behind a guard against web pages; the engine's own Python runs this file.

`laptop.engine` starts it.

The engine answers some routes of its own to anyone: one wipes all state, one changes settings, two
show mail and messages. A page open in a browser can post to a port of this machine, and by DNS
rebinding read from it. So requests for another host, requests from a page's origin to anything but
an API, and the two routes that change the engine are refused. Standard library only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OURS = re.compile(r"(127\.0\.0\.1|localhost|[\w.-]+\.localhost)(:\d+)?")
# What a container calls this machine (`laptop.sam.relay`). A page that was rebound has a name, no address.
PRIVATE = re.compile(r"(10(\.\d+){3}|172\.(1[6-9]|2\d|3[01])(\.\d+){2}|192\.168(\.\d+){2})(:\d+)?")
CHANGES_THE_ENGINE = ("/_ministack/reset", "/_ministack/config")
API_PATHS = ("/_aws/execute-api/", "/restapis/")
API_HOST = ".execute-api.localhost"


def refusal(path: str, headers: Mapping[str, str]) -> str | None:
    """Why a request is refused, or None; header names are in lower case."""
    host = headers.get("host", "")
    if not (OURS.fullmatch(host) or PRIVATE.fullmatch(host)):
        return f"{host or 'no host'} is not this machine; ask localhost"
    if path.startswith(CHANGES_THE_ENGINE):
        return "the engine is not changed while it runs; stop it with `alpaquero down`"
    is_api = path.startswith(API_PATHS) or API_HOST in host
    if "origin" in headers and not is_api:
        return "web pages may call the APIs alone"
    return None


def guarded(app: App) -> App:
    """`app` behind the guard; a refused request is answered 403, a refused WebSocket closed."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        why = refusal(scope["path"], headers)
        if why is None:
            await app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            body = json.dumps({"message": why}).encode()
            kind = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 403, "headers": kind})
            await send({"type": "http.response.body", "body": body})

    return answer


def main() -> None:
    """The engine as `python -m ministack` starts it: guarded, counted, denials in our words, work let end."""
    import denials  # type: ignore[import-not-found]  # beside this file, which is a script
    import finishing  # type: ignore[import-not-found]
    from meter import Meter, metered  # type: ignore[import-not-found]
    from ministack import app as engine  # type: ignore[import-not-found]

    denials.install()
    finishing.install()
    engine.app = guarded(metered(engine.app, Meter()))
    engine.main()


if __name__ == "__main__":
    main()
