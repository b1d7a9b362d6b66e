"""Every table and every client of a function share one AWS session."""

from __future__ import annotations

import pytest

from alpaquero import aws
from alpaquero.store.books import BookItem
from alpaquero.store.runs import RunItem


@pytest.mark.usefixtures("tables")
def test_tables_share_one_session() -> None:
    """A session parses AWS's endpoint tables, 8 to 12 MB each: no table opens one of its own."""
    for model in (BookItem, RunItem):
        assert aws.session() is model._get_connection().connection.session
