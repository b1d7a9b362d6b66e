"""Everyone who may knock at the APIs' doors: users, tokens that are no good, programs that sign."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from laptop.calls import public_call
from laptop.engine import REGION, api_host
from laptop.stack import Stack
from tests.waiting import wait_for

PASSWORD: Final = "Only-knocking-1234"


@dataclass(frozen=True)
class Keys:
    """An access key and its secret."""

    key_id: str
    secret_key: str


# The engine takes twelve digits for the root key of that account.
ANOTHER_ACCOUNT: Final = Keys("999988887777", "any")


def access_token(stack: Stack, name: str, group: str | None) -> str:
    """An access token of a new user in a group, or in none."""
    return _tokens(stack, name, group)["AccessToken"]


def _tokens(stack: Stack, name: str, group: str | None, pool: str = "", client: str = "") -> dict[str, str]:
    cognito = stack.client("cognito-idp")
    pool, client = pool or stack.outputs["UserPool"], client or stack.outputs["UserPoolClient"]
    cognito.admin_create_user(UserPoolId=pool, Username=name, MessageAction="SUPPRESS")
    cognito.admin_set_user_password(UserPoolId=pool, Username=name, Password=PASSWORD, Permanent=True)
    if group:
        cognito.admin_add_user_to_group(UserPoolId=pool, Username=name, GroupName=group)
    return _signed_in(stack, name, client)


def _signed_in(stack: Stack, name: str, client: str) -> dict[str, str]:
    found: dict[str, str] = stack.client("cognito-idp").initiate_auth(
        ClientId=client,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": name, "PASSWORD": PASSWORD},
    )["AuthenticationResult"]
    return found


def tokens_of(stack: Stack) -> dict[str, str | None]:
    """A token for each row of docs/security.md whose caller brings one; None brings none."""
    admin = _tokens(stack, "knocking-admin", "admin")
    sound = admin["AccessToken"]
    return {
        "no token": None,
        "malformed token": "garbage",
        "expired token": expired(stack, "knocking-admin"),
        "token of another issuer": _of_another_issuer(stack),
        "token for another client": _for_another_client(stack, "knocking-admin"),
        "identity token": admin["IdToken"],
        "token with `alg: none`": _without_signature(sound),
        "tampered token": _tampered(sound),
        "user without a role": access_token(stack, "knocking-nobody", None),
        "viewer": access_token(stack, "knocking-viewer", "viewer"),
        "trader": access_token(stack, "knocking-trader", "trader"),
        "admin": sound,
    }


def program_keys_of(stack: Stack) -> dict[str, str | None]:
    """A program's key for each row of docs/security.md whose caller brings one."""
    keys = {role: _program_key(stack, f"knocking-{role}", {"role": role}) for role in ("viewer", "trader")}
    revoked, ended = (
        _program_key(stack, name, {"role": "trader"}) for name in ("knocking-gone", "knocking-late")
    )
    public_call(stack, "DELETE", "/api/keys/knocking-gone")
    stack.client("dynamodb").update_item(
        TableName=stack.physical("ProgramKeys"),
        Key={"pk": {"S": "KEY"}, "sk": {"S": "knocking-late"}},
        UpdateExpression="SET expires_at = :ended",
        ExpressionAttributeValues={":ended": {"N": str(int(time.time()) - 1)}},
    )
    return {
        **{f"{role}'s key": key for role, key in keys.items()},
        "revoked key": revoked,
        "expired key": ended,
        "key with another secret": keys["trader"].rpartition(".")[0]
        + "."
        + keys["viewer"].rpartition(".")[2],
    }


def _program_key(stack: Stack, name: str, wanted: dict[str, Any]) -> str:
    """A key that the owner makes."""
    return str(public_call(stack, "POST", "/api/keys", body={"name": name, **wanted})["key"])


def expired(stack: Stack, name: str) -> str:
    """A token that the user pool itself signed, and that has ended."""
    cognito = stack.client("cognito-idp")
    client = {"UserPoolId": stack.outputs["UserPool"], "ClientId": stack.outputs["UserPoolClient"]}
    before = cognito.describe_user_pool_client(**client)["UserPoolClient"]
    names = ("ExplicitAuthFlows", "RefreshTokenValidity", "IdTokenValidity", "TokenValidityUnits")
    kept = {name: before[name] for name in names}
    brief = kept | {"TokenValidityUnits": {**kept["TokenValidityUnits"], "AccessToken": "seconds"}}
    cognito.update_user_pool_client(**client, **brief, AccessTokenValidity=1)
    try:
        token = _signed_in(stack, name, client["ClientId"])["AccessToken"]
    finally:
        cognito.update_user_pool_client(**client, **kept, AccessTokenValidity=before["AccessTokenValidity"])
    ends = _decoded(token.split(".")[1])["exp"]
    wait_for(lambda: time.time() > ends, what="the token to end", seconds=5)
    return token


def _of_another_issuer(stack: Stack) -> str:
    """An admin's token of a user pool beside ours, made for a client of that pool."""
    cognito = stack.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="another")["UserPool"]["Id"]
    cognito.create_group(UserPoolId=pool, GroupName="admin")
    client = cognito.create_user_pool_client(
        UserPoolId=pool, ClientName="another", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
    )["UserPoolClient"]["ClientId"]
    return _tokens(stack, "knocking-admin", "admin", pool, client)["AccessToken"]


def _for_another_client(stack: Stack, name: str) -> str:
    """An admin's token that our pool made for another of its clients."""
    client = stack.client("cognito-idp").create_user_pool_client(
        UserPoolId=stack.outputs["UserPool"],
        ClientName="another",
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"],
    )["UserPoolClient"]["ClientId"]
    return _signed_in(stack, name, client)["AccessToken"]


def _encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def _decoded(part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=="))
    return found


def _without_signature(token: str) -> str:
    """The same claims signed by nobody, in a form that the gateway's pattern lets through to the function."""
    head, claims, _ = token.split(".")
    return f"{_encoded({**_decoded(head), 'alg': 'none'})}.{claims}.bm9uZQ"


def _tampered(token: str) -> str:
    """The token with a later end under the signature it had."""
    head, claims, signature = token.split(".")
    return f"{head}.{_encoded({**_decoded(claims), 'exp': int(time.time()) + 99_999})}.{signature}"


@contextmanager
def programs(stack: Stack) -> Iterator[dict[str, Keys]]:
    """The keys of each row of docs/security.md whose caller signs."""
    iam, name = stack.client("iam"), "knocking-program"
    iam.create_user(UserName=name)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    ours = stack.credentials
    yield {
        "IAM caller with leave": Keys(ours.key_id, ours.secret_key),
        "IAM caller without leave": Keys(made["AccessKeyId"], made["SecretAccessKey"]),
        "wrong signature": Keys(ours.key_id, "not-the-secret"),
    }
    iam.delete_access_key(UserName=name, AccessKeyId=made["AccessKeyId"])
    iam.delete_user(UserName=name)


def signature(stack: Stack, keys: Keys, api: str, asked: tuple[str, str, bytes]) -> dict[str, str]:
    """The headers of a Signature Version 4 for an API's own host; `api` is the stack's output.

    `asked` is method, path below the stage, and body.
    """
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    method, path, body = asked
    host = api_host(stack.outputs[api], stack.ports["engine"])
    request = AWSRequest(method, f"http://{host}/v1{path}", data=body)
    SigV4Auth(Credentials(keys.key_id, keys.secret_key), "execute-api", REGION).add_auth(request)
    return {str(name): str(value) for name, value in request.headers.items()}
