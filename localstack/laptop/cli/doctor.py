"""``alpaquero doctor``: what is wrong with this machine, an account or a stack, and the fix of each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from laptop.cli.common import json_option, print_json, state_option

if TYPE_CHECKING:
    from laptop.doctor.checkup import Checkup


@click.command()
@click.option("--env", "environment", type=click.Choice(["paper", "live"]), help="Check AWS for this one.")
@click.option("--live", "is_live", is_flag=True, help="Walk through the checklist from paper to live.")
@click.option(
    "--stack", help="A stack in AWS by a name of its own; it is taken for paper, or live with --live."
)
@click.option("--region", help="The AWS region; the shell's or the profile's by default.")
@click.option("--profile", help="The AWS profile to use.")
@click.option("--paper-profile", help="Live: the profile of the account with the paper stack, if another.")
@state_option
@json_option
def doctor(
    *,
    environment: str | None,
    is_live: bool,
    stack: str | None,
    region: str | None,
    profile: str | None,
    paper_profile: str | None,
    state: Path | None,
    as_json: bool,
) -> int:
    """Check this machine; with --env, --stack or --live an AWS account and its stack.

    Ends with 1 when a check failed.
    """
    from laptop.doctor import checkup
    from laptop.doctor.finding import as_objects, printed
    from laptop.layout import StateFolder

    chosen = "live" if is_live else environment or ("paper" if stack else None)
    found = (
        checkup.of_machine(StateFolder.at(state))
        if chosen is None
        else _of_aws(chosen, stack=stack, region=region, profile=profile, paper_profile=paper_profile)
    )
    if as_json:
        print_json({"ok": not found.failed, "findings": as_objects(found.findings)})
    else:
        for line in printed(found.findings):
            print(line)
        print(f"{len(found.failed)} of {len(found.findings)} failed" if found.failed else "all well")
    return 1 if found.failed else 0


def _of_aws(
    environment: str, *, stack: str | None, region: str | None, profile: str | None, paper_profile: str | None
) -> Checkup:
    import boto3

    from laptop.aws.environments import parameters_now, target_of
    from laptop.doctor import checkup
    from laptop.errors import LaptopError

    session: Any = boto3.Session(profile_name=profile, region_name=region)
    if not session.region_name:
        raise LaptopError("no AWS region is set: give --region, such as us-east-1")
    target = target_of(environment, {})
    target = replace(target, stack=stack or target.stack)
    now = parameters_now(session.client("cloudformation"), target.stack)
    paper: Any = paper_profile and boto3.Session(profile_name=paper_profile, region_name=session.region_name)
    target = replace(target, parameters=now | dict(target.parameters))
    return checkup.of_environment(session, target, paper=paper or None)
