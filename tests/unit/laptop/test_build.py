"""What a build keeps, and that it builds only what changed."""

from __future__ import annotations

import json
import os
import re
import time
import tomllib
import zipfile
from pathlib import Path

import pytest

from laptop import build as building
from laptop.build import BOTOCORE_SERVICES, POWERTOOLS_FOLDERS, POWERTOOLS_UTILITIES, build
from laptop.bytecode import of_interpreter
from laptop.errors import LaptopError
from laptop.layout import ENGINE_PYTHON, REPOSITORY, TEMPLATE


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
    # The engine's Python stands in for Lambda's: what is tested here is the same for both.
    monkeypatch.setattr(building, "aws_compiler", lambda: of_interpreter(ENGINE_PYTHON))
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


def test_samconfig_deploys_the_template_that_a_build_leaves(repository: Path) -> None:
    """`sam deploy` takes it from the folder of its runtime, where the build has put it."""
    config = tomllib.loads((REPOSITORY / "samconfig.toml").read_text())
    named = {
        name: config[name]["deploy"]["parameters"]["template_file"] for name in ("local", "paper", "live")
    }
    left = {
        runtime: str((build(runtime).folder / "template.yaml").relative_to(repository))
        for runtime in ("local", "aws")
    }
    assert named == {"local": left["local"], "paper": left["aws"], "live": left["aws"]}


def test_the_template_beside_the_build_is_for_the_processors_it_was_built_for(repository: Path) -> None:
    """`sam deploy` from there runs arm64 layers on arm64, as the template's own parameter says."""
    template = repository / "template.yaml"
    text = TEMPLATE.read_text()
    template.write_text(text)
    written = (build("aws", architecture="arm64").folder / "template.yaml").read_text()
    changed = [line for line in written.splitlines() if line not in text.splitlines()]
    assert "    Default: arm64" in changed
    assert {line.split(":")[0].strip() for line in changed} <= {"Default", "ContentUri", "Properties"}


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
    settled = building.settled_lock(lock, tmp_path / "settled.txt").read_text()
    assert settled == (
        "numpy==2.5.5 \\\n    --hash=sha256:new\n    # via pandas\n"
        "pandas==3.1.1 \\\n    --hash=sha256:pandas\n"
    )


def test_pruning_keeps_what_runs(tmp_path: Path) -> None:
    """Chalice keeps its router, botocore the services used, a package its licence; tests go."""
    for path in (
        *("chalice/app.py", "chalice/__init__.py", "chalice/deploy/x.py", "chalice/cli.py"),
        *("botocore/data/endpoints.json", "botocore/data/sqs/1/x.json", "botocore/data/ec2/1/x.json"),
        *("boto3/session.py", "boto3/data/dynamodb/1/resources-1.json", "aws_lambda_powertools/logging/x.py"),
        *("aws_lambda_powertools/event_handler/x.py", "aws_lambda_powertools/utilities/parser/x.py"),
        *("pandas/tests/test_x.py", "pandas/core.py", "pandas/core.pyi", "bin/tool"),
        *("x-1.dist-info/METADATA", "x-1.dist-info/RECORD", "x-1.dist-info/licenses/LICENSE.txt"),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    building._prune(tmp_path)
    kept = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert kept == {
        *("chalice/app.py", "chalice/__init__.py", "pandas/core.py"),
        *("boto3/session.py", "aws_lambda_powertools/logging/x.py"),
        *("botocore/data/endpoints.json", "botocore/data/sqs/1/x.json"),
        *("x-1.dist-info/METADATA", "x-1.dist-info/licenses/LICENSE.txt"),
    }


def _sources() -> str:
    """All code that Lambda runs, as one text."""
    paths = [*(REPOSITORY / "functions").rglob("*.py"), *(REPOSITORY / "layers/alpaquero").rglob("*.py")]
    return "\n".join(path.read_text() for path in paths)


def test_every_service_the_code_calls_keeps_its_model() -> None:
    """A client that the functions or the shared package make is among the kept models."""
    called = set(re.findall(r"(?:client|resource)\(\s*\"([a-z0-9-]+)\"", _sources()))
    assert called
    assert called <= BOTOCORE_SERVICES


def test_every_part_of_powertools_that_the_code_imports_is_kept() -> None:
    """What the code imports of Powertools is not among what the build takes out."""
    sources = _sources()
    imported = set(re.findall(r"aws_lambda_powertools\.(\w+)", sources)) - {"utilities"}
    utilities = set(re.findall(r"aws_lambda_powertools\.utilities\.(\w+)", sources))
    assert imported
    assert imported <= POWERTOOLS_FOLDERS
    assert utilities <= POWERTOOLS_UTILITIES


def test_builds_of_another_place_umask_and_time_have_equal_bytes(repository: Path, tmp_path: Path) -> None:
    """Every zip for AWS is the same to the byte, wherever, whenever and under whatever umask it is built."""
    first = build("aws").artifacts
    usual = os.umask(0o077)
    try:
        for path in sorted((repository / "functions/trading").iterdir(), reverse=True):
            os.utime(path, (1, 1))
        again = build("aws", base=tmp_path / "elsewhere" / "aws").artifacts
    finally:
        os.umask(usual)
    assert first.keys() == again.keys()
    for part, zipped in first.items():
        assert zipped != again[part]
        assert zipped.read_bytes() == again[part].read_bytes(), part


def test_a_zip_over_its_limit_stops_the_build(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the part, its weight, its limit, what weighs most, and what to do."""
    monkeypatch.setattr("laptop.weights.FUNCTION_LIMIT_MB", 1)
    (repository / "functions/trading/blob.bin").write_bytes(os.urandom(1_100_000))
    said = (
        r"functions/trading weighs 1\.0 MB zipped, 1 are allowed \(most of it: blob\.bin 1\.0 MB.*prune it in"
    )
    with pytest.raises(LaptopError, match=said):
        build("aws")


def test_a_build_without_a_compiler_says_so_loudly(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no Python 3.13 the build goes on, its zips have no bytecode, and both are told."""
    monkeypatch.setattr(building, "aws_compiler", lambda: None)
    said: list[str] = []
    built = build("aws", say=said.append)
    assert "NOT COMPILED" in said[0]
    assert built.compiler is None
    with zipfile.ZipFile(built.artifacts["functions/trading"]) as archive:
        assert archive.namelist() == ["execute.py"]


def test_a_build_leaves_word_of_what_it_is_for(repository: Path) -> None:
    """A deploy reads the architecture and the compiler beside the artifacts."""
    built = build("aws", architecture="arm64")
    told = json.loads((built.folder / "built.json").read_text())
    assert (told["architecture"], told["compiler"]) == ("arm64", built.compiler)
    assert told["artifacts"] == {path: str(zipped) for path, zipped in built.artifacts.items()}


def test_another_architecture_is_another_build(repository: Path) -> None:
    """Layers for arm64 never pass for those of x86-64."""
    first = build("aws").artifacts
    assert first["layers/alpaquero"] != build("aws", architecture="arm64").artifacts["layers/alpaquero"]


def test_what_a_running_stack_was_deployed_with_stays(repository: Path) -> None:
    """However often the code is built anew, the builds of the last days keep their folders and zips."""
    code = repository / "functions/trading/execute.py"
    first = build("local").artifacts["functions/trading"]
    for value in range(2, 10):
        code.write_text(f"VALUE = {value}\n")
        build("local")
    assert first.exists()
    assert (first.with_suffix("") / "execute.py").exists()


def test_builds_nobody_asked_for_in_a_week_go(repository: Path) -> None:
    """An old build goes once newer ones of its part are there; the newest five stay whatever their age."""
    code, zips = repository / "functions/trading/execute.py", []
    long_ago = time.time() - 8 * 86_400
    for value in range(8):
        code.write_text(f"VALUE = {value}\n")
        zips.append(build("local").artifacts["functions/trading"])
        os.utime(zips[-1], (long_ago + value, long_ago + value))
    code.write_text("VALUE = 8\n")
    build("local")
    assert [path.exists() for path in zips] == [False, False, False, False, True, True, True, True]
    assert not zips[1].with_suffix("").exists()
