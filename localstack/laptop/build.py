"""Builds what Lambda runs: layers and functions, pruned, compiled and zipped.

``alpaquero build``, ``make sizes``, ``LaptopCloud`` and ``alpaquero restart`` call ``build``. A part
is built again only when its inputs changed.

Two runtimes. ``aws`` is for Lambda's Python 3.13 on x86-64. ``local`` is for the engine's own
interpreter; there a layer's zip holds one line that puts the built folder on the path, because
the engine would unpack every layer anew for every worker.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from laptop.errors import LaptopError
from laptop.layout import BUILD, ENGINE_PYTHON, REPOSITORY

Runtime = Literal["local", "aws"]
Say = Callable[[str], None]

LOCKED_LAYERS: Final = ("api", "broker", "research")
SHARED_LAYER: Final = "alpaquero"

# The services whose models botocore keeps; the others are 90 % of its size.
BOTOCORE_SERVICES: Final = frozenset(
    {
        *("apigatewaymanagementapi", "cloudwatch", "cognito-idp", "dynamodb", "events", "lambda", "logs"),
        *("s3", "secretsmanager", "ses", "sns", "sqs", "ssm", "sts"),
    }
)
# Chalice needs its router alone at run time; the rest is its own deploy tool.
CHALICE_FILES: Final = frozenset({"__init__.py", "app.py", "py.typed"})
_AWS_PLATFORMS: Final = (
    "manylinux_2_28_x86_64",
    "manylinux_2_27_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
)
_AWS_MARKERS: Final = {
    "python_version": "3.13",
    "python_full_version": "3.13.0",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
    "os_name": "posix",
}
# Part of every key: a change of what is pruned builds again.
_RECIPE: Final = "4"
_KEPT_BUILDS: Final = 5
_TEST_FOLDERS: Final = frozenset({"tests", "test"})
_NOT_RUN: Final = frozenset({".pyi", ".pxd", ".pyx", ".c", ".h", ".cpp", ".md", ".rst"})
_METADATA_KEPT: Final = re.compile(r"(METADATA|entry_points\.txt|LICEN[CS]E.*|NOTICE.*|COPYING.*)$")


@dataclass(frozen=True)
class Built:
    """What a build left.

    ``artifacts`` gives for each path that ``template.yaml`` names (``functions/trading``,
    ``layers/api``) its zip, whose name holds the hash of its content.
    """

    folder: Path
    artifacts: Mapping[str, Path]
    renewed: list[str] = field(default_factory=list)


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


def _source_key(folder: Path, runtime: Runtime) -> str:
    parts = [_RECIPE.encode(), _interpreter(runtime).encode()]
    for path in _sources(folder):
        parts += [str(path.relative_to(folder)).encode(), path.read_bytes()]
    return _digest(parts)


def _interpreter(runtime: Runtime) -> str:
    """What the compiled files depend on."""
    if runtime == "aws":
        return f"3.13 {_aws_python() is not None}"
    # A local layer's zip names its folder, so a moved repository builds again.
    return (ENGINE_PYTHON.parent.parent / "pyvenv.cfg").read_text() + str(BUILD)


_found_aws_python: list[Path | None] = []


def _aws_python() -> Path | None:
    """A Python 3.13 that runs, or None."""
    if not _found_aws_python:
        found = None
        name = shutil.which("python3.13")
        if sys.version_info[:2] == (3, 13):
            found = Path(sys.executable)
        elif name and subprocess.run([name, "-c", ""], capture_output=True, check=False).returncode == 0:
            found = Path(name)
        _found_aws_python.append(found)
    return _found_aws_python[0]


def _requirements(lock: Path, runtime: Runtime, into: Path) -> Path:
    """The lock with its markers settled for the target, since pip judges them for itself."""
    from packaging.markers import Marker

    if runtime == "local":
        return lock
    kept: list[str] = []
    wanted = True
    for line in lock.read_text().splitlines():
        if line and not line.startswith((" ", "#")):
            requirement, _, marker = line.removesuffix("\\").partition(" ; ")
            wanted = not marker or Marker(marker.strip()).evaluate(_AWS_MARKERS)
            line = f"{requirement.strip()} \\"  # noqa: PLW2901
        if wanted:
            kept.append(line)
    into.write_text("\n".join(kept) + "\n")
    return into


def _install(lock: Path, target: Path, runtime: Runtime) -> None:
    """The locked wheels, unpacked into ``target``."""
    settled = target.parent.with_name(f"{target.parent.name}.txt")
    requirements = _requirements(lock, runtime, settled)
    python = str(ENGINE_PYTHON if runtime == "local" else sys.executable)
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--require-hashes", "--no-compile", "--only-binary=:all:"]
    if runtime == "aws":
        command += ["--python-version", "3.13", "--implementation", "cp", "--abi", "cp313"]
        command += [f"--platform={platform}" for platform in _AWS_PLATFORMS]
    command += ["--target", str(target), "-r", str(requirements)]
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
    _keep_only(site / "botocore" / "data", lambda path: path.is_file() or path.name in BOTOCORE_SERVICES)
    for path in [path for path in site.rglob("*") if path.is_file()]:
        is_metadata = any(part.endswith(".dist-info") for part in path.parts)
        if not _METADATA_KEPT.match(path.name) if is_metadata else path.suffix in _NOT_RUN:
            path.unlink()


def _keep_only(folder: Path, wanted: Callable[[Path], bool]) -> None:
    for path in list(folder.iterdir()) if folder.exists() else []:
        if not wanted(path):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _compile(folder: Path, shown_as: str, runtime: Runtime) -> bool:
    """Write .pyc files that are never checked again; False when no interpreter fits."""
    python = ENGINE_PYTHON if runtime == "local" else _aws_python()
    if python is None:
        return False
    command = [str(python), "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash"]
    # Tracebacks name the file as the repository does, and the bytes are the same on every machine.
    command += ["-s", str(folder), "-p", shown_as, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LaptopError(f"{shown_as} does not compile:\n{(done.stdout + done.stderr).strip()}")
    return True


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


def _fill_locked(name: str, runtime: Runtime) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        site = folder / "python"
        _install(REPOSITORY / "layers" / f"{name}.txt", site, runtime)
        _prune(site)
        _compile(site, f"/opt/{name}", runtime)

    return fill


def _fill_copied(source: Path, below: str, shown_as: str, runtime: Runtime) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        target = folder / below
        for path in _sources(source):
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        _compile(target, shown_as, runtime)

    return fill


def _parts(runtime: Runtime) -> list[_Part]:
    parts = []
    for name in LOCKED_LAYERS:
        lock = (REPOSITORY / "layers" / f"{name}.txt").read_bytes()
        key = _digest(
            [_RECIPE.encode(), _interpreter(runtime).encode(), lock, repr(sorted(BOTOCORE_SERVICES)).encode()]
        )
        parts.append(_Part(f"layers/{name}", key, _fill_locked(name, runtime)))
    shared = REPOSITORY / "layers" / SHARED_LAYER / "python"
    parts.append(
        _Part(
            f"layers/{SHARED_LAYER}",
            _source_key(shared, runtime),
            _fill_copied(shared, "python", SHARED_LAYER, runtime),
        )
    )
    for folder in sorted((REPOSITORY / "functions").iterdir()):
        if folder.is_dir() and _sources(folder):
            path = f"functions/{folder.name}"
            parts.append(_Part(path, _source_key(folder, runtime), _fill_copied(folder, ".", path, runtime)))
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
    """Keep the newest builds of a part: a running stack may still read one of them."""
    for part in parts:
        name = part.path.replace("/", "-")
        zips = [path for path in (base / "store").glob(f"{name}-*.zip") if len(path.stem) == len(name) + 17]
        for old in sorted(zips, key=lambda path: path.stat().st_mtime, reverse=True)[_KEPT_BUILDS:]:
            old.unlink()
            shutil.rmtree(old.with_suffix(""), ignore_errors=True)


def build(runtime: Runtime, *, say: Say = lambda _: None) -> Built:
    """Build what changed and give every artifact.

    Parameters
    ----------
    runtime
        ``local`` for the engine's interpreter, ``aws`` for Lambda's.
    say
        Called with one line for each part that is built.

    Raises
    ------
    LaptopError
        When pip cannot fetch a wheel or a file does not compile.
    """
    if runtime == "local" and not ENGINE_PYTHON.exists():
        raise LaptopError("the engine's environment is missing: run `make setup`")
    base = BUILD / runtime
    (base / "store").mkdir(parents=True, exist_ok=True)
    parts = _parts(runtime)
    stale = [
        part
        for part in parts
        if not (base / "store" / f"{part.path.replace('/', '-')}-{part.key}.zip").exists()
    ]
    if stale and runtime == "aws" and _aws_python() is None:
        say("no Python 3.13 here: the aws build ships without .pyc files (slower cold starts)")
    for part in stale:
        say(f"building {part.path}")
    with (base / ".lock").open("w") as lock, ThreadPoolExecutor(max_workers=3) as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)
        zips = list(pool.map(lambda part: _make(part, base, runtime), parts))
        _sweep(base, parts)
    template = REPOSITORY / "template.yaml"
    if template.exists():
        # As `sam build` leaves it: beside the built folders, its paths relative to it.
        (base / "template.yaml").write_text(template.read_text().replace("build/aws/", ""))
    return Built(
        base, {part.path: path for part, path in zip(parts, zips, strict=True)}, [part.path for part in stale]
    )
