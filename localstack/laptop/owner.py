"""The dashboard's first user: made on the first run, signed in by ``alpaquero token``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from laptop.stack import Stack

_GROUP = "admin"


def ensure(stack: Stack) -> None:
    """Make the owner an admin with the generated password, unless he is there."""
    cognito = stack.client("cognito-idp")
    pool, secrets = stack.outputs["UserPool"], stack.credentials
    if any(user["Username"] == secrets.email for user in cognito.list_users(UserPoolId=pool)["Users"]):
        return
    cognito.admin_create_user(
        UserPoolId=pool,
        Username=secrets.email,
        MessageAction="SUPPRESS",
        UserAttributes=[
            {"Name": "email", "Value": secrets.email},
            {"Name": "email_verified", "Value": "true"},
        ],
    )
    cognito.admin_set_user_password(
        UserPoolId=pool, Username=secrets.email, Password=secrets.password, Permanent=True
    )
    cognito.admin_add_user_to_group(UserPoolId=pool, Username=secrets.email, GroupName=_GROUP)


def access_token(stack: Stack) -> str:
    """An access token of the owner, good for the pool's 15 minutes."""
    secrets = stack.credentials
    signed_in = stack.client("cognito-idp").initiate_auth(
        ClientId=stack.outputs["UserPoolClient"],
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": secrets.email, "PASSWORD": secrets.password},
    )
    return str(signed_in["AuthenticationResult"]["AccessToken"])
