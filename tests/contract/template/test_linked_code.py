"""Every link to code in docs/trade.md and CONTRIBUTING.md leads to a file that has what the link names."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from laptop.layout import REPOSITORY
from laptop.template import template

TRADE = REPOSITORY / "docs" / "trade.md"
PAGES = (TRADE, REPOSITORY / "CONTRIBUTING.md")


def links(page: Path) -> list[tuple[str, str]]:
    """The name and the file of every link to code, in order: its words are in backticks."""
    return re.findall(r"\[`([^`\]]+)`\]\(([^)#]+)\)", page.read_text())


@cache
def defined(path: Path) -> frozenset[str]:
    """What a Python file defines at its top level, and `Class.method`; constants too."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return frozenset(found)


@cache
def exported(path: Path) -> frozenset[str]:
    """What a TypeScript file exports."""
    pattern = r"^export (?:function|class|const|interface|type) (\w+)"
    return frozenset(re.findall(pattern, path.read_text(), re.MULTILINE))


def has(path: Path, name: str) -> bool:
    """Whether the file has what a link says of it."""
    match path.suffix:
        case ".py":
            return name in defined(path)
        case ".ts" | ".tsx":
            return name in exported(path)
        case ".yaml":
            return name in template()["Resources"]
        case _:
            return False


@pytest.mark.parametrize(
    ("page", "name", "target"),
    [(page.name, *link) for page in PAGES for link in sorted(set(links(page)))],
)
def test_a_link_finds_its_file_and_what_it_names(page: str, name: str, target: str) -> None:
    """A function, class, method or constant, what a TypeScript file exports, a resource of the template."""
    folder = next(one.parent for one in PAGES if one.name == page)
    path = (folder / target).resolve()
    assert path.is_relative_to(REPOSITORY)
    assert path.exists(), f"{target} is gone: mend its link in {page}"
    assert has(path, name), f"{target} has no {name} any more: mend its link in {page}"


def test_the_page_passes_every_function_on_the_way_of_a_trade() -> None:
    """From the schedule to the page, in the order in which they run."""
    way = (
        "functions/signal/plan.py",
        "functions/signal/evaluate.py",
        "functions/signal/conclude.py",
        "functions/trading/execute.py",
        "functions/trading/sync.py",
        "functions/trading/publish.py",
        "functions/position/project.py",
        "functions/analytics/project.py",
        "functions/notification/deliver.py",
        "functions/gateway/push.py",
        "frontend/src/live/socket.ts",
    )
    targets = [target.removeprefix("../") for _, target in links(TRADE)]
    places = [targets.index(step) for step in way]
    assert places == sorted(places)


def test_a_name_that_is_gone_would_be_noticed() -> None:
    """The looking itself can fail: a name nobody defines is not found in any kind of file."""
    for name in ("functions/signal/plan.py", "frontend/src/live/socket.ts", "template.yaml"):
        assert not has(REPOSITORY / name, "NobodyDefinesThis")
