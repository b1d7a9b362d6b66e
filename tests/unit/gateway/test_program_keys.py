"""Keys of programs: made by an admin, shown once, checked by the authorizer, counted by the day."""

from __future__ import annotations

from typing import Any

import pytest

from alpaquero.errors import Conflict, NotFound, NotSignedIn
from alpaquero.store import program_keys
from alpaquero.store.program_keys import DAY_SECONDS, MOST_KEYS, USED_SECONDS, ProgramKeyItem, holder
from functions.gateway import api, authorizer
from tests.fakes.proxy import body_of, proxy_event

ARN = "arn:aws:execute-api:us-east-1:000000000000:api/v1/GET/api/account"
AT = 1_800_000_000.0


def made(name: str = "bot", role: str = "trader", *, at: float = AT, a_day: int = 1000) -> str:
    token, _ = program_keys.make(name, role, "ana", days=1, requests_a_day=a_day, now=lambda: at)
    return token


def ask(method: str, path: str, *, role: str = "admin", **event: Any) -> dict[str, Any]:
    answer: dict[str, Any] = api.app(proxy_event(method, path, **{"role": role, **event}), None)
    return answer


def revoke(name: str) -> dict[str, Any]:
    event = proxy_event("DELETE", "/api/keys/{name}", path={"name": name}, role="admin")
    answer: dict[str, Any] = api.app(event, None)
    return answer


def policy(token: str) -> dict[str, Any]:
    event = {"type": "TOKEN", "authorizationToken": f"Bearer {token}", "methodArn": ARN}
    return authorizer.handler(event, None)


def test_a_key_is_shown_once_and_lets_its_program_in(tables: None, log_lines: list[dict[str, Any]]) -> None:
    """An admin makes a key; the authorizer knows its name, role and quota; no log and no list has it."""
    answer = ask("POST", "/api/keys", body={"name": "bot", "role": "viewer", "requests_a_day": 50})
    assert answer["statusCode"] == 201
    token = body_of(answer)["key"]
    allowed = policy(token)
    assert allowed["policyDocument"]["Statement"][0]["Effect"] == "Allow"
    assert allowed["context"] == {"username": "key:bot", "role": "viewer", "requests_a_day": "50"}
    listed = ask("GET", "/api/keys")
    [key] = body_of(listed)["items"]
    assert (key["name"], key["role"], key["requests_a_day"]) == ("bot", "viewer", 50)
    assert key["last_used_at"] is not None
    secret = token.split(".")[2]
    assert secret not in str(listed)
    assert secret not in str(log_lines)


def test_the_table_does_not_hold_the_secret(tables: None) -> None:
    """Who can read the table cannot sign in with what is in it."""
    token = made()
    [item] = ProgramKeyItem.scan()
    assert token.split(".")[2] not in str(item.to_dynamodb_dict())
    with pytest.raises(NotSignedIn):
        holder(f"aqk.bot.{item.secret}", lambda: AT)


def test_revoked_unknown_expired_and_wrong_look_the_same(tables: None) -> None:
    """Whatever is wrong with a key, the gateway gets one and the same denial."""
    gone, good = made("gone", at=AT), made("good", at=4_000_000_000.0)
    ended = made("ended", at=1_000_000_000.0)
    program_keys.revoke("gone")
    wrong = f"aqk.good.{gone.split('.')[2]}"
    denials = [policy(token) for token in (gone, "aqk.nobody.x", ended, wrong, "aqk..x", "aqk.good.")]
    assert policy(good)["policyDocument"]["Statement"][0]["Effect"] == "Allow"
    assert all(denial == denials[0] for denial in denials)
    assert denials[0]["policyDocument"]["Statement"][0]["Effect"] == "Deny"
    assert denials[0]["context"] == {}


def test_a_key_ends_in_the_second_it_was_made_for(tables: None) -> None:
    """A key that the table's TTL has not yet removed is no good after its time."""
    token = made()
    assert holder(token, lambda: AT + DAY_SECONDS - 1).name == "bot"
    with pytest.raises(NotSignedIn, match="expired"):
        holder(token, lambda: AT + DAY_SECONDS)


def test_the_last_use_is_written_once_an_hour(tables: None) -> None:
    """What a program does costs no write each time."""
    token = made()
    holder(token, lambda: AT)
    holder(token, lambda: AT + USED_SECONDS - 1)
    assert program_keys.known()[0].last_used_at == AT
    holder(token, lambda: AT + USED_SECONDS)
    assert program_keys.known()[0].last_used_at == AT + USED_SECONDS


def test_a_key_that_is_revoked_while_it_is_checked_does_not_come_back(
    tables: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noting its use must not write a part of a key that is gone."""
    token, read = made(), ProgramKeyItem.get

    def revoked_meanwhile(*keys: Any, **options: Any) -> ProgramKeyItem:
        item = read(*keys, **options)
        program_keys.revoke("bot")
        return item

    monkeypatch.setattr(ProgramKeyItem, "get", revoked_meanwhile)
    with pytest.raises(NotSignedIn, match="revoked"):
        holder(token, lambda: AT)
    assert program_keys.known() == []


def test_a_role_that_no_key_may_have_does_not_count(tables: None) -> None:
    """An item that says admin, however it came there, lets nobody in; nor is such a key made."""
    token = made()
    ProgramKeyItem("KEY", "bot").update([ProgramKeyItem.role.set("admin")])
    with pytest.raises(NotSignedIn, match="no key may have"):
        holder(token, lambda: AT)
    with pytest.raises(ValueError, match="not admin"):
        made("root", "admin")


def test_a_name_is_taken_until_its_key_ends(tables: None) -> None:
    """Two good keys of one name would share what they may ask for, and be one in the books."""
    first = made()
    with pytest.raises(Conflict, match="a key bot already"):
        made()
    later = AT + DAY_SECONDS
    second = made(at=later)
    assert holder(second, lambda: later).made_at == later
    with pytest.raises(NotSignedIn):
        holder(first, lambda: later)


def test_there_are_only_so_many_keys(tables: None) -> None:
    """Beyond the most, one has to go first; expired ones do not count."""
    for number in range(MOST_KEYS):
        made(f"bot-{number}")
    with pytest.raises(Conflict, match="as many as may be"):
        made("one-more")
    made("one-more", at=AT + DAY_SECONDS)


@pytest.mark.parametrize(
    "wrong",
    [{"role": "admin"}, {"name": "Bot"}, {"name": "a.b"}, {"expires_in_days": 366}, {"requests_a_day": 0}],
    ids=str,
)
def test_a_key_that_may_not_be_is_refused(tables: None, wrong: dict[str, Any]) -> None:
    """The message names the field, and nothing is made."""
    answer = ask("POST", "/api/keys", body={"name": "bot", "role": "viewer", **wrong})
    assert answer["statusCode"] == 400
    assert next(iter(wrong)) in body_of(answer)["error"]["message"]
    assert program_keys.known() == []


def test_revoking_lists_what_is_left(tables: None) -> None:
    """The answer to a revocation is the list without it; a second one is told that there is none."""
    for name in ("bot", "other"):
        made(name)
    left = body_of(revoke("bot"))["items"]
    assert [key["name"] for key in left] == ["other"]
    assert revoke("bot")["statusCode"] == 404
    with pytest.raises(NotFound):
        program_keys.revoke("bot")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/keys"), ("POST", "/api/keys"), ("POST", "/api/auth/ticket")]
)
def test_a_key_makes_no_keys_and_gets_no_ticket(tables: None, method: str, path: str) -> None:
    """A trader's key is told 403 where it could get what would outlive it."""
    event = proxy_event(method, path, role="trader", body={} if path == "/api/keys" else None)
    event["requestContext"]["authorizer"]["requests_a_day"] = "1000"
    answer = api.app(event, None)
    assert (answer["statusCode"], body_of(answer)["error"]["code"]) == (403, "forbidden")
