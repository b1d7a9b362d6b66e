"""What looks at a commit is what looks at a change: the hooks are the parts of `make check`."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from laptop.layout import REPOSITORY

CONFIG: dict[str, Any] = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())
HOOKS: list[dict[str, Any]] = [hook for repo in CONFIG["repos"] for hook in repo["hooks"]]
MAKEFILE = (REPOSITORY / "Makefile").read_text()


def first_words(command: str) -> tuple[str, ...]:
    """What a command is, without its options and files: a tool, its subcommand or module."""
    words = command.replace(".venv/bin/", "").split()
    return tuple(words[: 3 if "-m" in words else 2 if words[0] == "ruff" else 1])


def test_nothing_is_downloaded_for_a_commit() -> None:
    """Every hook is a command of the repository's own environment."""
    assert {repo["repo"] for repo in CONFIG["repos"]} == {"local"}
    assert {hook["language"] for hook in HOOKS} == {"unsupported"}
    assert all(hook["entry"].startswith(".venv/bin/") for hook in HOOKS)


def test_every_part_of_the_check_is_a_hook_and_no_other() -> None:
    """So a commit that passes its hooks passes `make check`, and the other way round."""
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert recipe
    checked = {first_words(line) for line in re.findall(r"\$\(BIN\)/(.*)", recipe[1])}
    assert {first_words(hook["entry"]) for hook in HOOKS} == checked


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_s_files_are_there(hook: dict[str, Any]) -> None:
    """A pattern that fits no file of ours would never run."""
    pattern = re.compile(hook.get("files", ""))
    roots = ("functions", "layers/alpaquero/python", "localstack/laptop", "infra", "frontend/src")
    files = [path for root in roots for path in (REPOSITORY / root).rglob("*") if path.is_file()]
    names = ["template.yaml", *(str(path.relative_to(REPOSITORY)) for path in files)]
    assert any(pattern.search(name) for name in names)
