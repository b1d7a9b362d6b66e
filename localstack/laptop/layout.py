"""Where everything of the laptop cloud lives: the repository's folders and one state folder.

Every module of ``laptop`` asks here for a path, so that a demo's private stack is only another
state folder.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TEMPLATE = REPOSITORY / "template.yaml"
BUILD = REPOSITORY / "build"
ENGINE_PYTHON = REPOSITORY / ".venv-engine" / "bin" / "python"
# In LocalStack's own image it is that image's.
LOCALSTACK_PYTHON = Path(
    os.environ.get("ALPAQUERO_LOCALSTACK_PYTHON", REPOSITORY / ".venv-localstack" / "bin" / "python")
)
LOCALSTACK_PLUGIN = REPOSITORY / "localstack" / "plugin"
DEFAULT_STATE = REPOSITORY / ".alpaquero"


@dataclass(frozen=True)
class StateFolder:
    """One stack's folder: everything it keeps that is not code."""

    root: Path

    @classmethod
    def at(cls, root: Path | str | None = None) -> StateFolder:
        """Make the folder (mode 0700, as its new parents) if need be and give it by its absolute path."""
        path = Path(root) if root is not None else DEFAULT_STATE
        path = path.expanduser().absolute()
        # mkdir's own `parents` would leave them open to others.
        for folder in (*reversed(path.parents), path):
            folder.mkdir(exist_ok=True, mode=0o700)
        return cls(path)

    @property
    def engine(self) -> Path:
        return self.root / "engine"

    @property
    def exchange(self) -> Path:
        return self.root / "exchange"

    @property
    def exchange_address(self) -> Path:
        """Where an exchange that runs alone says its URL."""
        return self.exchange / "address"

    @property
    def logs(self) -> Path:
        path = self.root / "logs"
        path.mkdir(exist_ok=True)
        return path

    @property
    def checkpoint(self) -> Path:
        return self.root / "checkpoint"

    @property
    def stack_file(self) -> Path:
        return self.root / "stack.json"

    @property
    def credentials_file(self) -> Path:
        return self.root / "credentials.json"


def write_private(path: Path, content: str | bytes) -> None:
    """Replace a file whole or not at all, readable by its owner alone, and on the disk when it returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
