"""What every unit test begins with."""

from __future__ import annotations

from itertools import count
from typing import Final

import pytest

from alpaquero import lately

AN_HOUR_LATER: Final = count(step=3600).__next__  # of all tests, or one would find what another left


@pytest.fixture(autouse=True)
def nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour passes between any two reads, so that a test sees what it has just written."""
    monkeypatch.setattr(lately, "lapsed", AN_HOUR_LATER)
