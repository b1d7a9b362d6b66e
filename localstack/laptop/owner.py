"""The dashboard's first user: made on the laptop's first run, signed in by ``alpaquero token``.

On AWS ``alpaquero admin`` makes him.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from laptop.stack import Stack

_GROUP = "admin"


def ensure(stack: Stack) -> None:
    """Make the owner an admin with the generated password, unless he is there."""
    secrets = stack.credentials
    if "UserPool" not in stack.outputs:
        from laptop import issuer

        issuer.add_user(stack.state.root, secrets.email, secrets.password, _GROUP)
        return
    make_admin(stack.client("cognito-idp"), stack.outputs["UserPool"], secrets.email, secrets.password)


def make_admin(cognito: Any, pool: str, email: str, password: str) -> bool:
    """Make an admin with this password; False when the user is there, who is left alone."""
    found = cognito.list_users(UserPoolId=pool, Filter=f'email = "{email}"')["Users"]
    if any(user["Username"] == email or _email(user) == email for user in found):
        return False
    cognito.admin_create_user(
        UserPoolId=pool,
        Username=email,
        MessageAction="SUPPRESS",
        UserAttributes=[{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}],
    )
    cognito.admin_set_user_password(UserPoolId=pool, Username=email, Password=password, Permanent=True)
    cognito.admin_add_user_to_group(UserPoolId=pool, Username=email, GroupName=_GROUP)
    return True


def _email(user: Mapping[str, Any]) -> str:
    return next((pair["Value"] for pair in user.get("Attributes", ()) if pair["Name"] == "email"), "")


def access_token(stack: Stack) -> str:
    """An access token of the owner, good for the pool's 15 minutes."""
    secrets = stack.credentials
    signed_in = stack.client("cognito-idp").initiate_auth(
        ClientId=stack.outputs["UserPoolClient"],
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": secrets.email, "PASSWORD": secrets.password},
    )
    return str(signed_in["AuthenticationResult"]["AccessToken"])
