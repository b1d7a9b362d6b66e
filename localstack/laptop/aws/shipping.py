"""``alpaquero deploy``: build, check, show, ask, carry out, migrate, look whether it lives.

Three stacks, in this order: template.yaml, infra/site.yaml before it, infra/operations.yaml beside it. The
page's address is known when the second is there, so at the first deploy a further change set tells the first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from laptop.aws import changes, environments, variant
from laptop.aws.environments import LIVE, Target
from laptop.build import Architecture, Built
from laptop.deploy import Clients, Prepared, carry_out, packaged, prepare, status_of, upload
from laptop.errors import LaptopError
from laptop.layout import REPOSITORY, TEMPLATE

SITE: Final = REPOSITORY / "infra" / "site.yaml"
OPERATIONS: Final = REPOSITORY / "infra" / "operations.yaml"
_SECONDS: Final = 5400.0  # CodeDeploy's ten steps and CloudFront's hour at worst
_PAUSE: Final = 3.0
_HEALTH_SECONDS: Final = 120.0
_BUSY: Final = "_IN_PROGRESS"
_STUCK: Final = ("ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "UPDATE_ROLLBACK_FAILED")


@dataclass(frozen=True)
class Owner:
    """Who is asked. `agrees` to a question; `types` what he is asked to type."""

    say: Callable[[str], None]
    agrees: Callable[[str], bool]
    types: Callable[[str], str]


@dataclass(frozen=True)
class Shipment:
    """One deploy: where to, with what, who is asked."""

    clients: Clients
    target: Target
    region: str
    account_id: str
    owner: Owner
    allowed: Sequence[str] = ()
    manner: str = "AllAtOnce"
    snap_start: bool = False
    template: Path = TEMPLATE
    pause: float = _PAUSE
    seconds: float = _SECONDS

    @property
    def cloudformation(self) -> Any:
        """CloudFormation's client."""
        return self.clients.client("cloudformation")

    @property
    def bucket(self) -> str:
        """Where the zips go; a bucket's name is the world's, so it holds account and region."""
        return f"alpaquero-artifacts-{self.account_id}-{self.region}"


def architecture_of(target: Target) -> Architecture:
    """The processors that an environment's functions run on.

    Raises
    ------
    LaptopError
        When Lambda has none of that name.
    """
    wanted = target.parameters.get("Architecture", "x86_64")
    if wanted == "x86_64":
        return "x86_64"
    if wanted == "arm64":
        return "arm64"
    raise LaptopError(f"Architecture={wanted} is none of Lambda's: x86_64 or arm64")


def as_built(target: Target, built: Built) -> Target:
    """The environment, told for which processors its layers were built."""
    return replace(target, parameters={**target.parameters, "Architecture": built.architecture})


class DeclinedError(LaptopError):
    """The owner said no; nothing was changed."""


def ensure_bucket(shipment: Shipment) -> None:
    """Make the bucket of the zips unless it is there: private, encrypted, of this account alone."""
    s3, name = shipment.clients.client("s3"), shipment.bucket
    if name in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
        return
    # us-east-1 alone takes no name of itself here.
    where: dict[str, Any] = (
        {}
        if shipment.region == "us-east-1"
        else {"CreateBucketConfiguration": {"LocationConstraint": shipment.region}}
    )
    s3.create_bucket(Bucket=name, **where)
    s3.put_public_access_block(
        Bucket=name,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "project", "Value": "alpaquero"}]})


def require_settled(cloudformation: Any, stack: str) -> None:
    """Refuses a stack that is being changed, or that somebody must look at first.

    Raises
    ------
    LaptopError
    """
    status = status_of(cloudformation, stack) or ""
    if status.endswith(_BUSY) and status != "REVIEW_IN_PROGRESS":
        raise LaptopError(f"{stack} is being changed by another deploy ({status}): wait until it has ended")
    if status in _STUCK:
        raise LaptopError(
            f"{stack} is stuck ({status}): docs/deploy.md, section When a deploy fails, says what to do"
        )


def review(shipment: Shipment, prepared: Prepared) -> None:
    """Show a change set, refuse what would lose state, ask; on a no it is deleted and nothing was changed.

    Raises
    ------
    LaptopError
        For a replacement or removal of what holds state that was not allowed by its name.
    DeclinedError
    """
    found = changes.changes_of(shipment.cloudformation, prepared.stack, prepared.name)
    say = shipment.owner.say
    say(f"{prepared.stack}: {len(found)} changes, to be {'created' if prepared.creates else 'updated'}")
    for line in changes.lines(found):
        say(line)
    try:
        _refuse_losses(changes.refused(found, shipment.allowed))
        if not shipment.owner.agrees(f"Change {prepared.stack} so?"):
            raise DeclinedError(f"{prepared.stack} was left as it is")
    except LaptopError:
        _withdraw(shipment, prepared)
        raise


def _refuse_losses(lost: Sequence[changes.Change]) -> None:
    if lost:
        names = [one.name for one in lost]
        options = " ".join(f"--allow-replacement {name}" for name in names)
        raise LaptopError(
            f"{', '.join(names)} would be replaced or removed and lose what is in there: export "
            f"first (docs/moving.md), then {options}"
        )


def _withdraw(shipment: Shipment, prepared: Prepared) -> None:
    """Take the change set back, and the empty stack that a first one leaves."""
    shipment.cloudformation.delete_change_set(StackName=prepared.stack, ChangeSetName=prepared.name)
    if prepared.creates:
        shipment.cloudformation.delete_stack(StackName=prepared.stack)


def ship_stack(shipment: Shipment, stack: str, body: str, parameters: Mapping[str, str]) -> bool:
    """Bring one stack to a template's body, after a review; whether anything changed."""
    require_settled(shipment.cloudformation, stack)
    prepared = prepare(
        shipment.clients,
        body,
        stack=stack,
        parameters=parameters,
        bucket=shipment.bucket,
        tags=shipment.target.tags,
        seconds=shipment.seconds,
        pause=shipment.pause,
    )
    if not prepared.changed:
        shipment.cloudformation.delete_change_set(StackName=stack, ChangeSetName=prepared.name)
        shipment.owner.say(f"{stack}: nothing to change")
        return False
    review(shipment, prepared)
    carry_out(shipment.clients, prepared, seconds=shipment.seconds, pause=shipment.pause)
    return True


def ship(shipment: Shipment, artifacts: Mapping[str, Path]) -> dict[str, str]:
    """All three stacks; gives the outputs of the first with `Host`, the dashboard's.

    Raises
    ------
    LaptopError
        When something was refused or declined; stacks that were carried out before stay so.
    """
    target, cloudformation = shipment.target, shipment.cloudformation
    ensure_bucket(shipment)
    sent = upload(shipment.clients, artifacts, shipment.bucket)
    shipment.owner.say(f"{sent} zips sent to {shipment.bucket}")
    body = packaged(
        variant.for_aws(
            shipment.template.read_text(), manner=shipment.manner, snap_start=shipment.snap_start
        ),
        artifacts,
        bucket=shipment.bucket,
    )
    parameters = environments.parameters_now(cloudformation, target.stack, shipment.template) | dict(
        target.parameters
    )
    ship_stack(shipment, target.stack, body, parameters)
    host = _ship_site(shipment)
    if parameters.get("DashboardOrigin") != f"https://{host}" and "DashboardOrigin" not in target.parameters:
        shipment.owner.say(f"the dashboard is at https://{host}: the functions are told so")
        ship_stack(shipment, target.stack, body, parameters | {"DashboardOrigin": f"https://{host}"})
    _ship_operations(shipment)
    protect(shipment)
    return environments.outputs_of(cloudformation, target.stack) | {"Host": host}


def protect(shipment: Shipment) -> None:
    """No stack with state or an address is deleted by one wrong word; docs/deploy.md says how they are."""
    for stack in (shipment.target.stack, shipment.target.site):
        shipment.cloudformation.update_termination_protection(
            StackName=stack, EnableTerminationProtection=True
        )


def _ship_site(shipment: Shipment) -> str:
    target, cloudformation = shipment.target, shipment.cloudformation
    wanted = (
        environments.parameters_now(cloudformation, target.site, SITE)
        | environments.filled(SITE, cloudformation, target.stack)
        | {"Environment": target.environment}
    )
    ship_stack(shipment, target.site, SITE.read_text(), wanted)
    host = environments.outputs_of(cloudformation, target.site)["Host"]
    if wanted.get("Host") != host:
        ship_stack(shipment, target.site, SITE.read_text(), wanted | {"Host": host})
    return host


def _ship_operations(shipment: Shipment) -> None:
    target, cloudformation = shipment.target, shipment.cloudformation
    # As the stack has them now, its defaults too.
    parameters = environments.parameters_now(cloudformation, target.stack, shipment.template)
    wanted = (
        environments.parameters_now(cloudformation, target.operations, OPERATIONS)
        | environments.filled(OPERATIONS, cloudformation, target.stack)
        | {"Environment": target.environment, "Stack": target.stack}
        | {name: parameters[name] for name in ("Schedules",) if name in parameters}
        | ({"BudgetMail": parameters["MailTo"]} if "MailTo" in parameters else {})
    )
    ship_stack(shipment, target.operations, OPERATIONS.read_text(), wanted)


def confirm_live(owner: Owner, number: str) -> None:
    """Who deploys live types the number of the broker's account, which nothing shows him.

    Raises
    ------
    DeclinedError
    """
    typed = owner.types("This trades real money. Type the number of the Alpaca account it trades")
    if not number or typed != number:
        raise DeclinedError(
            "that is not the number of the account whose keys the secret holds: nothing was done"
        )


def require_compiled(compiler: str | None) -> None:
    """Refuses a build without bytecode, which starts several times slower.

    Raises
    ------
    LaptopError
    """
    if not compiler:
        raise LaptopError(
            "the build is not compiled, so that each cold start takes several times as long: install "
            "Python 3.13 or let npm reach its registry (docs/packaging.md), or deploy with --uncompiled"
        )


def wait_for_health(
    url: str,
    fetch: Callable[[str], tuple[int, Any]],
    *,
    seconds: float = _HEALTH_SECONDS,
    pause: float = _PAUSE,
) -> str:
    """The status that `/health` answers once it does.

    Raises
    ------
    LaptopError
        When it has not answered 200 in time; the stack stays as it is.
    """
    deadline, status, answer = time.monotonic() + seconds, 0, None
    while True:
        status, answer = fetch(url)
        if status == 200:
            return str((answer or {}).get("status", "unknown"))
        if time.monotonic() > deadline:
            raise LaptopError(
                f"{url} answers {status or 'nothing'} after {seconds:.0f} s: look at the logs "
                "(docs/deploy.md, section When a deploy fails), or roll back"
            )
        time.sleep(pause)


def needs_number(target: Target) -> bool:
    """Whether the account's number must be typed."""
    return target.environment == LIVE
