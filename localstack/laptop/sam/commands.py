"""The SAM command line on what ``make build RUNTIME=aws`` built.

``make sam`` and ``python -m laptop.sam`` run it.

It comes from ``localstack/sam.txt``, in an environment of its own. It is given no AWS credentials but those
of the laptop cloud, and no address but the cloud's.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from laptop import processes
from laptop.bytecode import AWS_PYTHON, Compiler, aws_compiler
from laptop.engine import REGION
from laptop.errors import LaptopError
from laptop.layout import BUILD, REPOSITORY, TEMPLATE
from laptop.sam.docker import ContainerEngine
from laptop.sam.functions import write_template
from laptop.sam.image import BaseImage

Say = Callable[[str], None]

SAM: Final = REPOSITORY / ".venv-sam" / "bin" / "sam"
FOLDER: Final = BUILD / "sam"
_SECONDS: Final = 300
_LISTENS_WITHIN_SECONDS: Final = 120


@dataclass(frozen=True)
class Sam:
    """``sam`` with the engine and the image that its containers come from."""

    engine: ContainerEngine
    image: BaseImage
    folder: Path = FOLDER

    @property
    def environments(self) -> Path:
        """The file for ``--env-vars``."""
        return self.folder / "environments.json"

    @property
    def template(self) -> Path:
        """What ``sam build`` leaves."""
        return self.folder / "built" / "template.yaml"

    @property
    def shell(self) -> dict[str, str]:
        """The environment of a command: what ``python -m laptop.sam`` shows to be set by hand."""
        given = {
            **self.engine.environment,
            "SAM_CLI_TELEMETRY": "0",
            "__SAM_CLI_APP_DIR": str(self.folder / "sam"),  # else it writes into the home folder
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",  # else sam asks for credentials for seconds
        }
        path = [str(SAM.parent), given.get("PATH", os.environ["PATH"])]
        python = _python(self.image, self.folder)
        return given | {"PATH": os.pathsep.join([str(python.parent), *path] if python else path)}

    def validate(self) -> str:
        """``sam validate --lint`` on the template of the repository."""
        return self._run("validate", "--lint", "--template-file", str(TEMPLATE))

    def build(self, built: Path) -> None:
        """``sam build`` on what ``laptop.build`` left in a folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        source = self.folder / "template.yaml"
        write_template(built / "template.yaml", source)
        self._run("build", "--template-file", str(source), "--build-dir", str(self.template.parent))

    def invoke(self, function: str, event: Path) -> Any:
        """``sam local invoke``: what one function answers to one event, in a container of its own.

        Raises
        ------
        LaptopError
            When sam fails or prints no answer, with the end of what it said.
        """
        told = self._run("local", "invoke", function, "--event", str(event), *self.options())
        with contextlib.suppress(ValueError, IndexError):
            return json.loads(told.strip().splitlines()[-1])
        raise LaptopError(f"sam local invoke {function} printed no JSON: {told.strip()[-500:] or 'nothing'}")

    @contextlib.contextmanager
    def serving(self, what: str) -> Iterator[str]:
        """``sam local start-api`` or ``start-lambda`` until the block ends; gives its address."""
        (port,) = processes.free_ports(1)
        log = self.folder / f"{what}.log"
        log.unlink(missing_ok=True)
        command = [str(SAM), "local", what, "--host", processes.LOOPBACK, "--port", str(port)]
        command += ["--warm-containers", "LAZY", *self.options()]
        process = processes.start(command, environment=self._environment(), log=log, folder=self.folder)
        try:
            processes.wait_until(
                lambda: processes.listens(port),
                what=f"sam local {what}",
                log=log,
                process=process,
                seconds=_LISTENS_WITHIN_SECONDS,
                pause=0.1,
            )
            yield f"http://{processes.LOOPBACK}:{port}"
        finally:
            processes.stop(process, seconds=30)  # by SIGTERM, on which sam removes its warm containers

    def options(self) -> list[str]:
        """The options that every ``sam local`` command takes here."""
        options = ["--template-file", str(self.template), "--env-vars", str(self.environments)]
        options += ["--skip-pull-image", "--add-host", f"localhost:{self.engine.bridge.ip}"]
        return options if self.image.is_official else [*options, "--invoke-image", self.image.name]

    def _environment(self) -> dict[str, str]:
        return processes.base_environment() | self.shell

    def _run(self, *arguments: str) -> str:
        if not SAM.exists():
            raise LaptopError("the SAM command line is missing: `make sam` makes its environment")
        try:
            done = subprocess.run(
                [str(SAM), *arguments],
                capture_output=True,
                text=True,
                env=self._environment(),
                cwd=self.folder if self.folder.exists() else REPOSITORY,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise LaptopError(f"sam {' '.join(arguments[:3])} took over {_SECONDS} s") from None
        if done.returncode:
            told = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
            raise LaptopError(f"sam {' '.join(arguments[:3])} failed: " + "\n".join(told[-15:]))
        return done.stdout


def _python(image: BaseImage, folder: Path) -> Path | None:
    """A ``python3.13`` for the path, which ``sam build`` asks for; the machine's own comes first."""
    compiler: Compiler | None = aws_compiler()
    name = f"python{AWS_PYTHON}"
    if compiler is not None and not compiler.is_pinned:
        own = folder / "bin" / name
        own.parent.mkdir(parents=True, exist_ok=True)
        found = shutil.which(compiler.command[0]) or compiler.command[0]
        if not own.is_symlink() or str(own.readlink()) != found:
            own.unlink(missing_ok=True)
            own.symlink_to(found)
        return own
    return image.python
