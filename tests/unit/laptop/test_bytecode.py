"""Who compiles what Lambda runs, and what the bytes are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from laptop import bytecode
from laptop.bytecode import Compiler, aws_compiler, of_interpreter
from laptop.layout import ENGINE_PYTHON

PINNED = Compiler("pyodide 3.13.2", ("node",), is_pinned=True)


@pytest.fixture(autouse=True)
def nothing_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A machine with no Python 3.13 that anyone would find, whose npm gives the pinned one."""
    for name in ("PYENV_ROOT", "UV_PYTHON_INSTALL_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr("sys.version_info", (3, 11, 7))
    monkeypatch.setattr(bytecode, "pinned_compiler", lambda: PINNED)
    aws_compiler.cache_clear()
    yield
    aws_compiler.cache_clear()


def python(path: Path, tells: str) -> Path:
    """A program that passes for a Python."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{tells}\n")
    path.chmod(0o755)
    return path


def test_a_machine_without_python_313_takes_the_pinned_one() -> None:
    """The compiler that is fetched by its hash fills in."""
    assert aws_compiler() is PINNED


def test_a_python_that_only_pyenv_knows_is_found(tmp_path: Path) -> None:
    """A version under pyenv's folder serves though the shell's python3.13 does not run."""
    python(tmp_path / "bin/python3.13", "exit 127")
    real = python(
        tmp_path / "PYENV_ROOT/versions/3.13.5/bin/python3.13", "[ $# = 4 ] && echo cpython-313 3.13.5"
    )
    found = aws_compiler()
    assert found is not None
    assert (found.label, found.command[0]) == ("cpython-313 3.13.5", str(real))


def test_another_python_under_that_name_is_passed_over(tmp_path: Path) -> None:
    """Bytecode of another minor version or implementation would never be loaded, so it does not count."""
    python(tmp_path / "bin/python3.13", "echo pypy313 3.13.1")
    assert aws_compiler() is PINNED


def test_compiled_files_do_not_depend_on_the_order_of_hashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs under different hash seeds give equal bytes, named as the repository names the file."""
    compiler = of_interpreter(ENGINE_PYTHON)
    assert compiler is not None
    compiled = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        (folder / "x.py").write_text("def f(a):\n    return a in {'x', 'y', 'z', 'w'}\n")
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        compiler.compile(folder, "functions/x")
        (found,) = (folder / "__pycache__").iterdir()
        compiled.append(found.read_bytes())
    assert compiled[0] == compiled[1]
    assert b"functions/x/x.py" in compiled[0]
    assert os.fsencode(tmp_path) not in compiled[0]
