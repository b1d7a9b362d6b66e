"""Setting up: made once, made anew when the lock changed or the last attempt did not finish."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SOURCE = Path(__file__).parents[3] / "localstack" / "set_up.py"


@pytest.fixture
def set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program on a repository of its own, its commands noted instead of run."""
    found = importlib.util.spec_from_file_location("set_up", SOURCE)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    for lock in ("localstack/engine.txt", "localstack/laptop.txt", "tests/development.txt"):
        (tmp_path / lock).parent.mkdir(exist_ok=True)
        (tmp_path / lock).write_text("one==1\n")
    module.REPOSITORY = tmp_path  # type: ignore[attr-defined]
    module.ran = []  # type: ignore[attr-defined]

    def run(command: list[str], failure: str) -> None:
        module.ran.append(command)
        if "venv" in command:
            Path(command[-1]).mkdir()

    monkeypatch.setattr(module, "run", run)
    return module


def test_a_second_set_up_does_nothing(set_up: ModuleType) -> None:
    """Once whole, nothing is run again."""
    assert set_up.main(["--development"]) == 0
    assert set_up.ran
    set_up.ran.clear()
    assert set_up.main(["--development"]) == 0
    assert set_up.ran == []


def test_everything_is_installed_by_hash(set_up: ModuleType) -> None:
    """Every lock is installed with its hashes required and no resolving."""
    set_up.main(["--development"])
    locks = [command for command in set_up.ran if "-r" in command]
    assert len(locks) == 3
    assert all({"--require-hashes", "--no-deps"} <= set(command) for command in locks)


def test_a_changed_lock_makes_its_environment_anew(set_up: ModuleType) -> None:
    """Only the environment whose lock changed is made again."""
    set_up.main([])
    set_up.ran.clear()
    (set_up.REPOSITORY / "localstack/engine.txt").write_text("one==2\n")
    set_up.main([])
    made = [command[-1] for command in set_up.ran if "venv" in command]
    assert made == [str(set_up.REPOSITORY / ".venv-engine")]


def test_a_half_finished_set_up_is_done_again(
    set_up: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When pip fails, the error is one line with the fix, and the next attempt starts over."""
    works = set_up.run

    def fails(command: list[str], failure: str) -> None:
        works(command, failure)
        if "-r" in command:
            raise set_up.SetUpError(f"{failure}: ERROR: no network")

    monkeypatch.setattr(set_up, "run", fails)
    assert set_up.main([]) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: pip could not install localstack/")
    assert "check the network or pip's index setting, then run make setup again" in last

    monkeypatch.setattr(set_up, "run", works)
    set_up.ran.clear()
    assert set_up.main([]) == 0
    assert len([command for command in set_up.ran if "venv" in command]) == 2


def test_another_python_is_refused(
    set_up: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A Python that will not do is told with the variable that names another."""
    monkeypatch.setattr(set_up.sys, "version_info", (3, 10, 13))
    assert set_up.main([]) == 1
    assert "PYTHON=" in capsys.readouterr().err
    assert set_up.ran == []
