"""The first admin of a stack in AWS is made once, and his password is shown once."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from click.testing import CliRunner

from laptop.cli.deploy import admin
from laptop.errors import LaptopError

ASKED = ["ana@example.org", "--stack", "one", "--region", "us-east-1", "--json"]


class Pool:
    """A user pool that keeps users, passwords and groups."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {}

    def list_users(self, *, UserPoolId: str, Filter: str) -> Any:  # noqa: N803 - boto3's names
        wanted = Filter.split('"')[1]
        return {"Users": [user for name, user in self.users.items() if name == wanted]}

    def admin_create_user(self, *, Username: str, UserAttributes: Any, **_: str) -> None:  # noqa: N803
        self.users[Username] = {"Username": Username, "Attributes": UserAttributes}

    def admin_set_user_password(self, *, Username: str, Password: str, Permanent: bool, **_: str) -> None:  # noqa: N803
        self.users[Username] |= {"Password": Password, "Permanent": Permanent}

    def admin_add_user_to_group(self, *, Username: str, GroupName: str, **_: str) -> None:  # noqa: N803
        self.users[Username]["Group"] = GroupName


class Stacks:
    """CloudFormation with one stack, `one`, that has a pool."""

    def describe_stacks(self, *, StackName: str) -> Any:  # noqa: N803
        outputs = [{"OutputKey": "UserPool", "OutputValue": "pool"}] if StackName == "one" else []
        return {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "Outputs": outputs}]}


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    """The pool of the stack `one` that the command's session leads to."""
    pool = Pool()
    services = {"cognito-idp": pool, "cloudformation": Stacks()}
    monkeypatch.setattr(boto3.Session, "client", lambda _self, service: services[service])
    return pool


def test_the_password_that_is_shown_is_the_users(pool: Pool) -> None:
    """It holds for good, so nobody has to change it to get in, and its user is an admin."""
    told = json.loads(CliRunner().invoke(admin, ASKED, standalone_mode=False).output)
    user = pool.users["ana@example.org"]
    assert (told["password"], True, "admin") == (user["Password"], user["Permanent"], user["Group"])
    assert len(told["password"]) >= 12


def test_a_second_time_no_password_is_changed(pool: Pool) -> None:
    """Who is there keeps his password; the message says how a new one is set."""
    CliRunner().invoke(admin, ASKED, standalone_mode=False)
    kept = pool.users["ana@example.org"]["Password"]
    again = CliRunner().invoke(admin, ASKED, standalone_mode=False)
    assert isinstance(again.exception, LaptopError)
    assert "admin-set-user-password" in str(again.exception)
    assert pool.users["ana@example.org"]["Password"] == kept


def test_a_stack_of_others_is_refused(pool: Pool) -> None:
    """A name that is no stack of ours makes no user."""
    done = CliRunner().invoke(admin, [*ASKED[:2], "two", *ASKED[3:]], standalone_mode=False)
    assert "none of alpaquero's" in str(done.exception)
    assert pool.users == {}
