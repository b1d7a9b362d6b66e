"""Tells an IAM policy's refusal in the API's own words; the guard puts it into the engine.

Hole 30: to a signed caller whose policies do not allow a route the engine answers in the words of a service
(`{"__type": "AccessDeniedException"}`). API Gateway gives the API's response ACCESS_DENIED, which has our one
error shape, and so does this. Standard library only.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

Reply = tuple[int, dict[str, str], bytes]
Enforce = Callable[..., "Reply | None"]

DENIED = "AccessDeniedException"


def install() -> None:
    """Change the engine that this process is about to run.

    Raises
    ------
    ImportError, AttributeError
        When an upgrade of the engine decides or answers elsewhere.
    """
    from ministack import app  # type: ignore[import-not-found]
    from ministack.services import apigateway_v1  # type: ignore[import-not-found]

    app._enforce_execute_api = in_the_words_of_the_api(app._enforce_execute_api, apigateway_v1)


def in_the_words_of_the_api(enforce: Enforce, rest: Any) -> Enforce:
    """The engine's `enforce`, its denials rendered by `rest`, its module of REST APIs."""
    answer, error, scope_of = rest._gateway_error_response, rest._GatewayError, rest.find_api_scope

    def enforced(api: str, stage: str, *asked: Any, **more: Any) -> Reply | None:
        refused = enforce(api, stage, *asked, **more)
        said = None if refused is None else _denial_in(refused)
        if said is None:
            return refused
        _, _, headers, query = asked  # after the method and the path
        scope, served = scope_of(api), rest.stages_for_api(api).get(stage)
        if scope is None or served is None:  # of another kind of API
            return refused
        request = {
            "api_id": api,
            "stage_name": stage,
            "stage": served,
            "headers": dict(headers),
            "query_params": query or {},
            "path_params": {},
            "resource_path": "",
            "request_id": str(uuid.uuid4()),
        }
        with rest.request_scope(*scope):
            told: Reply = answer(error("ACCESS_DENIED", said, None), request)
        return told

    return enforced


def _denial_in(reply: Reply) -> str | None:
    """What the engine says of a policy's refusal; None for any other answer."""
    try:
        said = json.loads(reply[2])
    except ValueError:
        return None
    if not isinstance(said, dict) or said.get("__type") != DENIED:
        return None
    return str(said.get("message") or said.get("Message") or "")
