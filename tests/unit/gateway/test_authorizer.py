"""Who gets in, who is denied, and that a check that could not be made denies nobody for a minute."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest

from alpaquero.store.connections import ConnectionItem, issue_ticket, redeem_ticket
from alpaquero.web.tokens import TokenChecker
from functions.gateway import authorizer
from tests.fakes.tokens import CLIENT, ISSUER, Issuer, token

STAGE = "arn:aws:execute-api:us-east-1:000000000000:api1/v1"
CONNECT = "arn:aws:execute-api:us-east-1:000000000000:ws1/v1/$connect"


@pytest.fixture(autouse=True)
def issuer(monkeypatch: pytest.MonkeyPatch) -> Issuer:
    published = Issuer()
    checker = TokenChecker(issuer=ISSUER, client=CLIENT, fetch_keys=published.published)
    monkeypatch.setattr(authorizer, "checker", checker)
    return published


def ask(header: Any) -> dict[str, Any]:
    event = {"type": "TOKEN", "methodArn": f"{STAGE}/GET/api/account", "authorizationToken": header}
    answer: dict[str, Any] = authorizer.handler(event, None)
    return answer


def ask_socket(query: dict[str, str] | None) -> dict[str, Any]:
    event = {
        "type": "REQUEST",
        "methodArn": CONNECT,
        "queryStringParameters": query,
        "requestContext": {"routeKey": "$connect", "connectionId": "c1"},
    }
    answer: dict[str, Any] = authorizer.handler(event, None)
    return answer


def allows(answer: dict[str, Any], method_and_path: str) -> bool:
    """Whether the policy lets a call through, as API Gateway decides it."""
    [statement] = answer["policyDocument"]["Statement"]
    return statement["Effect"] == "Allow" and any(
        fnmatchcase(f"{STAGE}/{method_and_path}", resource) for resource in statement["Resource"]
    )


@pytest.mark.parametrize("role", ["viewer", "trader", "admin"])
def test_one_policy_opens_the_stage_and_names_the_role(role: str) -> None:
    """One cached policy serves every route; what the role may, each route says for itself."""
    answer = ask(f"Bearer {token(groups=[role])}")
    assert all(allows(answer, call) for call in ("GET/api/account", "POST/api/orders", "POST/api/config"))
    assert answer["context"] == {"username": "ana", "role": role}
    assert answer["principalId"] == "ana"


def test_the_policy_ends_at_its_own_stage() -> None:
    """A token for this API opens no other."""
    [statement] = ask(f"Bearer {token(groups=['admin'])}")["policyDocument"]["Statement"]
    assert [f"{STAGE}/*"] == statement["Resource"]


@pytest.mark.parametrize(
    "header",
    ["", None, "Bearer", "Bearer ", "Basic YTpi", "Bearer x.y.z", "Bearer " + "a" * 20_000, ["Bearer"], 7],
    ids=lambda value: str(value)[:12],
)
def test_a_bad_header_is_denied(header: Any) -> None:
    """Anything that is not a sound bearer token is denied, for the whole stage."""
    answer = ask(header)
    assert answer["policyDocument"]["Statement"] == [
        {"Action": "execute-api:Invoke", "Effect": "Deny", "Resource": [f"{STAGE}/*"]}
    ]
    assert answer["context"] == {}


@pytest.mark.parametrize("event", [{}, {"type": "TOKEN"}, {"type": "REQUEST"}])
def test_an_event_that_brings_nothing_is_denied(event: dict[str, Any]) -> None:
    """Without token or ticket nobody gets in."""
    assert authorizer.handler(event, None)["policyDocument"]["Statement"][0]["Effect"] == "Deny"


def test_unreadable_keys_are_an_error_and_told(
    monkeypatch: pytest.MonkeyPatch, log_lines: list[dict[str, Any]]
) -> None:
    """When the issuer's keys cannot be read nobody gets in, no denial is kept, and the log says why."""

    def unreadable() -> bytes:
        raise OSError("no route to the issuer")

    monkeypatch.setattr(
        authorizer, "checker", TokenChecker(issuer=ISSUER, client=CLIENT, fetch_keys=unreadable)
    )
    with pytest.raises(OSError, match="no route"):
        ask(f"Bearer {token()}")
    assert "no route to the issuer" in log_lines[0]["exception"]


def test_tokens_are_not_logged(log_lines: list[dict[str, Any]]) -> None:
    """Neither a good nor a bad token reaches the log."""
    good, bad = token(), token(client_id="client-2")
    ask(f"Bearer {good}")
    ask(f"Bearer {bad}")
    assert [line.get("reason") for line in log_lines] == [
        None,
        "the token was issued for another client",
        None,
    ]
    assert not any(part in str(log_lines) for part in (good, bad, good.split(".")[2]))


def test_a_ticket_opens_the_socket_once(tables: None, log_lines: list[dict[str, Any]]) -> None:
    """A fresh ticket lets its holder connect, the second use of it is denied, and it is never logged."""
    ticket = issue_ticket("ana", "trader")
    answer = ask_socket({"ticket": ticket})
    [statement] = answer["policyDocument"]["Statement"]
    assert (statement["Effect"], statement["Resource"]) == ("Allow", [CONNECT])
    assert answer["context"] == {"username": "ana", "role": "trader"}
    assert ask_socket({"ticket": ticket})["policyDocument"]["Statement"][0]["Effect"] == "Deny"
    assert ticket not in str(log_lines)


@pytest.mark.parametrize("query", [None, {}, {"ticket": ""}, {"ticket": "guess"}, {"token": "x"}])
def test_without_a_ticket_the_socket_stays_closed(tables: None, query: dict[str, str] | None) -> None:
    """A missing or guessed ticket is denied."""
    assert ask_socket(query)["policyDocument"]["Statement"][0]["Effect"] == "Deny"


def test_a_ticket_is_good_for_thirty_seconds(tables: None) -> None:
    """A ticket that the table's TTL has not yet removed is no good after its time."""
    at = 1_800_000_000.0
    kept, late = issue_ticket("ana", "viewer", lambda: at), issue_ticket("ana", "viewer", lambda: at)
    assert redeem_ticket(kept, lambda: at + 29) is not None
    assert redeem_ticket(late, lambda: at + 30) is None


def test_the_table_does_not_hold_the_ticket(tables: None) -> None:
    """Who can read the table cannot connect with what is in it."""
    ticket = issue_ticket("ana", "viewer")
    [item] = ConnectionItem.scan()
    assert ticket not in str(item.to_dynamodb_dict())
    assert redeem_ticket(item.sk) is None
