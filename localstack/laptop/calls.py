"""Calls to the stack's APIs: with the owner's token to the public one, signed to the services'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from laptop import owner
from laptop.engine import REGION, api_host
from laptop.errors import LaptopError, NotRunningError
from laptop.processes import LOOPBACK

if TYPE_CHECKING:
    import httpx

    from laptop.stack import Stack

ANEW: Final = {"cache-control": "no-cache"}  # who commands wants to see what it did
_STAGE: Final = "v1"


@dataclass(frozen=True)
class Call:
    """A request to one of the ports."""

    port: int
    path: str
    method: str = "GET"
    body: bytes = b""
    headers: Mapping[str, str] | None = None


def public_get(stack: Stack, path: str, query: Mapping[str, Any]) -> Any:
    """GET a public route with the owner's token.

    Raises
    ------
    LaptopError
        With the API's own message when it refuses.
    """
    return public_call(stack, "GET", path, query=query)


def public_call(
    stack: Stack,
    method: str,
    path: str,
    *,
    query: Mapping[str, Any] | None = None,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """Call a public route with the owner's token; answers its JSON.

    Raises
    ------
    LaptopError
        With the API's own message when it refuses.
    """
    return _answered(stack, method, path, query=query, body=body, headers=headers).json()


def public_text(stack: Stack, path: str, query: Mapping[str, Any]) -> str:
    """GET a public route that answers a page or a file of text.

    Raises
    ------
    LaptopError
        With the API's own message when it refuses.
    """
    return _answered(stack, "GET", path, query=query).text


def _answered(
    stack: Stack,
    method: str,
    path: str,
    *,
    query: Mapping[str, Any] | None = None,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    import httpx

    answer = httpx.request(
        method,
        stack.api_url() + path,
        params=dict(query or {}),
        json=None if body is None else dict(body),
        headers={"authorization": f"Bearer {owner.access_token(stack)}", **ANEW, **(headers or {})},
        timeout=30,
        trust_env=False,
    )
    if answer.is_error:
        raise LaptopError(f"{method} {path} answered {answer.status_code}: {_message(answer)}")
    return answer


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]


def send(stack: Stack, call: Call) -> httpx.Response:
    """Send a request to a port with what the port wants: a token for the gateway, a signature for a service.

    Raises
    ------
    NotRunningError
        When the ports are not up.
    """
    import httpx

    headers = {**ANEW, **(call.headers or {})}
    service = next((name for name, port in stack.ports.items() if port == call.port), "")
    if service in {"gateway", "dashboard"}:
        headers.setdefault("authorization", f"Bearer {owner.access_token(stack)}")
    else:
        headers |= signature(stack, service, call)
    try:
        return httpx.request(
            call.method,
            f"http://{LOOPBACK}:{call.port}{call.path}",
            content=call.body,
            headers=headers,
            timeout=60,
            trust_env=False,
        )
    except httpx.ConnectError:
        raise NotRunningError(f"nothing listens on port {call.port}: start it with `alpaquero up`") from None


def send_to_engine(stack: Stack, service: str, call: Call) -> httpx.Response:
    """Send a signed request to a service straight at the engine, for when no port is mapped yet."""
    import httpx

    host = {"host": api_host(stack.outputs["ServicesApi"], stack.ports["engine"])}
    return httpx.request(
        call.method,
        f"{stack.endpoint}/{_STAGE}/{service}{call.path}",
        content=call.body,
        headers=dict(call.headers or {}) | host | signature(stack, service, call),
        timeout=60,
        trust_env=False,
    )


def signature(stack: Stack, service: str, call: Call) -> dict[str, str]:
    """The headers of a Signature Version 4 made for the API's own host and full path."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    host = api_host(stack.outputs["ServicesApi"], stack.ports["engine"])
    url = f"http://{host}/{_STAGE}/{service}{call.path}"
    request = AWSRequest(call.method, url, data=call.body)
    keys = stack.credentials
    SigV4Auth(Credentials(keys.key_id, keys.secret_key), "execute-api", REGION).add_auth(request)
    return {str(name): str(value) for name, value in request.headers.items()}


def parse_target(target: str, ports: Mapping[str, int]) -> tuple[int, str]:
    """The port and path of ``9001/positions``, ``position/positions``, ``/api/account`` or a localhost URL.

    Raises
    ------
    LaptopError
        When the port is none of the stack's.
    """
    rest = target.removeprefix("http://").removeprefix("localhost:").removeprefix(f"{LOOPBACK}:")
    first, slash, path = rest.partition("/")
    reachable = {name: port for name, port in ports.items() if name not in {"engine", "exchange"}}
    if not first:
        return ports["gateway"], f"/{path}"
    if first in reachable:
        return reachable[first], f"{slash}{path}" or "/"
    if first.isdigit() and int(first) in reachable.values():
        return int(first), f"{slash}{path}" or "/"
    known = ", ".join(f"{port} ({name})" for name, port in reachable.items())
    raise LaptopError(f"{first} is no port of the stack: give one of {known}, then the path")
