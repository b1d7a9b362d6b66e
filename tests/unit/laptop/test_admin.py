"""The first admin of a stack in AWS: made once, his password shown once and good at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws

from laptop.cli.deploy import admin
from laptop.errors import LaptopError

TEMPLATE = """
Resources:
  Pool:
    Type: AWS::Cognito::UserPool
    Properties: {UserPoolName: pool}
Outputs: {UserPool: {Value: !Ref Pool}}
"""
ASKED = ["ana@example.org", "--stack", "one", "--region", "us-east-1", "--json"]


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An account with a stack that has a pool with our groups."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        session: Any = boto3.Session(region_name="us-east-1")
        session.client("cloudformation").create_stack(StackName="one", TemplateBody=TEMPLATE)
        pool = session.client("cognito-idp").list_user_pools(MaxResults=1)["UserPools"][0]["Id"]
        session.client("cognito-idp").create_group(UserPoolId=pool, GroupName="admin")
        yield session


def test_the_password_signs_in_and_the_user_is_an_admin(session: Any) -> None:
    """What is printed opens the pool, without a change of password first."""
    done = CliRunner().invoke(admin, ASKED, standalone_mode=False)
    told = json.loads(done.output)
    cognito = session.client("cognito-idp")
    pool = cognito.list_user_pools(MaxResults=1)["UserPools"][0]["Id"]
    client = cognito.create_user_pool_client(
        UserPoolId=pool, ClientName="page", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
    )["UserPoolClient"]["ClientId"]
    answer = cognito.initiate_auth(
        ClientId=client,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": told["email"], "PASSWORD": told["password"]},
    )
    assert "AccessToken" in answer["AuthenticationResult"]
    users = cognito.list_users_in_group(UserPoolId=pool, GroupName="admin")["Users"]
    assert ["ana@example.org"] == [user["Username"] for user in users]


def test_a_second_time_no_password_is_changed(session: Any) -> None:
    """Who is there keeps his password; the message says how a new one is set."""
    CliRunner().invoke(admin, ASKED, standalone_mode=False)
    again = CliRunner().invoke(admin, ASKED, standalone_mode=False)
    assert isinstance(again.exception, LaptopError)
    assert "admin-set-user-password" in str(again.exception)


def test_a_stack_of_others_is_refused(session: Any) -> None:
    """A name that is no stack of ours makes no user."""
    done = CliRunner().invoke(admin, [*ASKED[:2], "two", *ASKED[3:]], standalone_mode=False)
    assert "none of alpaquero's" in str(done.exception)
