"""The image that a function's container is made from: AWS's own, or a stand-in where it cannot be pulled.

``python -m laptop.sam`` and the tests of ``make sam`` call ``base_image``. The stand-in is Debian's Python
3.13 with AWS's runtime client, laid out and started as Lambda's image is. It is stricter in one way: it has
no boto3, so a function runs by its layers alone. It is not Amazon Linux: what a C library's version changes,
only AWS's own image shows.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from laptop.bytecode import AWS_PYTHON
from laptop.errors import LaptopError
from laptop.layout import REPOSITORY
from laptop.sam import debian
from laptop.sam.docker import ContainerEngine

Say = Callable[[str], None]

OFFICIAL: Final = f"public.ecr.aws/lambda/python:{AWS_PYTHON}-x86_64"
STAND_IN: Final = f"alpaquero/lambda-python-stand-in:{AWS_PYTHON}"
LOCK: Final = REPOSITORY / "localstack" / "sam.txt"
# The first Debian with a Python 3.13; coreutils and a shell are what sam's own Dockerfile runs.
PACKAGES: Final = debian.Packages(
    (f"python{AWS_PYTHON}-minimal", f"libpython{AWS_PYTHON}-stdlib", "libstdc++6", "bash", "coreutils"),
    "trixie",
)
_RUNTIME_CLIENT: Final = ("awslambdaric", "simplejson", "snapshot-restore-py")
_PULL_SECONDS: Final = 240
_NOT_NEEDED: Final = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/cache")
# As Lambda's image has them.
_VARIABLES: Final = {
    "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    "LD_LIBRARY_PATH": (
        "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
    ),
    "LANG": "en_US.UTF-8",
    "TZ": ":/etc/localtime",
    "LAMBDA_TASK_ROOT": "/var/task",
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
}
_BOOTSTRAP: Final = f"""\
#!/bin/sh
export AWS_EXECUTION_ENV=AWS_Lambda_python{AWS_PYTHON}
exec $AWS_LAMBDA_EXEC_WRAPPER /var/lang/bin/python{AWS_PYTHON} /var/runtime/bootstrap.py
"""
_BOOTSTRAP_PY: Final = """\
# The order in which Lambda looks for modules: the function, its layers, the runtime.
import os
import sys

packages = "/opt/python/lib/python%d.%d/site-packages" % sys.version_info[:2]
sys.path[0:1] = [os.environ["LAMBDA_TASK_ROOT"], packages, "/opt/python", os.environ["LAMBDA_RUNTIME_DIR"]]

from awslambdaric.__main__ import main

main([sys.argv[0], os.environ["_HANDLER"]])
"""
_ENTRYPOINT: Final = """\
#!/bin/sh
export _HANDLER="$1"
[ -n "$AWS_LAMBDA_RUNTIME_API" ] || exec /usr/local/bin/aws-lambda-rie /var/runtime/bootstrap
exec /var/runtime/bootstrap
"""


@dataclass(frozen=True)
class BaseImage:
    """An image that the engine has; ``python`` is a Python 3.13 of this machine that came with a stand-in."""

    name: str
    is_official: bool
    python: Path | None = None


def base_image(engine: ContainerEngine, folder: Path, say: Say = lambda _: None) -> BaseImage:
    """AWS's image, pulled if need be; else the stand-in, made from ``folder``, where its parts are kept.

    Raises
    ------
    LaptopError
        When neither is to be had.
    """
    try:
        engine.docker("pull", "--quiet", OFFICIAL, seconds=_PULL_SECONDS)
    except LaptopError as refused:
        # Pulled before, it serves without a network too.
        with suppress(LaptopError):
            engine.docker("image", "inspect", OFFICIAL, seconds=20)
            return BaseImage(OFFICIAL, is_official=True)
        say(
            f"STAND-IN: AWS's image cannot be pulled here ({refused}); Debian's Python {AWS_PYTHON} stands in"
        )
        return _stand_in(engine, folder, say)
    return BaseImage(OFFICIAL, is_official=True)


def _stand_in(engine: ContainerEngine, folder: Path, say: Say) -> BaseImage:
    if not debian.can_unpack():
        raise LaptopError(
            f"pull {OFFICIAL} on a machine with internet: only Debian's tools can make a stand-in"
        )
    root = debian.unpacked(PACKAGES, folder, say)
    complete = folder / "laid-out"
    if not complete.exists():
        say("making the stand-in from Debian's packages and AWS's runtime client")
        _lay_out(root, folder)
        complete.touch()
    _import(engine, root)
    return BaseImage(STAND_IN, is_official=False, python=folder / "bin" / f"python{AWS_PYTHON}")


def _lay_out(root: Path, folder: Path) -> None:
    """Lambda's folders and files on top of Debian's, and everything compiled once for all containers."""
    for unused in _NOT_NEEDED:
        shutil.rmtree(root / unused, ignore_errors=True)
    for place in ("var/task", "var/runtime", "var/lang/bin", "var/rapid", "opt", "usr/local/bin", "tmp"):
        (root / place).mkdir(parents=True, exist_ok=True)
    _link(root / "usr/bin/sh", "bash")
    _link(root / f"var/lang/bin/python{AWS_PYTHON}", f"/usr/bin/python{AWS_PYTHON}")
    _install_runtime_client(root / "var/runtime", folder)
    files = {
        "var/runtime/bootstrap": _BOOTSTRAP,
        "var/runtime/bootstrap.py": _BOOTSTRAP_PY,
        "lambda-entrypoint.sh": _ENTRYPOINT,
    }
    for name, text in files.items():
        (root / name).write_text(text)
        (root / name).chmod(0o755)
    python = _own_python(root, folder)
    for place in (f"usr/lib/python{AWS_PYTHON}", "var/runtime"):
        command = [str(python), "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
        # Debian's package of the whole library has files for other Pythons that need not compile.
        subprocess.run([*command, str(root / place)], capture_output=True, check=False)


def _link(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _install_runtime_client(into: Path, folder: Path) -> None:
    """AWS's runtime client for Lambda's Python, whatever this machine's own is, by the lock's hashes."""
    part = folder / "runtime-client.txt"
    part.write_text(only(LOCK.read_text(), _RUNTIME_CLIENT))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--require-hashes", "--no-compile", "--only-binary=:all:", "--target", str(into)]
    command += ["--python-version", AWS_PYTHON, "--implementation", "cp"]
    command += [f"--platform={tag}_x86_64" for tag in ("manylinux_2_28", "manylinux_2_17", "manylinux2014")]
    done = subprocess.run([*command, "-r", str(part)], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise LaptopError(f"pip could not fetch AWS's runtime client ({last}): check the network")


def only(lock: str, names: tuple[str, ...]) -> str:
    """The requirements of these packages out of a lock file's text, their hashes with them."""
    found = re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE)
    kept = [part for part in found if part.partition("==")[0] in names]
    if len(kept) != len(names):
        raise LaptopError(f"localstack/sam.txt lacks one of {', '.join(names)}: compile the lock again")
    # The marker says where the tool runs; the container is Linux wherever that is.
    return "".join(re.sub(r" ; [^\\\n]*", " ", part) for part in kept)


def _own_python(root: Path, folder: Path) -> Path:
    """The stand-in's Python as a program of this machine, by its own loader and C library."""
    script = folder / "bin" / f"python{AWS_PYTHON}"
    script.parent.mkdir(exist_ok=True)
    libraries = f"{root}/usr/lib/x86_64-linux-gnu"
    script.write_text(
        f"#!/bin/sh\n# Debian's Python {AWS_PYTHON}, unpacked: `sam build` asks for its version.\n"
        f'PYTHONHOME="{root}/usr" exec "{libraries}/ld-linux-x86-64.so.2" --library-path "{libraries}" '
        f'"{root}/usr/bin/python{AWS_PYTHON}" "$@"\n'
    )
    script.chmod(0o755)
    return script


def _import(engine: ContainerEngine, root: Path) -> None:
    changes = [f"--change=ENV {name}={value}" for name, value in _VARIABLES.items()]
    changes += ["--change=WORKDIR /var/task", '--change=ENTRYPOINT ["/lambda-entrypoint.sh"]']
    archive = root.with_suffix(".tar")
    try:
        command = ["tar", "--create", "--owner=0", "--group=0", "--numeric-owner", "--file", str(archive)]
        subprocess.run([*command, "--directory", str(root), "."], check=True, capture_output=True)
        engine.docker("import", *changes, str(archive), STAND_IN)
    except subprocess.CalledProcessError as error:
        raise LaptopError(f"tar could not pack the stand-in: {error.stderr.decode().strip()}") from None
    finally:
        archive.unlink(missing_ok=True)
