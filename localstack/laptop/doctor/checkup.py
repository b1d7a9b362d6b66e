"""Which checks are made for what; ``alpaquero doctor`` and ``alpaquero deploy`` call these."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from laptop.aws.environments import LIVE, Target, target_of
from laptop.deploy import status_of
from laptop.doctor import account, checklist, deployed, machine
from laptop.doctor.finding import Finding, Outcome, run
from laptop.doctor.network import Fetch, fetch
from laptop.layout import StateFolder

_ABSENT: Final = frozenset({None, "REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "DELETE_COMPLETE"})


@dataclass(frozen=True)
class Checkup:
    """What was found; `account_number` is the broker's, empty when it was not asked or did not answer."""

    findings: tuple[Finding, ...]
    account_number: str = ""

    @property
    def failed(self) -> list[Finding]:
        """What must be mended."""
        return [one for one in self.findings if one.outcome == Outcome.FAIL]


def of_machine(state: StateFolder) -> Checkup:
    """This machine, with its laptop cloud."""
    from laptop.stack import StackRecord, chosen_ports

    record = StackRecord.load(state.stack_file)
    is_up = record is not None and any(child.runs for child in record.children)
    on = machine.Machine(state, chosen_ports("default"), is_up)
    return Checkup(tuple(run(machine.checks(on))))


def before_deploy(session: Any, target: Target, *, paper: Any = None, asks: Fetch = fetch) -> Checkup:
    """What an account must have before the environment goes into it; live, the checklist too.

    `paper` is the session of the account with the paper stack, where it is another one.
    """
    on = account.Account(session, target, session.region_name or "", fetch=asks)
    found = list(run(account.checks(on)))
    if target.environment == LIVE:
        listed = checklist.Checklist(session, target, target_of("paper", {}), paper_clients=paper)
        found += map(_doubted, run(checklist.checks(listed)))
    return Checkup(tuple(found), on.number)


def _doubted(item: Finding) -> Finding:
    """With real money at stake an item that could not be looked at does not hold."""
    if item.outcome != Outcome.SKIPPED:
        return item
    return replace(item, outcome=Outcome.FAIL, fix=item.fix or "let these credentials look, then again")


def of_environment(session: Any, target: Target, *, paper: Any = None, asks: Fetch = fetch) -> Checkup:
    """The same, and the stack where there is one."""
    before = before_deploy(session, target, paper=paper, asks=asks)
    if status_of(session.client("cloudformation"), target.stack) in _ABSENT:
        return before
    account_id = session.client("sts").get_caller_identity()["Account"]
    on = deployed.Deployed(session, target, session.region_name or "", account_id, fetch=asks)
    return Checkup((*before.findings, *run(deployed.checks(on))), before.account_number)
