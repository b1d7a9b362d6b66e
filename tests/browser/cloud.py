"""A whole laptop cloud with its page, for the browser tests, the pictures of the docs and the benchmark."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from laptop.layout import StateFolder
from laptop.stack import Stack

# The container's own sandbox is not there, and nothing may ask another host.
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


@contextmanager
def cloud_with_page(state: Path, *options: str) -> Iterator[Stack]:
    """What `make run` brings up, on free ports, its market stepped and its books opened."""
    alpaquero = str(Path(sys.executable).with_name("alpaquero"))
    where = ["--state", str(state)]
    subprocess.run([alpaquero, "up", "--free-ports", "--detach", *options, *where], check=True)
    try:
        stack = Stack.find(StateFolder.at(state))
        stack.exchange.clock(mode="stepped")
        stack.tick("sync")
        yield stack
    finally:
        subprocess.run([alpaquero, "down", *where], check=True)


def url_of(stack: Stack) -> str:
    """Where the page is."""
    return f"http://localhost:{stack.ports['dashboard']}"
