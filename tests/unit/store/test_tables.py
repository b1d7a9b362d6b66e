"""What all tables share: how long rows are kept."""

from __future__ import annotations

import pytest

from alpaquero.errors import ConfigurationError
from alpaquero.store.tables import kept_seconds


def test_days_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The template's parameter counts; a program that nobody gave one takes the default."""
    assert kept_seconds("SOME_KEPT_DAYS", 3) == 3 * 86_400
    monkeypatch.setenv("SOME_KEPT_DAYS", "7")
    assert kept_seconds("SOME_KEPT_DAYS", 3) == 7 * 86_400


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "a week", ""])
def test_what_is_no_number_of_days_is_refused(monkeypatch: pytest.MonkeyPatch, days: str) -> None:
    """The error names the variable."""
    monkeypatch.setenv("SOME_KEPT_DAYS", days)
    with pytest.raises(ConfigurationError, match="SOME_KEPT_DAYS"):
        kept_seconds("SOME_KEPT_DAYS", 3)
