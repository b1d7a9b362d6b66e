"""A release is whole or not at all: what it refuses, writes, commits, tags, and puts back."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from laptop.errors import LaptopError
from laptop.layout import REPOSITORY
from laptop.release import CHANGELOG, RELEASED, carry_out, main, problems, release, versions

DAY = date(2026, 11, 23)
CHANGES = """# Changelog

What changed.

## Unreleased

- Orders can be replaced.

## 0.1.0 (2026-10-01)

- The first trade.
"""
NPM = {"name": "alpaquero-dashboard", "version": "0.1.0"}
FILES = {
    CHANGELOG: CHANGES,
    "pyproject.toml": '[project]\nname = "alpaquero"\nversion = "0.1.0"\n',
    "layers/alpaquero/python/alpaquero/__init__.py": '"""Shared."""\n\n__version__ = "0.1.0"\n',
    "frontend/package.json": json.dumps({**NPM, "private": True}, indent=2) + "\n",
    "frontend/package-lock.json": json.dumps({**NPM, "packages": {"": NPM}}, indent=2) + "\n",
    **dict.fromkeys(RELEASED, '{"paths": {}}\n'),
    **{name: f'{{"paths": {{"/{name}": {{}}}}}}\n' for name in RELEASED.values()},
}
CONFIGURATION = {
    "user.name": "Ana",
    "user.email": "ana@example.org",
    "core.hooksPath": "none",
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
}
PASSES, FAILS = ("true",), ("false",)


def git(root: Path, *arguments: str) -> str:
    """What git says."""
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with one release behind it and one change since."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    for name, value in CONFIGURATION.items():
        git(tmp_path, "config", name, value)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "First")
    git(tmp_path, "tag", "v0.1.0")
    return tmp_path


def test_a_release_moves_the_changes_under_its_version(root: Path) -> None:
    """An empty part for what comes next stays above it, older releases below."""
    made = release(root, "0.2.0", DAY)
    assert made.notes == "- Orders can be replaced."
    assert made.files[CHANGELOG].splitlines()[4:] == [
        "## Unreleased",
        "",
        "## 0.2.0 (2026-11-23)",
        "",
        "- Orders can be replaced.",
        "",
        "## 0.1.0 (2026-10-01)",
        "",
        "- The first trade.",
    ]


def test_a_release_is_one_commit_and_a_tag(root: Path) -> None:
    """Every place has the version, the descriptions are kept, the tag says what changed."""
    carry_out(root, release(root, "0.2.0", DAY), [PASSES])
    assert all(told == {"0.2.0"} for told in versions(root).values())
    assert json.loads((root / "frontend/package-lock.json").read_text())["packages"][""]["version"] == "0.2.0"
    assert all((root / kept).read_text() == FILES[name] for kept, name in RELEASED.items())
    assert git(root, "log", "--format=%s").splitlines() == ["Release 0.2.0", "First"]
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "rev-parse", "v0.2.0^{commit}") == git(root, "rev-parse", "HEAD")
    assert "- Orders can be replaced." in git(root, "tag", "--list", "-n9", "v0.2.0")


@pytest.mark.parametrize("commands", [[PASSES, FAILS], [("no-such-program",)]])
def test_a_check_that_fails_puts_every_file_back(root: Path, commands: list[tuple[str, ...]]) -> None:
    """No commit, no tag, and the tree is as clean as before, also where a file was new."""
    git(root, "rm", "--quiet", *RELEASED)
    git(root, "commit", "--quiet", "--message", "Second")
    with pytest.raises((LaptopError, OSError)):
        carry_out(root, release(root, "0.2.0", DAY), commands)
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "log", "--format=%s").splitlines() == ["Second", "First"]
    assert git(root, "tag", "--list").split() == ["v0.1.0"]


def test_a_commit_that_git_refuses_puts_every_file_back(root: Path) -> None:
    """A hook may say no; nothing stays staged."""
    hook = root / "none" / "pre-commit"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    git(root, "add", "none")
    git(root, "-c", "core.hooksPath=", "commit", "--quiet", "--message", "Hook")
    with pytest.raises(LaptopError, match="git commit failed"):
        carry_out(root, release(root, "0.2.0", DAY), [])
    assert git(root, "status", "--porcelain") == ""


def on_a_branch(root: Path) -> None:
    git(root, "switch", "--quiet", "--create", "other")


def with_a_change(root: Path) -> None:
    (root / "pyproject.toml").write_text(FILES["pyproject.toml"] + "# more\n")


def without_changes_told(root: Path) -> None:
    (root / CHANGELOG).write_text(CHANGES.replace("- Orders can be replaced.\n", ""))
    git(root, "commit", "--quiet", "--all", "--message", "Empty")


def without_the_part(root: Path) -> None:
    (root / CHANGELOG).write_text(CHANGES.replace("## Unreleased", "## Soon"))
    git(root, "commit", "--quiet", "--all", "--message", "Gone")


def with_versions_apart(root: Path) -> None:
    (root / "pyproject.toml").write_text(FILES["pyproject.toml"].replace("0.1.0", "0.1.1"))
    git(root, "commit", "--quiet", "--all", "--message", "Apart")


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (on_a_branch, "made from main, and this is other"),
        (with_a_change, r"1 files are not committed \(pyproject.toml\)"),
        (without_changes_told, "nothing under `## Unreleased`"),
        (without_the_part, "no part `## Unreleased`"),
        (with_versions_apart, "the files say 0.1.0 and 0.1.1"),
    ],
)
def test_what_stands_in_the_way_is_said(
    root: Path, prepare: Callable[[Path], None], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each with its fix; nothing is written."""
    prepare(root)
    before = git(root, "status", "--porcelain")
    assert main(["0.2.0"], root) == 1
    assert capsys.readouterr().err.startswith("error: ")
    [found] = problems(root, "0.2.0")
    assert re.search(said, found)
    assert git(root, "status", "--porcelain") == before


@pytest.mark.parametrize("version", ["0.1.0", "0.0.9"])
def test_a_version_is_released_once_and_never_backward(root: Path, version: str) -> None:
    """The tags say what is released."""
    assert any("0.1.0 is released already" in one for one in problems(root, version))


@pytest.mark.parametrize("version", ["1.0", "v1.0.0", "1.0.0rc1", "01.0.0"])
def test_a_version_is_three_numbers(root: Path, version: str) -> None:
    """Nothing else sorts as a reader expects."""
    with pytest.raises(LaptopError, match="give three numbers"):
        problems(root, version)


def test_the_first_release_may_keep_the_version_that_the_files_have(root: Path) -> None:
    """They say 0.1.0 from the first day on."""
    git(root, "tag", "--delete", "v0.1.0")
    assert problems(root, "0.1.0") == []
    carry_out(root, release(root, "0.1.0", DAY), [])
    assert git(root, "tag", "--list").split() == ["v0.1.0"]


def test_a_dry_run_changes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says which files, commands, commit and tag there would be."""
    assert main(["0.2.0", "--date", "2026-11-23", "--dry-run"], root) == 0
    told = capsys.readouterr().out
    for expected in ("would write pyproject.toml", "would run make check", "tag v0.2.0", "- Orders can be"):
        assert expected in told
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "tag", "--list").split() == ["v0.1.0"]


def test_the_project_s_own_files_agree_on_its_version() -> None:
    """Each place that has the version is found, and all say the same."""
    assert len({one for told in versions(REPOSITORY).values() for one in told}) == 1
