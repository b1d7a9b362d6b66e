"""Every table and every client of a function share one AWS session."""

from __future__ import annotations

import botocore.session
import pytest

from alpaquero import aws
from alpaquero.store.books import BookItem
from alpaquero.store.runs import RunItem


@pytest.mark.usefixtures("tables")
def test_tables_share_one_session() -> None:
    """A session parses AWS's endpoint tables, 8 to 12 MB each: no table opens one of its own."""
    for model in (BookItem, RunItem):
        assert aws.session() is model._get_connection().connection.session


@pytest.mark.usefixtures("tables")
def test_clients_of_every_service_can_be_built_one_after_another() -> None:
    """S3 after SQS, and S3 again: boto3 adds methods to that client, and may do so once a session."""
    built = [aws.client(name).meta.service_model.service_name for name in ("sqs", "s3", "s3")]
    assert ["sqs", "s3", "s3"] == built


@pytest.mark.usefixtures("tables")
def test_a_session_that_comes_back_builds_clients_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another session in between, as another test has it, takes nothing from the first."""
    aws.client("s3")
    other = botocore.session.get_session()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(aws, "session", lambda: other)
        aws.client("s3", region_name="us-east-1")
    assert aws.client("s3").meta.service_model.service_name == "s3"
