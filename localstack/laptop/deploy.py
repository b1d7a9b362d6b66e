"""Deploys a SAM template as it stands: zips to a bucket, a change set, and what came of it.

``LaptopCloud`` and ``laptop.redeploy`` call ``deploy``; ``laptop.aws`` calls its steps, with a look at the
change set between them. The only words of the template that change are the paths of ``CodeUri`` and
``ContentUri``, as ``sam package`` changes them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

from laptop.errors import DeployError, LaptopError, RolledBackError

if TYPE_CHECKING:
    from laptop.engine import Sessions

BUCKET: Final = "alpaquero-artifacts"
_PATH: Final = re.compile(r"\b(CodeUri|ContentUri):\s*([^\s,}#]+)")
_CAPABILITIES: Final = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
_PAUSE: Final = 0.03


class Clients(Protocol):
    """Where boto3 clients come from: the engine's `Sessions`, or a `boto3.Session`."""

    def client(self, service: str, /) -> Any:
        """The client of a service."""


@dataclass(frozen=True)
class Deployed:
    """What a deploy left: the stack's outputs and the physical id of each logical id."""

    outputs: Mapping[str, str]
    resources: Mapping[str, str]
    changed: bool


def packaged(template: str, artifacts: Mapping[str, Path], *, bucket: str = BUCKET) -> str:
    """The template with each local path replaced by its zip in the bucket.

    Parameters
    ----------
    template
        The body as it stands in the repository.
    artifacts
        For each path as the template writes it, without a last slash, its zip; a template that
        points AWS to ``build/aws/layers/api/`` gets ``layers/api``.

    Raises
    ------
    LaptopError
        When the template names a path that was not built.
    """

    def address(found: re.Match[str]) -> str:
        path = found[2].strip("'\"").rstrip("/").removeprefix("./").removeprefix("build/aws/")
        if path.startswith("s3:"):
            return found[0]
        if path not in artifacts:
            raise LaptopError(f"template.yaml names {path}, which was not built: run `make build`")
        return f"{found[1]}: s3://{bucket}/{artifacts[path].name}"

    return _PATH.sub(address, template)


def declared_parameters(template: Path) -> set[str]:
    """The names of the template's parameters."""
    section = re.search(r"^Parameters:\n((?:[ #].*\n|\n)+)", template.read_text(), re.MULTILINE)
    return set(re.findall(r"^  (\w+):", section[1], re.MULTILINE)) if section else set()


def upload(sessions: Clients, artifacts: Mapping[str, Path], bucket: str) -> int:
    """Put the zips that are not there into the bucket; gives how many were sent."""
    s3, sent = sessions.client("s3"), 0
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    present = {item["Key"] for page in pages for item in page.get("Contents", [])}
    for zipped in {path.name: path for path in artifacts.values()}.values():
        # The name holds the content's hash, so a present object is the same object.
        if zipped.name not in present:
            s3.put_object(Bucket=bucket, Key=zipped.name, Body=zipped.read_bytes())
            sent += 1
    return sent


def _ensure_bucket(sessions: Clients) -> None:
    s3 = sessions.client("s3")
    if BUCKET not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=BUCKET)


def status_of(cloudformation: Any, stack: str) -> str | None:
    """The stack's status, or None when there is no such stack."""
    from botocore.exceptions import ClientError

    try:
        return str(cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


# A stack in one of these can only be deleted.
_FAILED: Final = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"})
_ABSENT: Final = frozenset({None, "REVIEW_IN_PROGRESS", "DELETE_COMPLETE"})


def is_made_anew(status: str | None) -> bool:
    """Whether a deploy makes a stack of this status from nothing."""
    return status in _ABSENT or status in _FAILED


def _wait(read: Any, *, seconds: float, what: str, pause: float = _PAUSE) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while True:
        state: dict[str, Any] = read()
        status = state.get("StackStatus") or state["Status"]
        if not status.endswith(("IN_PROGRESS", "PENDING")):
            return state
        if time.monotonic() > deadline:
            raise DeployError(
                f"{what} did not end within {seconds:.0f} s; see logs/engine.log or, on AWS, the stack's "
                "events, then start again"
            )
        time.sleep(pause)


_BEGINS: Final = frozenset({"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"})
# What CloudFormation says of each resource that it stops because another failed.
_STOPPED: Final = ("Resource creation cancelled", "Resource update cancelled")


def _failures(cloudformation: Any, stack: str) -> str:
    """One line for each resource that failed in the stack's last operation, in the order they failed."""
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack)
    failed: list[str] = []
    for event in (event for page in pages for event in page["StackEvents"]):  # the newest first
        is_stack = event["PhysicalResourceId"] == event["StackId"]
        if is_stack and event["ResourceStatus"] in _BEGINS:
            break
        reason = event.get("ResourceStatusReason", "no reason given")
        if event["ResourceStatus"].endswith("FAILED") and reason not in _STOPPED:
            failed.append(f"{event['LogicalResourceId']} ({event.get('ResourceType', '')}): {reason}")
    return "\n".join(dict.fromkeys(reversed(failed))) or "no reason was given; see logs/engine.log"


def deploy(
    sessions: Sessions,
    template: Path,
    *,
    stack: str,
    artifacts: Mapping[str, Path],
    parameters: Mapping[str, str] | None = None,
    seconds: float = 120,
) -> Deployed:
    """Bring the stack to what the template says.

    Raises
    ------
    DeployError
        With one line for each resource the engine refused; `RolledBackError` when all is as before.
    """
    _ensure_bucket(sessions)
    upload(sessions, artifacts, BUCKET)
    prepared = prepare(
        sessions,
        packaged(template.read_text(), artifacts),
        stack=stack,
        parameters=parameters or {},
        bucket=BUCKET,
        seconds=seconds,
    )
    if prepared.changed:
        carry_out(sessions, prepared, seconds=seconds)
    return described(sessions, stack, changed=prepared.changed)


@dataclass(frozen=True)
class Prepared:
    """A change set that waits to be carried out; not `changed`: the stack is as the template says."""

    stack: str
    name: str
    changed: bool
    creates: bool


def prepare(
    sessions: Clients,
    body: str,
    *,
    stack: str,
    parameters: Mapping[str, str],
    bucket: str,
    tags: Mapping[str, str] | None = None,
    seconds: float = 120,
    pause: float = _PAUSE,
) -> Prepared:
    """Make the change set that brings the stack to what the template's body says.

    Raises
    ------
    DeployError
        When the template is refused.
    """
    from botocore.exceptions import ClientError

    cloudformation = sessions.client("cloudformation")
    status = status_of(cloudformation, stack)
    creates = is_made_anew(status)
    if status in _FAILED:
        cloudformation.delete_stack(StackName=stack)
        _wait(lambda: _stack(cloudformation, stack), seconds=seconds, what=f"deleting {stack}", pause=pause)
    name = f"change-{uuid4().hex[:12]}"
    try:
        cloudformation.create_change_set(
            StackName=stack,
            ChangeSetName=name,
            ChangeSetType="CREATE" if creates else "UPDATE",
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=_CAPABILITIES,
            **({"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]} if tags else {}),
            **_body(sessions, body, bucket),
        )
    except ClientError as error:
        raise DeployError(f"{stack} was refused: {error.response['Error']['Message']}") from error
    change = _wait(
        lambda: cloudformation.describe_change_set(StackName=stack, ChangeSetName=name),
        seconds=seconds,
        what="the change set",
        pause=pause,
    )
    changed = change["Status"] != "FAILED"
    if not changed and not _nothing_to_do(str(change.get("StatusReason", ""))):
        raise DeployError(f"{stack} was refused:\n{change.get('StatusReason')}")
    return Prepared(stack, name, changed, creates)


def carry_out(sessions: Clients, prepared: Prepared, *, seconds: float = 120, pause: float = _PAUSE) -> None:
    """Do what the change set says, and wait until it is done.

    Raises
    ------
    RolledBackError
        With one line for each resource that was refused; the stack is what it was before.
    DeployError
        The same of a stack that could not be made, or not be rolled back.
    """
    cloudformation, stack = sessions.client("cloudformation"), prepared.stack
    cloudformation.execute_change_set(StackName=stack, ChangeSetName=prepared.name)
    ended = _wait(
        lambda: _stack(cloudformation, stack), seconds=seconds, what=f"deploying {stack}", pause=pause
    )
    status = ended["StackStatus"]
    if status in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
        return
    told = f"{stack} was refused:\n{_failures(cloudformation, stack)}\n"
    if status == "UPDATE_ROLLBACK_COMPLETE":
        raise RolledBackError(f"{told}{stack} was rolled back to what it was: mend this and deploy again")
    if status == "ROLLBACK_COMPLETE":
        raise DeployError(f"{told}what there was of {stack} is removed again: mend this and deploy again")
    raise DeployError(f"{told}{stack} is left in {status}: docs/deploy.md, When a deploy fails")


def _nothing_to_do(reason: str) -> bool:
    return "didn't contain changes" in reason or "No updates" in reason


def _stack(cloudformation: Any, stack: str) -> dict[str, Any]:
    if status_of(cloudformation, stack) is None:
        return {"StackStatus": "DELETE_COMPLETE"}
    described: dict[str, Any] = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    return described


def _body(sessions: Clients, body: str, bucket: str) -> dict[str, str]:
    """A template over CloudFormation's limit for a body goes by way of the bucket."""
    if len(body.encode()) <= 51_200:
        return {"TemplateBody": body}
    s3 = sessions.client("s3")
    s3.put_object(Bucket=bucket, Key="template.yaml", Body=body.encode())
    return {"TemplateURL": f"{s3.meta.endpoint_url}/{bucket}/template.yaml"}


def described(sessions: Sessions, stack: str, *, changed: bool = False) -> Deployed:
    """Outputs and physical ids of a stack that is there."""
    cloudformation = sessions.client("cloudformation")
    state = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    resources = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    return Deployed(
        outputs={item["OutputKey"]: item["OutputValue"] for item in state.get("Outputs", [])},
        resources={item["LogicalResourceId"]: item["PhysicalResourceId"] for item in resources},
        changed=changed,
    )
