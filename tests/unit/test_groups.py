"""Which tests one of several workers has to itself, and in which order workers take them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import pytest_collection_modifyitems, pytest_xdist_make_scheduler


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("tests/unit/a/test_x.py::test_1", "tests/unit/a/test_x.py::test_2[x::y]", True),
        ("tests/unit/a/test_x.py::test_1", "tests/unit/a/test_y.py::test_1", False),
        ("tests/integration/test_x.py::test_1", "tests/integration/test_y.py::test_1", True),
        ("tests/browser/test_x.py::test_1", "tests/browser/test_y.py::test_1", True),
        ("tests/integration/test_x.py::test_1", "tests/browser/test_y.py::test_1", False),
    ],
)
def test_a_cloud_is_started_by_one_worker(one: str, other: str, together: bool) -> None:
    """The tests of a file, and of a folder that shares a cloud, are one unit of work to xdist."""
    values = {"dist": "loadgroup", "tx": ["popen", "popen"]}
    config: Any = SimpleNamespace(getvalue=values.__getitem__, option=SimpleNamespace())
    scheduler = pytest_xdist_make_scheduler(config, None)
    assert (scheduler._split_scope(one) == scheduler._split_scope(other)) is together
    assert config.option.loadscopereorder is False


def test_clouds_are_begun_first_and_last() -> None:
    """The shared cloud's tests begin at once; the browser's, with clouds of their own, when few are left."""
    names = ["tests/browser/test_a.py::t", "tests/unit/test_a.py::t", "tests/integration/test_a.py::t"]
    items: list[Any] = [SimpleNamespace(nodeid=name) for name in names]
    pytest_collection_modifyitems(items)
    assert [item.nodeid for item in items] == names[::-1]
