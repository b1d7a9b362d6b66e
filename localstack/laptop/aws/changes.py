"""What a change set would do, told so that a person can judge it; ``laptop.aws.shipping`` shows it.

A resource that holds what cannot be made again (tables, buckets, users, messages under way) must not be
replaced or removed by the way: such a line is loud and refused unless it was asked for by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

STATEFUL: Final = frozenset(
    {
        "AWS::DynamoDB::Table",
        "AWS::S3::Bucket",
        "AWS::SQS::Queue",
        "AWS::Cognito::UserPool",
        "AWS::Cognito::UserPoolGroup",
        "AWS::Logs::LogGroup",
    }
)
# An id in an address that people or programs have noted; a new one is a new address.
ADDRESSED: Final = frozenset(
    {"AWS::ApiGateway::RestApi", "AWS::ApiGatewayV2::Api", "AWS::CloudFront::Distribution"}
)


@dataclass(frozen=True)
class Change:
    """One resource of a change set; `replaced` is yes, no or perhaps, as CloudFormation tells it."""

    action: str
    name: str
    kind: str
    replaced: str
    because: tuple[str, ...]

    @property
    def loses_state(self) -> bool:
        """Whether what it holds would be gone or left behind."""
        return self.kind in STATEFUL and (self.action == "Remove" or self._is_made_anew)

    @property
    def moves(self) -> bool:
        """Whether an address that others know would be another one."""
        return self.kind in ADDRESSED and (self.action == "Remove" or self._is_made_anew)

    @property
    def _is_made_anew(self) -> bool:
        # "Conditional" is decided while it is carried out, which is too late to say no.
        return self.action == "Modify" and self.replaced != "no"


_REPLACED: Final = {"True": "yes", "False": "no", "Conditional": "perhaps"}


def changes_of(client: Any, stack: str, name: str) -> list[Change]:
    """Every change of a change set: what loses state first, then by kind and name."""
    found: list[Change] = []
    for page in client.get_paginator("describe_change_set").paginate(StackName=stack, ChangeSetName=name):
        found.extend(
            _change(entry["ResourceChange"]) for entry in page["Changes"] if "ResourceChange" in entry
        )
    return sorted(found, key=lambda one: (not one.loses_state, not one.moves, one.kind, one.name))


def _change(entry: Mapping[str, Any]) -> Change:
    targets = [detail.get("Target", {}) for detail in entry.get("Details", ())]
    because = {str(target.get("Name") or target.get("Attribute")) for target in targets if target}
    return Change(
        action=entry["Action"],
        name=entry["LogicalResourceId"],
        kind=entry["ResourceType"],
        replaced=_REPLACED.get(str(entry.get("Replacement", "False")), "perhaps"),
        because=tuple(sorted(because)),
    )


def lines(changes: Sequence[Change]) -> list[str]:
    """The change set for people: each resource that keeps state or an address; counts of the rest."""
    told, rest = [], dict[tuple[str, str], int]()
    for one in changes:
        if one.loses_state:
            told.append(
                f"!! {_verb(one)} {one.name} ({one.kind}): what it holds does not come along{_why(one)}"
            )
        elif one.moves:
            told.append(f"!  {_verb(one)} {one.name} ({one.kind}): its address changes{_why(one)}")
        elif one.kind in STATEFUL:
            told.append(f"   {_verb(one)} {one.name} ({one.kind}){_why(one)}")
        else:
            key = (_verb(one), one.kind)
            rest[key] = rest.get(key, 0) + 1
    return told + [f"   {verb} {count} of {kind}" for (verb, kind), count in sorted(rest.items())]


def _verb(one: Change) -> str:
    if one.action == "Modify":
        return {"yes": "REPLACE", "perhaps": "perhaps REPLACE", "no": "change"}[one.replaced]
    return {"Add": "make", "Remove": "REMOVE"}.get(one.action, one.action.lower())


def _why(one: Change) -> str:
    return f", for its {', '.join(one.because)}" if one.because else ""


def refused(changes: Iterable[Change], allowed: Iterable[str]) -> list[Change]:
    """Those that lose state and were not allowed by their name."""
    names = set(allowed)
    return [one for one in changes if one.loses_state and one.name not in names]
