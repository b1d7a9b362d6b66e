"""``alpaquero deploy`` and ``alpaquero admin``: the stack in AWS, and its first user."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from laptop.cli.common import json_option, print_json, progress, set_option

if TYPE_CHECKING:
    from laptop.aws.environments import Target
    from laptop.aws.shipping import Owner, Shipment


@click.command()
@click.option(
    "--env",
    "environment",
    type=click.Choice(["paper", "live"]),
    required=True,
    help="Play money or real money.",
)
@click.option("--region", help="The AWS region; the shell's or the profile's by default.")
@click.option("--profile", help="The AWS profile to use.")
@click.option("--paper-profile", help="Live: the profile of the account with the paper stack, if another.")
@set_option
@click.option(
    "--gradual", type=click.Choice(["none", "canary", "linear"]), help="How traffic moves to new code."
)
@click.option("--snap-start", is_flag=True, help="Start functions from a snapshot of their process.")
@click.option(
    "--allow-replacement",
    "allowed",
    multiple=True,
    metavar="RESOURCE",
    help="Let this resource lose its state.",
)
@click.option("--uncompiled", is_flag=True, help="Deploy even when no Python 3.13 could compile the build.")
@click.option("--yes", is_flag=True, help="Carry out what is shown without asking; never enough for live.")
@json_option
def deploy(
    *,
    environment: str,
    region: str | None,
    profile: str | None,
    paper_profile: str | None,
    given: dict[str, str],
    gradual: str | None,
    snap_start: bool,
    allowed: tuple[str, ...],
    uncompiled: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Build, show what would change in AWS, ask, and bring the stack to this release.

    Live runs the checks of `doctor --live` first and asks for the number of the broker's account.
    """
    import boto3

    from laptop.aws import shipping
    from laptop.aws.environments import parameters_now, target_of
    from laptop.errors import LaptopError

    say = progress()
    session: Any = boto3.Session(profile_name=profile, region_name=region)
    if not session.region_name:
        raise LaptopError("no AWS region is set: give --region, such as us-east-1")
    target = target_of(environment, given)
    _refuse_newer_tables(session, target)
    paper: Any = paper_profile and boto3.Session(profile_name=paper_profile, region_name=session.region_name)
    number = _checked(session, _as_it_will_be(session, target), paper or None, say)
    owner = _owner(say, yes=yes)
    built = _built(say, _as_it_will_be(session, target), uncompiled=uncompiled)
    if shipping.needs_number(target):
        shipping.confirm_live(owner, number)
    shipment = shipping.Shipment(
        clients=session,
        target=shipping.as_built(target, built),
        region=session.region_name,
        account_id=session.client("sts").get_caller_identity()["Account"],
        owner=owner,
        allowed=allowed,
        manner=_manner(gradual, environment),
        snap_start=snap_start,
    )
    outputs = shipping.ship(shipment, built.artifacts)
    status = _settled(session, shipment, outputs, say)
    if as_json:
        print_json({"stack": target.stack, "url": f"https://{outputs['Host']}", "health": status})
    else:
        print(f"{target.stack} is up: https://{outputs['Host']} ({status})")
        if not parameters_now(session.client("cloudformation"), target.stack).get("WatchdogSecret"):
            print("no outside watchdog is set: docs/deploy.md says how (WatchdogSecret)")
        if not _has_admin(session, outputs["UserPool"]):
            print(f"nobody can sign in yet: alpaquero admin you@example.com --stack {target.stack}")
    return 0


def _as_it_will_be(session: Any, target: Target) -> Target:
    """The environment with the parameters that its stack keeps from the last deploy."""
    from laptop.aws.environments import parameters_now

    kept = parameters_now(session.client("cloudformation"), target.stack)
    return replace(target, parameters=kept | dict(target.parameters))


def _manner(gradual: str | None, environment: str) -> str:
    ways = {"none": "AllAtOnce", "canary": "Canary10Percent5Minutes", "linear": "Linear10PercentEvery1Minute"}
    return ways[gradual or ("canary" if environment == "live" else "none")]


def _refuse_newer_tables(session: Any, target: Target) -> None:
    """`alpaquero migrate --check` on a stack that is there."""
    from laptop.aws.environments import outputs_of
    from laptop.moving import schema

    outputs = outputs_of(session.client("cloudformation"), target.stack)
    if "Settings" in outputs:
        schema.check(session.client("dynamodb"), outputs["Settings"])


def _checked(session: Any, target: Target, paper: Any, say: Callable[[str], None]) -> str:
    """What must hold before a deploy; gives the number of the broker's account, if it is known."""
    from laptop.doctor import checkup
    from laptop.doctor.finding import Outcome, printed
    from laptop.errors import LaptopError

    found = checkup.before_deploy(session, target, paper=paper)
    for line in printed(found.findings, only={Outcome.FAIL, Outcome.WARN}):
        say(line)
    if found.failed:
        raise LaptopError(
            f"{len(found.failed)} checks failed, so nothing was deployed: mend them, `alpaquero doctor "
            f"--{'live' if target.environment == 'live' else 'env paper'}` shows all"
        )
    return found.account_number


def _owner(say: Callable[[str], None], *, yes: bool) -> Owner:
    from laptop.aws.shipping import Owner

    def say_loud(line: str) -> None:
        if line.startswith("!"):
            click.secho(line, fg="red", bold=True, err=True)
        else:
            say(line)

    return Owner(
        say=say_loud,
        agrees=lambda question: yes or click.confirm(question, err=True),
        types=lambda question: click.prompt(question, type=str, err=True).strip(),
    )


def _built(say: Callable[[str], None], target: Target, *, uncompiled: bool) -> Any:
    """Layers and functions for the stack's processors, compiled; the build refuses what is too heavy."""
    from laptop.aws import shipping
    from laptop.build import build

    built = build("aws", architecture=shipping.architecture_of(target), say=say)
    if not uncompiled:
        shipping.require_compiled(built.compiler)
    return built


def _settled(session: Any, shipment: Shipment, outputs: dict[str, str], say: Callable[[str], None]) -> str:
    """After the stacks: tables brought up, the page published, `/health` asked; gives its status."""
    from laptop import dashboard
    from laptop.aws import shipping
    from laptop.doctor.network import fetch_json
    from laptop.layout import BUILD
    from laptop.moving import schema
    from laptop.moving.places import place_of

    place = place_of(session.client, shipment.target.stack)
    schema.migrate(place.dynamodb, place.tables, say=say)
    page = dashboard.build(log=BUILD / "dashboard.log", say=say)
    sent = dashboard.publish(session, outputs["DashboardBucket"], page)
    say(f"{sent} files of the page published")
    region = session.region_name
    address = f"https://{outputs['PublicApi']}.execute-api.{region}.amazonaws.com/v1/health"
    return shipping.wait_for_health(address, fetch_json)


def _has_admin(session: Any, pool: str) -> bool:
    users = session.client("cognito-idp").list_users_in_group(UserPoolId=pool, GroupName="admin", Limit=1)
    return bool(users["Users"])


@click.command()
@click.argument("email")
@click.option("--stack", required=True, help="The stack in AWS, such as alpaquero-paper.")
@click.option("--region", help="The AWS region of the stack.")
@click.option("--profile", help="The AWS profile to use.")
@json_option
def admin(*, email: str, stack: str, region: str | None, profile: str | None, as_json: bool) -> int:
    """Make EMAIL an admin of the stack and print a password, this once."""
    import boto3

    from laptop import credentials, owner
    from laptop.aws.environments import outputs_of
    from laptop.errors import LaptopError

    session: Any = boto3.Session(profile_name=profile, region_name=region)
    outputs = outputs_of(session.client("cloudformation"), stack)
    if "UserPool" not in outputs:
        raise LaptopError(f"{stack} is none of alpaquero's stacks here: name it with --stack and --region")
    password = credentials.password()
    if not owner.make_admin(session.client("cognito-idp"), outputs["UserPool"], email, password):
        raise LaptopError(
            f"{email} is there already: a new password is set by `aws cognito-idp admin-set-user-password`"
        )
    if as_json:
        print_json({"email": email, "password": password})
    else:
        print(f"{email} is an admin of {stack}. The password, shown this once: {password}")
        print("keep it in a password manager; whoever has it may trade", file=sys.stderr)
    return 0
