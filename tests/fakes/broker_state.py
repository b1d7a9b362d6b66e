"""`SharedState` and `DryOrders` in memory, for tests of the guard and of the dry run."""

from __future__ import annotations

from dataclasses import dataclass, field

from alpaquero.broker.breaker import Breaker
from alpaquero.broker.budget import Window, stricter
from alpaquero.broker.protocol import BrokerOrder
from alpaquero.errors import SharedStateLost


@dataclass
class FakeSharedState:
    """What the table holds, with every write counted; `is_lost` makes it unreachable."""

    breakers: dict[str, Breaker] = field(default_factory=dict)
    windows: dict[tuple[str, str], Window] = field(default_factory=dict)
    reads: int = 0
    writes: int = 0
    is_lost: bool = False

    def read(self, scope: str) -> tuple[Breaker, dict[str, Window]]:
        self.reads += 1
        self._reach()
        windows = {key: window for (of, key), window in self.windows.items() if of == scope}
        return self.breakers.get(scope, Breaker()), windows

    def swap(self, scope: str, before: Breaker, after: Breaker) -> bool:
        self.writes += 1
        self._reach()
        if self.breakers.get(scope, Breaker()).version != before.version:
            return False
        self.breakers[scope] = after
        return True

    def tell(self, scope: str, key: str, window: Window) -> None:
        self.writes += 1
        self._reach()
        known = stricter(self.windows.get((scope, key)), window)
        assert known is not None
        self.windows[scope, key] = known

    def _reach(self) -> None:
        if self.is_lost:
            raise SharedStateLost("the fake was told to be out of reach")


@dataclass
class FakeDryOrders:
    """Intended orders by client order id."""

    by_id: dict[str, BrokerOrder] = field(default_factory=dict)

    def keep(self, order: BrokerOrder) -> None:
        self.by_id[order.client_order_id] = order

    def kept(self) -> list[BrokerOrder]:
        return list(self.by_id.values())
