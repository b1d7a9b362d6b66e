"""What a build keeps, and that it builds only what changed."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from laptop import build as building
from laptop.build import BOTOCORE_SERVICES, build
from laptop.errors import LaptopError


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small repository: one service, the shared package, layers that are already built."""
    for path, text in {
        "functions/trading/execute.py": "VALUE = 1\n",
        "functions/empty/.keep": "",
        "layers/alpaquero/python/alpaquero/__init__.py": "",
        "template.yaml": "A: {ContentUri: build/aws/layers/api/}\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    monkeypatch.setattr(building, "REPOSITORY", tmp_path)
    monkeypatch.setattr(building, "BUILD", tmp_path / "build")
    monkeypatch.setattr(building, "LOCKED_LAYERS", ())
    return tmp_path


def test_a_second_build_builds_nothing(repository: Path) -> None:
    """Unchanged inputs give the same zips, untouched."""
    first = build("local")
    assert first.renewed == ["layers/alpaquero", "functions/trading"]
    again = build("local")
    assert (again.renewed, again.artifacts) == ([], first.artifacts)


def test_a_changed_file_builds_its_folder_alone(repository: Path) -> None:
    """Only the service whose code changed gets a new zip, and its content is the new code."""
    before = build("local").artifacts
    (repository / "functions/trading/execute.py").write_text("VALUE = 2\n")
    after = build("local")
    assert after.renewed == ["functions/trading"]
    assert before["layers/alpaquero"] == after.artifacts["layers/alpaquero"]
    assert before["functions/trading"] != after.artifacts["functions/trading"]
    with zipfile.ZipFile(after.artifacts["functions/trading"]) as archive:
        assert archive.read("execute.py") == b"VALUE = 2\n"


def test_functions_come_compiled_and_are_never_checked_again(repository: Path) -> None:
    """The zip holds a .pyc whose flags say hash-based and unchecked, whatever the clock says."""
    zipped = build("local").artifacts["functions/trading"]
    with zipfile.ZipFile(zipped) as archive:
        compiled = [name for name in archive.namelist() if name.endswith(".pyc")]
        assert len(compiled) == 1
        flags = int.from_bytes(archive.read(compiled[0])[4:8], "little")
    assert flags == 0b01


def test_the_same_code_gives_the_same_bytes(repository: Path) -> None:
    """A zip depends on its files' content, not on when or where they were built."""
    first = build("local").artifacts["functions/trading"].read_bytes()
    for path in (repository / "build" / "local" / "store").glob("functions-trading*.zip"):
        path.unlink()
    assert first == build("local").artifacts["functions/trading"].read_bytes()


def test_a_local_layer_points_to_its_folder(repository: Path) -> None:
    """On the laptop a layer is one line that puts the built folder on the path."""
    built = build("local")
    with zipfile.ZipFile(built.artifacts["layers/alpaquero"]) as archive:
        (name,) = archive.namelist()
        line = archive.read(name).decode()
    assert name.endswith(".pth")
    folder = Path(line.split("'")[1])
    assert (folder / "alpaquero" / "__init__.py").exists()
    assert folder.parent.resolve() == (built.folder / "layers" / "alpaquero").resolve()


def test_an_aws_layer_holds_its_files(repository: Path) -> None:
    """For AWS the layer's zip has the package below python/."""
    with zipfile.ZipFile(build("aws").artifacts["layers/alpaquero"]) as archive:
        assert "python/alpaquero/__init__.py" in archive.namelist()


def test_the_template_beside_the_build_names_its_folders(repository: Path) -> None:
    """`sam deploy` from the build folder finds the built layers."""
    folder = build("aws").folder
    assert (folder / "template.yaml").read_text() == "A: {ContentUri: layers/api/}\n"


def test_code_that_does_not_compile_is_named(repository: Path) -> None:
    """A syntax error stops the build, names the file, and leaves nothing half-built."""
    (repository / "functions/trading/execute.py").write_text("def broken(:\n")
    with pytest.raises(LaptopError, match=r"functions/trading does not compile"):
        build("local")
    assert not (repository / "build/local/functions/trading").exists()


def test_a_missing_engine_says_make_setup(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the engine's environment the fix is told."""
    monkeypatch.setattr(building, "ENGINE_PYTHON", repository / "nowhere")
    with pytest.raises(LaptopError, match="make setup"):
        build("local")


def test_markers_are_judged_for_the_target(tmp_path: Path) -> None:
    """A lock's line for another Python or system is left out with its hashes."""
    lock = tmp_path / "research.txt"
    lock.write_text(
        "numpy==2.4.6 ; python_full_version < '3.12' \\\n    --hash=sha256:old\n"
        "numpy==2.5.5 ; python_full_version >= '3.12' \\\n    --hash=sha256:new\n    # via pandas\n"
        "tzdata==2026.6 ; sys_platform == 'win32' \\\n    --hash=sha256:win\n"
        "pandas==3.1.1 \\\n    --hash=sha256:pandas\n"
    )
    settled = building._requirements(lock, "aws", tmp_path / "settled.txt").read_text()
    assert settled == (
        "numpy==2.5.5 \\\n    --hash=sha256:new\n    # via pandas\n"
        "pandas==3.1.1 \\\n    --hash=sha256:pandas\n"
    )


def test_pruning_keeps_what_runs(tmp_path: Path) -> None:
    """Chalice keeps its router, botocore the services used, a package its licence; tests go."""
    for path in (
        *("chalice/app.py", "chalice/__init__.py", "chalice/deploy/x.py", "chalice/cli.py"),
        *("botocore/data/endpoints.json", "botocore/data/sqs/1/x.json", "botocore/data/ec2/1/x.json"),
        *("pandas/tests/test_x.py", "pandas/core.py", "pandas/core.pyi", "bin/tool"),
        *("x-1.dist-info/METADATA", "x-1.dist-info/RECORD", "x-1.dist-info/licenses/LICENSE.txt"),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    building._prune(tmp_path)
    kept = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert kept == {
        *("chalice/app.py", "chalice/__init__.py", "pandas/core.py"),
        *("botocore/data/endpoints.json", "botocore/data/sqs/1/x.json"),
        *("x-1.dist-info/METADATA", "x-1.dist-info/licenses/LICENSE.txt"),
    }


def test_every_service_the_code_calls_keeps_its_model() -> None:
    """A client that the functions or the shared package make is among the kept models."""
    import re

    from laptop.layout import REPOSITORY

    made = re.compile(r"(?:client|resource)\(\s*\"([a-z0-9-]+)\"")
    sources = [*(REPOSITORY / "functions").rglob("*.py"), *(REPOSITORY / "layers/alpaquero").rglob("*.py")]
    called = {name for path in sources for name in made.findall(path.read_text())}
    assert called
    assert called <= BOTOCORE_SERVICES
