"""Child processes of the laptop cloud: start, wait, stop, and never leave one behind.

The engine, the exchange and the ports are children of the supervisor. On Linux the kernel ends
them when the supervisor dies, however it dies.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from laptop.errors import NotReadyError, PortTakenError

LOOPBACK = "127.0.0.1"
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _end_with_parent() -> None:
    # SIGTERM, so that an orphaned engine still saves its state.
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def start(
    command: Sequence[str | Path], *, environment: Mapping[str, str], log: Path, folder: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own, its output appended to ``log``.

    Call it from a thread that lives as long as the child should: the kernel's parent-death signal
    is sent when the starting thread ends.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(part) for part in command],
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 -- one system call, no locks taken
        )


def stop(process: subprocess.Popen[bytes], *, seconds: float = 20) -> int:
    """Ask a child to end, wait, and kill it if it does not; gives its exit code."""
    if process.poll() is None:
        process.terminate()
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def descendants(pid: int) -> list[psutil.Process]:
    """The processes below one, as they are now."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def end(started: list[psutil.Process], *, seconds: float = 5) -> None:
    """See that processes are gone: let them end by themselves for some seconds, then kill them."""
    for process in psutil.wait_procs(started, timeout=seconds)[1]:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(started, timeout=seconds)


def wait_until(
    ready: Callable[[], bool],
    *,
    what: str,
    log: Path,
    process: subprocess.Popen[bytes] | None = None,
    seconds: float = 30,
    pause: float = 0.02,
) -> None:
    """Poll ``ready`` until it holds.

    Raises
    ------
    NotReadyError
        When the time is up or the process ended first; the message names its log.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if process is not None and process.poll() is not None:
            lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
            last = lines[-1] if lines else f"exit code {process.returncode}"
            raise NotReadyError(f"{what} ended at its start: {last} (log: {log})")
        if time.monotonic() > deadline:
            raise NotReadyError(f"{what} was not ready within {seconds:.0f} s: see {log}")
        time.sleep(pause)


def base_environment() -> dict[str, str]:
    """The little that a child needs from the shell: no credentials, no AWS settings."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
    return {name: os.environ[name] for name in kept if name in os.environ}


def port_is_free(port: int) -> bool:
    """Whether nothing listens on the loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def listens(port: int) -> bool:
    """Whether something accepts connections on the loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def free_ports(count: int) -> list[int]:
    """Distinct loopback ports that nothing listens on now."""
    probes = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def require_free(ports: Mapping[str, int]) -> None:
    """Raise PortTakenError for the first port in use, naming the variable that moves it."""
    for name, port in ports.items():
        if not port_is_free(port):
            raise PortTakenError(
                f"port {port} ({name.replace('_', ' ')}) is taken: stop what listens there, or set "
                f"ALPAQUERO_PORT_{name.upper()}=<another port>, or use --free-ports"
            )


def identity(pid: int) -> float | None:
    """When the process started (seconds since the epoch), or None when there is none.

    A pid alone may have been given to another program since it was recorded.
    """
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None


def is_same(pid: int, started_at: float) -> bool:
    """Whether the recorded process still runs."""
    now = identity(pid)
    return now is not None and abs(now - started_at) < 1
