"""Doctor: each check tells what is wrong, how it looked and the fix; no secret is ever shown."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner
from moto import mock_aws

from laptop.aws.environments import Target, target_of
from laptop.cli.doctor import doctor
from laptop.doctor import account, checklist, checkup, deployed, machine
from laptop.doctor.account import Account, source_arn
from laptop.doctor.checklist import Checklist
from laptop.doctor.finding import Finding, Outcome, ok, printed, run
from laptop.doctor.machine import Machine
from laptop.doctor.network import Reply
from laptop.layout import StateFolder

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PAPER, LIVE = target_of("paper", {}), target_of("live", {})


class Clients:
    """An account whose services answer what the test says; a method that has no answer is not asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers

    def client(self, service: str, /) -> Any:
        given = self.answers[service.replace("-", "_")]

        def always(answer: Any) -> Any:
            return lambda **_: answer

        methods = {name: always(answer) for name, answer in given.items()}
        return type("Client", (), {name: staticmethod(one) for name, one in methods.items()})()


def answering(status: int, body: Any = None, date: datetime | None = None) -> Any:
    """A network where every address gives this answer."""
    return lambda _url, _headers: Reply(status, date, body)


def this_machine(tmp_path: Path, **more: Any) -> Machine:
    """A machine in order but for what the test changes."""
    given: dict[str, Any] = {"ports": {}, "is_up": False, "now": lambda: NOW, "environments": ()}
    return Machine(StateFolder.at(tmp_path / "state"), **(given | more))


@pytest.mark.parametrize(("seconds", "outcome"), [(0, "ok"), (0.9, "ok"), (5, "fail"), (-5, "fail")])
def test_the_clock_is_held_against_theirs(tmp_path: Path, seconds: float, outcome: str) -> None:
    """Within what a header's whole second can tell it is in step; five seconds either way are not."""
    on = this_machine(tmp_path, fetch=answering(200, date=NOW + timedelta(seconds=seconds)))
    assert machine.clock(on, "AWS", "https://x").outcome == outcome


def test_no_network_is_no_fault(tmp_path: Path) -> None:
    """The laptop cloud needs none, so the clock is skipped with the reason."""

    def gone(_url: str, _headers: Mapping[str, str]) -> Reply:
        raise OSError("no route")

    found = machine.clock(this_machine(tmp_path, fetch=gone), "AWS", "https://x")
    assert (Outcome.SKIPPED, "not reached: no route") == (found.outcome, found.found)


def test_open_files_are_named_with_their_fix(tmp_path: Path) -> None:
    """A state folder whose keys others may read fails; chmod is the fix."""
    on = this_machine(tmp_path)
    assert machine.state_folder(on).outcome == Outcome.OK
    keys = on.state.root / "credentials.json"
    keys.write_text("{}")
    keys.chmod(0o644)
    found = machine.state_folder(on)
    assert found.outcome == Outcome.FAIL
    assert found.fix == f"chmod go= {keys}"


def test_old_pythons_and_missing_environments_fail(tmp_path: Path) -> None:
    """Both name the command that mends them."""
    on = this_machine(tmp_path, python=(3, 10), environments=[(tmp_path / ".venv" / "x", "make setup")])
    assert "make setup PYTHON=python3.13" in machine.python(on).fix
    assert (Outcome.FAIL, "make setup") == (machine.environments(on).outcome, machine.environments(on).fix)


def test_the_command_ends_with_1_and_tells_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed check is the command's exit code; --json has each finding with its fix."""
    bad = Finding("disk", Outcome.FAIL, "looking", "full", "make room")
    monkeypatch.setattr(
        machine, "checks", lambda _: [("disk", lambda: bad), ("x", lambda: ok("x", "y", "z"))]
    )
    done = CliRunner().invoke(doctor, ["--state", os.fspath(tmp_path), "--json"], standalone_mode=False)
    told = json.loads(done.output)
    assert (1, False) == (done.return_value, told["ok"])
    assert told["findings"][0] == {
        "name": "disk", "outcome": "fail", "how": "looking", "found": "full", "fix": "make room"
    }  # fmt: skip


def test_a_refused_look_is_skipped_and_another_error_fails() -> None:
    """Credentials that may not look are no fault of the stack; any other error is told as it is."""

    def raises(code: str) -> Any:
        def check() -> Finding:
            raise ClientError({"Error": {"Code": code, "Message": "words"}}, "ListThings")

        return check

    denied, other = run([("a", raises("AccessDenied")), ("b", raises("Boom"))])
    assert (Outcome.SKIPPED, Outcome.FAIL) == (denied.outcome, other.outcome)
    assert "allow ListThings" in denied.fix


def with_secret(value: str, target: Target, name: str, **more: Any) -> Account:
    """An account with one secret, and the check of it to be made."""
    session = boto3.Session(aws_access_key_id="k", aws_secret_access_key="s", region_name="us-east-1")
    session.client("secretsmanager").create_secret(Name=target.parameters[name], SecretString=value)
    return Account(session, target, "us-east-1", **more)


KEYS = {"PK": '{"key_id": "PKAAAA1111", "secret_key": "hidden-word"}', "AK": '{"key_id": "AKAAAA1111", "secret_key": "hidden-word"}'}  # fmt: skip  # noqa: E501


@mock_aws
@pytest.mark.parametrize(
    ("value", "target", "outcome"),
    [
        (KEYS["PK"], PAPER, "ok"),
        (KEYS["AK"], PAPER, "fail"),
        (KEYS["AK"], LIVE, "ok"),
        (KEYS["PK"], LIVE, "fail"),
        ("hidden-word", PAPER, "fail"),
        ('{"key_id": "hidden-word"}', PAPER, "fail"),
        ('{"key_id": "PKAAAA1111", "secret_key": " hidden-word"}', PAPER, "fail"),
    ],
)
def test_a_secret_is_judged_and_never_shown(value: str, target: Target, outcome: str) -> None:
    """Its shape and its environment are checked; no half of it is in what is told."""
    found = account.secret(with_secret(value, target, "TradingSecret"), "TradingSecret")
    assert outcome == found.outcome
    assert not [line for line in printed([found]) if "hidden-word" in line or "AAAA1111" in line]


@mock_aws
def test_a_secret_that_is_not_there_names_its_section() -> None:
    """The fix is a section of docs/deploy.md."""
    session = boto3.Session(aws_access_key_id="k", aws_secret_access_key="s", region_name="us-east-1")
    found = account.secret(Account(session, PAPER, "us-east-1"), "DataSecret")
    assert found.outcome == Outcome.FAIL
    assert "section Secrets (alpaquero/paper/data)" in found.fix


@mock_aws
def test_the_brokers_number_is_kept_and_not_shown() -> None:
    """The account's end is told; the whole number, which live wants typed, is not."""
    body = {"status": "ACTIVE", "account_number": "PA3SECRETNUM", "trading_blocked": False}
    on = with_secret(KEYS["PK"], PAPER, "TradingSecret", fetch=answering(200, body))
    account.secret(on, "TradingSecret")
    found = account.broker_account(on)
    assert (Outcome.OK, "PA3SECRETNUM") == (found.outcome, on.number)
    assert found.found == "ACTIVE, ends in TNUM"


@mock_aws
@pytest.mark.parametrize(
    ("status", "body"), [(401, None), (200, {"status": "ACTIVE", "account_blocked": True}), (200, {})]
)
def test_an_account_that_may_not_trade_fails(status: int, body: Any) -> None:
    """Keys that are refused, an account that is held back, one that is not active."""
    on = with_secret(KEYS["PK"], PAPER, "TradingSecret", fetch=answering(status, body))
    account.secret(on, "TradingSecret")
    assert account.broker_account(on).outcome == Outcome.FAIL


@pytest.mark.parametrize(("limit", "target", "outcome"), [(5, PAPER, "fail"), (10, PAPER, "warn"), (10, LIVE, "fail"), (1000, LIVE, "ok")])  # fmt: skip  # noqa: E501
def test_live_wants_room_to_run(limit: int, target: Target, outcome: str) -> None:
    """A new account's ten executions do for paper, with a warning, and not for live."""
    clients = Clients(
        **{"lambda": {"get_account_settings": {"AccountLimit": {"ConcurrentExecutions": limit}}}}
    )
    assert account.concurrency(Account(clients, target, "us-east-1")).outcome == outcome


def test_root_is_nobody_to_deploy_as() -> None:
    """The root user fails; a role of a session is asked about by its own ARN."""
    clients = Clients(sts={"get_caller_identity": {"Arn": "arn:aws:iam::1:root", "Account": "1"}})
    assert account.identity(Account(clients, PAPER, "us-east-1")).outcome == Outcome.FAIL
    assert source_arn("arn:aws:sts::12:assumed-role/Deploy/me") == "arn:aws:iam::12:role/Deploy"
    assert source_arn("arn:aws:iam::12:user/me") == "arn:aws:iam::12:user/me"


@pytest.mark.parametrize(
    ("sender", "verified", "quota", "outcome"),
    [
        ("alpaquero@example.com", [], 200, "fail"),
        ("bot@mine.org", [], 200, "fail"),
        ("bot@mine.org", ["bot@mine.org"], 200, "fail"),
        ("bot@mine.org", ["bot@mine.org", "me@other.org"], 200, "ok"),
        ("bot@mine.org", ["mine.org"], 50_000, "ok"),
    ],
)
def test_mail_must_be_verified(sender: str, verified: list[str], quota: int, outcome: str) -> None:
    """The sender always; who gets it while SES keeps the account in its sandbox."""
    target = Target("paper", "s", {"MailFrom": sender, "MailTo": "me@other.org"})
    told = {name: {"VerificationStatus": "Success"} for name in verified}
    clients = Clients(
        ses={
            "get_identity_verification_attributes": {"VerificationAttributes": told},
            "get_send_quota": {"Max24HourSend": quota},
        }
    )
    assert account.mail(Account(clients, target, "us-east-1")).outcome == outcome


def test_live_is_apart_from_paper_in_samconfig() -> None:
    """The repository's own live environment passes; one that borrows paper's secret or host does not."""
    clients = Clients()
    assert checklist.settings(Checklist(clients, LIVE, PAPER)).outcome == Outcome.OK
    assert checklist.two_stacks(Checklist(clients, LIVE, PAPER)).outcome == Outcome.OK
    mixed = Target("live", "alpaquero-live", dict(PAPER.parameters))
    assert "AlpacaTradingUrl" in checklist.settings(Checklist(clients, mixed, PAPER)).found
    assert "TradingSecret" in checklist.two_stacks(Checklist(clients, mixed, PAPER)).found


@pytest.mark.parametrize(("days", "outcome"), [(3, "fail"), (28, "ok")])
def test_live_comes_after_weeks_on_paper(days: int, outcome: str) -> None:
    """A paper stack of some days is too young."""
    stack = {"StackStatus": "CREATE_COMPLETE", "CreationTime": NOW - timedelta(days=days)}
    stack["Outputs"] = [{"OutputKey": "Books", "OutputValue": "books"}]  # type: ignore[assignment]
    clients = Clients(cloudformation={"describe_stacks": {"Stacks": [stack]}})
    assert checklist.weeks_on_paper(Checklist(clients, LIVE, PAPER, now=lambda: NOW)).outcome == outcome


def deployed_with(**answers: Any) -> deployed.Deployed:
    """A stack that is there, its services answering so."""
    outputs = [{"OutputKey": name, "OutputValue": name.lower()} for name in (*deployed.KEPT_TABLES, "Health")]
    stack = {"StackStatus": "UPDATE_COMPLETE", "Outputs": outputs, "EnableTerminationProtection": True}
    clients = Clients(cloudformation={"describe_stacks": {"Stacks": [stack]}}, **answers)
    return deployed.Deployed(clients, PAPER, "us-east-1", "1", now=lambda: NOW)


@pytest.mark.parametrize(("guarded", "recovery", "outcome"), [(True, "ENABLED", "ok"), (False, "ENABLED", "fail"), (True, "DISABLED", "fail")])  # fmt: skip  # noqa: E501
def test_tables_must_be_protected(guarded: bool, recovery: str, outcome: str) -> None:
    """Both from deletion and from a wrong write."""
    backups = {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": recovery}}
    dynamodb = {
        "describe_table": {"Table": {"DeletionProtectionEnabled": guarded}},
        "describe_continuous_backups": {"ContinuousBackupsDescription": backups},
    }
    assert deployed.tables(deployed_with(dynamodb=dynamodb)).outcome == outcome


@pytest.mark.parametrize(("minutes", "outcome"), [(2, "ok"), (60, "fail")])
def test_work_must_be_of_late(minutes: int, outcome: str) -> None:
    """Sync and monitor come each minute; an hour without is a failure."""
    at = (NOW - timedelta(minutes=minutes)).isoformat()
    items = [{"body": {"S": json.dumps({"service": name, "at": at})}} for name in ("trading", "risk")]
    assert deployed.last_work(deployed_with(dynamodb={"query": {"Items": items}})).outcome == outcome


def test_what_live_could_not_look_at_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that may not read the paper stack do not open live; the same is no failure for paper."""

    def refused() -> Finding:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DescribeStacks")

    monkeypatch.setattr(account, "checks", lambda _: [("permissions", refused)])
    monkeypatch.setattr(checklist, "checks", lambda _: [("weeks on paper", refused)])
    session = boto3.Session(aws_access_key_id="k", aws_secret_access_key="s", region_name="us-east-1")
    assert [one.name for one in checkup.before_deploy(session, LIVE).failed] == ["weeks on paper"]
    assert checkup.before_deploy(session, PAPER).failed == []


@mock_aws
def test_paper_may_have_an_account_of_its_own() -> None:
    """Its stack is looked for where its profile leads, not where live goes."""
    stack = {"StackStatus": "CREATE_COMPLETE", "CreationTime": NOW - timedelta(days=40)}
    stack["Outputs"] = [{"OutputKey": "Books", "OutputValue": "books"}]  # type: ignore[assignment]
    there = Clients(cloudformation={"describe_stacks": {"Stacks": [stack]}})
    nowhere = Clients()
    on = Checklist(nowhere, LIVE, PAPER, now=lambda: NOW, paper_clients=there)
    assert checklist.weeks_on_paper(on).outcome == Outcome.OK
