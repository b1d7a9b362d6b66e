"""The template's way to the engine: only the paths of code and layers change."""

from __future__ import annotations

from pathlib import Path

import pytest

from laptop.deploy import declared_parameters, packaged
from laptop.errors import LaptopError
from laptop.layout import TEMPLATE

ZIPS = {"functions/trading": Path("/b/functions-trading-1.zip"), "layers/api": Path("/b/layers-api-2.zip")}


def test_paths_become_addresses_and_nothing_else_changes() -> None:
    """Each CodeUri and ContentUri names its zip in the bucket; every other byte stays."""
    body = (
        "# CodeUri of each\nA: {CodeUri: functions/trading/, X: 1}\nB:\n  ContentUri: build/aws/layers/api/\n"
    )
    assert packaged(body, ZIPS) == (
        "# CodeUri of each\nA: {CodeUri: s3://alpaquero-artifacts/functions-trading-1.zip, X: 1}\n"
        "B:\n  ContentUri: s3://alpaquero-artifacts/layers-api-2.zip\n"
    )


def test_a_path_that_was_not_built_is_named() -> None:
    """A template that names an unknown folder is refused with the fix."""
    with pytest.raises(LaptopError, match=r"functions/nothing, which was not built: run `make build`"):
        packaged("CodeUri: functions/nothing/", ZIPS)


def test_declared_parameters_are_the_templates_own() -> None:
    """The names under Parameters are found, and no others."""
    found = declared_parameters(TEMPLATE)
    assert {"Environment", "Schedules", "SignalRate", "DashboardOrigin"} <= found
    assert "Books" not in found
    assert "Type" not in found
