"""An IAM policy's refusal on the laptop: in the words that the API has for it, as on AWS."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from laptop.denials import Reply, in_the_words_of_the_api

DENIED: Reply = (403, {}, b'{"__type": "AccessDeniedException", "message": "User: x may not"}')
OTHERS: dict[str, Reply | None] = {
    "let in": None,
    "a wrong signature, which the engine tells by itself": (403, {}, b'{"error": {"code": "forbidden"}}'),
    "no JSON": (403, {}, b"<Error/>"),
    "a list": (500, {}, b"[]"),
}


class Rest:
    """The engine's module of REST APIs, with one API that has the stage v1."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, dict[str, Any]]] = []

    _GatewayError = staticmethod(lambda *given: given)

    def _gateway_error_response(self, error: Any, request: dict[str, Any]) -> Reply:
        self.told.append((error, request))
        return 403, {}, json.dumps({"error": {"code": "forbidden"}}).encode()

    def find_api_scope(self, api: str) -> tuple[str, str] | None:
        return ("account", "region") if api == "rest" else None

    def stages_for_api(self, api: str) -> dict[str, dict[str, str]]:
        return {"v1": {"deploymentId": "d"}} if api == "rest" else {}

    def request_scope(self, *_: str) -> AbstractContextManager[None]:
        return nullcontext()


def asked(answer: Reply | None, rest: Rest, *, api: str = "rest", stage: str = "v1") -> Reply | None:
    """What a request comes to where the engine decides so."""
    enforce = in_the_words_of_the_api(lambda *_, **__: answer, rest)
    return enforce(api, stage, "GET", "/position/positions", {}, {}, iam_action="execute-api:Invoke")


def test_a_denial_is_the_apis_own_response() -> None:
    """It is rendered as ACCESS_DENIED of the stage that was asked, with the engine's reason."""
    rest = Rest()
    assert asked(DENIED, rest) == (403, {}, b'{"error": {"code": "forbidden"}}')
    ((error, request),) = rest.told
    assert error == ("ACCESS_DENIED", "User: x may not", None)
    assert (request["stage"], bool(request["request_id"])) == ({"deploymentId": "d"}, True)


@pytest.mark.parametrize("case", OTHERS)
def test_whatever_else_the_engine_answers_stays(case: str) -> None:
    """Only what it says in the words of a service is said anew."""
    rest = Rest()
    assert (asked(OTHERS[case], rest), rest.told) == (OTHERS[case], [])


@pytest.mark.parametrize(("api", "stage"), [("socket", "v1"), ("rest", "v9")])
def test_an_api_without_such_responses_keeps_the_engines_words(api: str, stage: str) -> None:
    """A WebSocket API has none, nor has a stage that is not there."""
    assert asked(DENIED, Rest(), api=api, stage=stage) == DENIED


def test_an_engine_that_answers_elsewhere_is_noticed_at_the_start() -> None:
    """After an upgrade without the functions that are changed the engine does not start unmended."""
    with pytest.raises(AttributeError):
        in_the_words_of_the_api(lambda *_: None, SimpleNamespace())
