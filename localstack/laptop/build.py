"""Builds what Lambda runs: layers and functions, pruned, compiled and zipped.

``alpaquero build``, ``make sizes``, ``LaptopCloud`` and ``alpaquero restart`` call ``build``. A part
is built again only when its inputs changed.

Two runtimes. ``aws`` is for Lambda's Python 3.13, on x86-64 or arm64. ``local`` is for the engine's
own interpreter; there a layer's zip holds one line that puts the built folder on the path, because
the engine would unpack every layer anew for every worker.

The same sources, locks and compiler give the same bytes: docs/packaging.md tells how.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from laptop.bytecode import AWS_PYTHON, Compiler, aws_compiler, of_interpreter
from laptop.errors import LaptopError
from laptop.layout import BUILD, ENGINE_PYTHON, REPOSITORY
from laptop.weights import refuse_heavy

Runtime = Literal["local", "aws"]
Architecture = Literal["x86_64", "arm64"]
Say = Callable[[str], None]

LOCKED_LAYERS: Final = ("api", "auth", "broker", "research")
SHARED_LAYER: Final = "alpaquero"

# The services whose models botocore keeps; the others are 90 % of its size.
BOTOCORE_SERVICES: Final = frozenset(
    {
        *("apigatewaymanagementapi", "cloudwatch", "cognito-idp", "dynamodb", "events", "lambda", "logs"),
        *("s3", "secretsmanager", "ses", "sns", "sqs", "ssm", "sts"),
    }
)
# boto3's resources are a layer over clients that neither we nor what we import ask for.
BOTO3_RESOURCES: Final[frozenset[str]] = frozenset()
# Chalice needs its router alone at run time; the rest is its own deploy tool.
CHALICE_FILES: Final = frozenset({"__init__.py", "app.py", "py.typed"})
# Powertools for logs and metrics alone: its event handler and the other utilities are 4 of its 5 MB.
POWERTOOLS_FOLDERS: Final = frozenset(
    {"exceptions", "logging", "metrics", "shared", "tracing", "utilities", "warnings"}
)
POWERTOOLS_UTILITIES: Final = frozenset({"__init__.py", "jmespath_utils"})
# Amazon Linux 2023 has glibc 2.34; the newest tag that wheels are made for comes first.
_AWS_GLIBC: Final = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")
_MACHINES: Final[Mapping[Architecture, str]] = {"x86_64": "x86_64", "arm64": "aarch64"}
_AWS_MARKERS: Final = {
    "python_version": AWS_PYTHON,
    "python_full_version": f"{AWS_PYTHON}.0",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
    "os_name": "posix",
}
# Part of every key: a change of what is pruned builds again.
_RECIPE: Final = "6"
# A running stack reads what it was deployed with from here, so nothing of the last days ever goes.
_KEPT_BUILDS: Final = 5
_KEPT_SECONDS: Final = 7 * 86_400
_TEST_FOLDERS: Final = frozenset({"tests", "test"})
_NOT_RUN: Final = frozenset({".pyi", ".pxd", ".pyx", ".c", ".h", ".cpp", ".md", ".rst"})
_METADATA_KEPT: Final = re.compile(r"(METADATA|entry_points\.txt|LICEN[CS]E.*|NOTICE.*|COPYING.*)$")


@dataclass(frozen=True)
class Built:
    """What a build left.

    ``artifacts`` gives for each path that ``template.yaml`` names (``functions/trading``,
    ``layers/api``) its zip, whose name holds the hash of its inputs. ``compiler`` says what made the
    bytecode; None when there is none. All but ``renewed`` is also in ``folder/built.json``, for deploys.
    """

    folder: Path
    artifacts: Mapping[str, Path]
    renewed: list[str] = field(default_factory=list)
    architecture: Architecture = "x86_64"
    compiler: str | None = None


@dataclass(frozen=True)
class _Target:
    """What is built for."""

    runtime: Runtime
    architecture: Architecture
    compiler: Compiler | None

    @property
    def key(self) -> bytes:
        """What every part depends on beside its own inputs."""
        if self.runtime == "aws":
            told = f"{self.architecture} {self.compiler.label if self.compiler else 'not compiled'}"
        else:
            # A local layer's zip names its folder, so a moved repository builds again.
            told = (ENGINE_PYTHON.parent.parent / "pyvenv.cfg").read_text() + str(BUILD)
        return f"{_RECIPE} {told}".encode()

    def compile(self, folder: Path, shown_as: str) -> None:
        if self.compiler is not None:
            self.compiler.compile(folder, shown_as)


def _digest(parts: Iterable[bytes]) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)
    return total.hexdigest()[:16]


def _sources(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    )


def _source_key(folder: Path, target: _Target) -> str:
    parts = [target.key]
    for path in _sources(folder):
        parts += [str(path.relative_to(folder)).encode(), path.read_bytes()]
    return _digest(parts)


def settled_lock(lock: Path, into: Path, architecture: Architecture = "x86_64") -> Path:
    """The lock with its markers settled for Lambda, since pip judges them for itself; gives ``into``."""
    from packaging.markers import Marker

    markers = {**_AWS_MARKERS, "platform_machine": _MACHINES[architecture]}
    kept: list[str] = []
    wanted = True
    for line in lock.read_text().splitlines():
        if line and not line.startswith((" ", "#")):
            requirement, _, marker = line.removesuffix("\\").partition(" ; ")
            wanted = not marker or Marker(marker.strip()).evaluate(markers)
            line = f"{requirement.strip()} \\"  # noqa: PLW2901
        if wanted:
            kept.append(line)
    into.write_text("\n".join(kept) + "\n")
    return into


def _install(lock: Path, site: Path, target: _Target) -> None:
    """The locked wheels, unpacked into ``site``."""
    settled = site.parent.with_name(f"{site.parent.name}.txt")
    requirements = lock if target.runtime == "local" else settled_lock(lock, settled, target.architecture)
    python = str(ENGINE_PYTHON if target.runtime == "local" else sys.executable)
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--require-hashes", "--no-compile", "--only-binary=:all:"]
    if target.runtime == "aws":
        abis = [f"cp{AWS_PYTHON.replace('.', '')}", "abi3", "none"]
        command += ["--python-version", AWS_PYTHON, "--implementation", "cp"]
        command += [f"--abi={abi}" for abi in abis]
        command += [f"--platform={glibc}_{_MACHINES[target.architecture]}" for glibc in _AWS_GLIBC]
    command += ["--target", str(site), "-r", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    settled.unlink(missing_ok=True)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1]
        raise LaptopError(
            f"pip could not fetch {lock.name} ({last}): check the network or pip's index setting, then "
            "run it again"
        )


def _prune(site: Path) -> None:
    """Take out what no function runs."""
    for unused in ("bin", "boto3/examples", "numpy/f2py"):
        shutil.rmtree(site / unused, ignore_errors=True)
    for folder in [path for path in site.rglob("*") if path.is_dir() and path.name in _TEST_FOLDERS]:
        shutil.rmtree(folder, ignore_errors=True)
    _keep_only(site / "chalice", lambda path: path.name in CHALICE_FILES)
    powertools = site / "aws_lambda_powertools"
    _keep_only(powertools, lambda path: path.is_file() or path.name in POWERTOOLS_FOLDERS)
    _keep_only(powertools / "utilities", lambda path: path.name in POWERTOOLS_UTILITIES)
    _keep_only(site / "botocore" / "data", lambda path: path.is_file() or path.name in BOTOCORE_SERVICES)
    _keep_only(site / "boto3" / "data", lambda path: path.name in BOTO3_RESOURCES)
    for path in [path for path in site.rglob("*") if path.is_file()]:
        is_metadata = any(part.endswith(".dist-info") for part in path.parts)
        if not _METADATA_KEPT.match(path.name) if is_metadata else path.suffix in _NOT_RUN:
            path.unlink()


def _keep_only(folder: Path, wanted: Callable[[Path], bool]) -> None:
    for path in list(folder.iterdir()) if folder.exists() else []:
        if not wanted(path):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _zip(files: Mapping[str, bytes], path: Path) -> None:
    temporary = path.with_suffix(".part")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in sorted(files):
            # A fixed date: the same content gives the same bytes.
            entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])
    temporary.replace(path)


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _pointer(folder: Path) -> dict[str, bytes]:
    """A layer of one line: the engine reads .pth files of a layer's site directory."""
    line = f"import sys; sys.path.insert(0, {str(folder / 'python')!r})\n"
    return {"python/lib/python3/site-packages/laptop.pth": line.encode()}


@dataclass(frozen=True)
class _Part:
    """One layer or function folder to build."""

    path: str
    key: str
    make: Callable[[Path], None]


def _fill_locked(name: str, target: _Target) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        site = folder / "python"
        _install(REPOSITORY / "layers" / f"{name}.txt", site, target)
        _prune(site)
        target.compile(site, f"/opt/{name}")

    return fill


def _fill_copied(source: Path, below: str, shown_as: str, target: _Target) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        place = folder / below
        for path in _sources(source):
            copy = place / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        target.compile(place, shown_as)

    return fill


def _parts(target: _Target) -> list[_Part]:
    parts = []
    kept = repr((sorted(BOTOCORE_SERVICES), sorted(BOTO3_RESOURCES))).encode()
    for name in LOCKED_LAYERS:
        lock = (REPOSITORY / "layers" / f"{name}.txt").read_bytes()
        parts.append(_Part(f"layers/{name}", _digest([target.key, lock, kept]), _fill_locked(name, target)))
    shared = REPOSITORY / "layers" / SHARED_LAYER / "python"
    fill = _fill_copied(shared, "python", SHARED_LAYER, target)
    parts.append(_Part(f"layers/{SHARED_LAYER}", _source_key(shared, target), fill))
    for folder in sorted((REPOSITORY / "functions").iterdir()):
        if folder.is_dir() and _sources(folder):
            path = f"functions/{folder.name}"
            parts.append(_Part(path, _source_key(folder, target), _fill_copied(folder, ".", path, target)))
    return parts


def _make(part: _Part, base: Path, runtime: Runtime) -> Path:
    """Build one part beside its place, then put it there whole; gives its zip."""
    store = base / "store" / f"{part.path.replace('/', '-')}-{part.key}"
    zipped = store.with_suffix(".zip")
    if zipped.exists():
        zipped.touch()  # in use: the sweep goes by age
    else:
        shutil.rmtree(store, ignore_errors=True)
        half = store.with_name(f".{store.name}")
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True)
        part.make(half)
        half.replace(store)
        is_pointer = runtime == "local" and part.path.startswith("layers/")
        _zip(_pointer(store) if is_pointer else _contents(store), zipped)
    place = base / part.path
    if not place.is_symlink() or place.resolve() != store.resolve():
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists() and not place.is_symlink():
            shutil.rmtree(place)
        fresh = place.with_name(f".{place.name}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(Path("..") / "store" / store.name)
        fresh.replace(place)
    return zipped


def _sweep(base: Path, parts: list[_Part]) -> None:
    """Take out builds of a part that are neither among its newest nor were asked for these days."""
    for part in parts:
        name = part.path.replace("/", "-")
        zips = [path for path in (base / "store").glob(f"{name}-*.zip") if len(path.stem) == len(name) + 17]
        used = {path: path.stat().st_mtime for path in zips}
        for old in sorted(zips, key=used.__getitem__, reverse=True)[_KEPT_BUILDS:]:
            if used[old] < time.time() - _KEPT_SECONDS:
                old.unlink()
                shutil.rmtree(old.with_suffix(""), ignore_errors=True)


def build(
    runtime: Runtime,
    *,
    architecture: Architecture = "x86_64",
    base: Path | None = None,
    say: Say = lambda _: None,
) -> Built:
    """Build what changed and give every artifact.

    Parameters
    ----------
    runtime
        ``local`` for the engine's interpreter, ``aws`` for Lambda's.
    architecture
        Of Lambda's processors; the laptop has its own.
    base
        Where to build; ``build/<runtime>`` of the repository by default.
    say
        Called with one line for each part that is built.

    Raises
    ------
    LaptopError
        When pip cannot fetch a wheel, a file does not compile, or a zip for AWS is over its limit.
    """
    if runtime == "local" and not ENGINE_PYTHON.exists():
        raise LaptopError("the engine's environment is missing: run `make setup`")
    base = base or BUILD / runtime
    (base / "store").mkdir(parents=True, exist_ok=True)
    compiler = of_interpreter(ENGINE_PYTHON) if runtime == "local" else aws_compiler()
    if compiler is None:
        say(_NOT_COMPILED)
    target = _Target(runtime, architecture, compiler)
    parts = _parts(target)
    stale = [
        part
        for part in parts
        if not (base / "store" / f"{part.path.replace('/', '-')}-{part.key}.zip").exists()
    ]
    for part in stale:
        say(f"building {part.path}")
    with (base / ".lock").open("w") as lock, ThreadPoolExecutor(max_workers=3) as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)
        zips = list(pool.map(lambda part: _make(part, base, runtime), parts))
        _sweep(base, parts)
    artifacts = {part.path: path for part, path in zip(parts, zips, strict=True)}
    if runtime == "aws":
        refuse_heavy(artifacts)
    _note(base, target, artifacts)
    label = compiler.label if compiler else None
    return Built(base, artifacts, [part.path for part in stale], architecture, label)


_NOT_COMPILED: Final = (
    "WARNING: NOT COMPILED. No Python 3.13 runs here and npm gave none (build/compiler.log): cold starts "
    "take two to five times as long. Install Python 3.13 or mend npm, then build again"
)


_FOR_INTEL: Final = "  Architecture:\n    Type: String\n    Default: x86_64\n"


def _note(base: Path, target: _Target, artifacts: Mapping[str, Path]) -> None:
    """Leave what a deploy needs: the template beside what it names, and what was built for."""
    template = REPOSITORY / "template.yaml"
    if template.exists():
        # As `sam build` leaves it: beside the built folders, its paths relative to it, for what was built.
        text = template.read_text().replace("build/aws/", "")
        text = text.replace(_FOR_INTEL, _FOR_INTEL.replace("x86_64", target.architecture))
        (base / "template.yaml").write_text(text)
    told = {
        "runtime": target.runtime,
        "architecture": target.architecture,
        "compiler": target.compiler.label if target.compiler else None,
        "artifacts": {path: str(zipped) for path, zipped in artifacts.items()},
    }
    (base / "built.json").write_text(json.dumps(told, indent=1) + "\n")
