"""Facts beside what they add up to, as a crash or an older release leaves them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alpaquero.store.projections import ProjectionItem, sort_key
from alpaquero.store.tables import to_body

if TYPE_CHECKING:
    from alpaquero.store.projections import Fact


def only_keep(model: type[ProjectionItem], fact: Fact, account: str = "paper") -> None:
    """Keeps a fact in the table and takes it into no sum."""
    model(f"{account}#{fact.symbol}", sort_key(fact), body=to_body(fact)).save()
