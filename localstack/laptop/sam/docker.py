"""The container engine for ``sam local``: the one that answers here, else one of its own for a while.

``python -m laptop.sam`` and the tests of ``make sam`` call ``container_engine``. An engine of its own needs
root and Debian's tools. It has its own socket, data, bridge and configuration, and starts with the flags that
leave the firewall and the kernel's forwarding alone; when the block ends, all of it is gone. An engine that
was here before is only asked, never stopped or changed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Final

from laptop import processes
from laptop.errors import LaptopError
from laptop.sam import debian

Say = Callable[[str], None]

PACKAGES: Final = debian.Packages(("docker.io", "iptables", "iproute2"))
_ANSWERS_WITHIN_SECONDS: Final = 60
# Sixteen private networks of which the first that nobody has is taken; a warm container a function fits.
_NETWORKS: Final = tuple(f"172.31.{240 + place}.1/24" for place in range(16))


class NoContainersError(LaptopError):
    """No container engine is to be had; the message says why and what would help."""


@dataclass(frozen=True)
class ContainerEngine:
    """An engine that answers.

    ``environment`` is what a client needs to reach it, its ``docker`` first on the path; ``bridge`` the
    machine's address and network as containers see them.
    """

    environment: Mapping[str, str]
    bridge: IPv4Interface

    def docker(self, *arguments: str, seconds: float = 120, check: bool = True) -> str:
        """What a ``docker`` command prints.

        Raises
        ------
        LaptopError
            When it fails or takes too long, with its last line.
        """
        return _output(["docker", *arguments], {**os.environ, **self.environment}, seconds, check=check)


@contextlib.contextmanager
def container_engine(folder: Path, say: Say = lambda _: None) -> Iterator[ContainerEngine]:
    """An engine until the block ends; ``folder`` keeps unpacked programs between runs.

    Raises
    ------
    NoContainersError
        When none answers and none can be started.
    """
    found = _answering()
    if found is not None:
        say("the container engine of this machine is used; its images and containers stay as they are")
        yield found
        return
    why = _why_none_of_its_own()
    if why:
        raise NoContainersError(f"no container engine answers here, and none can be started: {why}")
    with contextlib.ExitStack() as stack:
        try:
            engine = stack.enter_context(_own(folder, say))
        except LaptopError as error:
            raise NoContainersError(f"no container engine answers here, and none starts: {error}") from None
        yield engine


def _answering() -> ContainerEngine | None:
    """The engine that the shell's ``docker`` reaches, unless there is none."""
    if sys.platform != "linux" or shutil.which("docker") is None:
        return None
    engine = ContainerEngine({}, IPv4Interface("127.0.0.1/8"))
    with contextlib.suppress(LaptopError):
        engine.docker("version", "--format", "{{.Server.Version}}", seconds=10)
        form = "{{range .IPAM.Config}}{{.Gateway}} {{.Subnet}}{{end}}"
        gateway, subnet = engine.docker("network", "inspect", "bridge", "--format", form, seconds=10).split()
        return ContainerEngine({}, IPv4Interface(f"{gateway}/{subnet.partition('/')[2]}"))
    return None


def _why_none_of_its_own() -> str | None:
    if sys.platform != "linux":
        return "only Linux can; elsewhere start Docker Desktop's engine (not tried)"
    if os.geteuid() != 0:
        return "that needs root; install Docker and start it, or run this as root"
    if not (_system_programs() or debian.can_unpack()):
        return "Docker is not installed and this is no Debian; install it and start it"
    return None


def _system_programs() -> bool:
    """Whether the machine has all that its own engine is made of."""
    return all(shutil.which(name) for name in ("dockerd", "docker", "containerd", "runc", "iptables", "ip"))


@contextlib.contextmanager
def _own(folder: Path, say: Say) -> Iterator[ContainerEngine]:
    environment = _programs(folder, say)
    bridge = _free_network()
    # A socket's path has 107 bytes at most, and the engine mounts below its folders: so they are short.
    home = Path(tempfile.mkdtemp(prefix="alpaquero-sam-"))
    log = home / "dockerd.log"
    environment["DOCKER_HOST"] = f"unix://{home}/docker.sock"
    engine = ContainerEngine(environment, bridge)
    try:
        with _bridge(f"alpaquero{os.getpid() % 100000}", engine) as name:
            say("starting a container engine of our own")
            with _daemon(engine, name, home, log):
                yield engine
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def _bridge(name: str, engine: ContainerEngine) -> Iterator[str]:
    """A bridge of the engine's own, so that it never meets a docker0."""
    shell = {**os.environ, **engine.environment}
    _output(["ip", "link", "add", name, "type", "bridge"], shell, 10)
    try:
        _output(["ip", "address", "add", str(engine.bridge), "dev", name], shell, 10)
        _output(["ip", "link", "set", name, "up"], shell, 10)
        yield name
    finally:
        _output(["ip", "link", "delete", name], shell, 10, check=False)


@contextlib.contextmanager
def _daemon(engine: ContainerEngine, bridge: str, home: Path, log: Path) -> Iterator[None]:
    """The engine's processes; in the end its containers are removed first, so that nothing stays mounted."""
    shell = processes.base_environment() | dict(engine.environment)
    settings = home / "daemon.json"
    settings.write_text("{}")  # whatever /etc/docker says is for another engine
    options = {
        "--host": engine.environment["DOCKER_HOST"],
        "--data-root": home / "data",
        "--exec-root": home / "run",
        "--pidfile": home / "dockerd.pid",
        "--config-file": settings,
        "--bridge": bridge,
    }
    command = [_program("dockerd", shell), *(f"{name}={value}" for name, value in options.items())]
    command += [f"--{name}=false" for name in ("iptables", "ip6tables", "ip-masq", "ip-forward")]
    command.append(f"--userland-proxy-path={_program('docker-proxy', shell)}")
    process = processes.start(command, environment=shell, log=log, folder=home)
    try:
        processes.wait_until(
            lambda: _answers(engine),
            what="the container engine",
            log=log,
            process=process,
            seconds=_ANSWERS_WITHIN_SECONDS,
            pause=0.2,
        )
        yield
    finally:
        with contextlib.suppress(LaptopError):
            left = engine.docker("ps", "--all", "--quiet").split()
            if left:
                engine.docker("rm", "--force", *left)
        below = processes.descendants(process.pid)
        processes.stop(process, seconds=30)
        processes.end(below)


def _answers(engine: ContainerEngine) -> bool:
    with contextlib.suppress(LaptopError):
        return bool(engine.docker("version", "--format", "{{.Server.Version}}", seconds=10))
    return False


def _programs(folder: Path, say: Say) -> dict[str, str]:
    """What puts the engine's programs on a client's path; they are unpacked where the machine lacks them."""
    if _system_programs():
        return {"PATH": os.environ["PATH"]}
    root = debian.unpacked(PACKAGES, folder, say)
    places = [root / place for place in ("usr/sbin", "usr/bin", "sbin", "bin")]
    # tini is what dockerd looks for as docker-init.
    init = root / "usr/bin/docker-init"
    if not init.exists() and (root / "usr/bin/tini-static").exists():
        init.symlink_to("tini-static")
    libraries = [path for path in (root / "usr/lib", root / "lib") if path.exists()]
    found = sorted({str(file.parent) for path in libraries for file in path.rglob("*.so*")})
    return {
        "PATH": os.pathsep.join([*map(str, places), os.environ["PATH"]]),
        "LD_LIBRARY_PATH": os.pathsep.join(found),
    }


def _program(name: str, shell: Mapping[str, str]) -> str:
    for path in (shell["PATH"], "/usr/libexec/docker", "/usr/lib/docker"):
        found = shutil.which(name, path=path)
        if found:
            return found
    raise NoContainersError(f"{name} is missing from Docker's packages on this machine: install Docker anew")


def _free_network() -> IPv4Interface:
    """The first of our networks whose address no interface of this machine has."""
    for network in map(IPv4Interface, _NETWORKS):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((str(network.ip), 0))
            except OSError:
                return network
    raise NoContainersError(f"all of {_NETWORKS[0]} to {_NETWORKS[-1]} are taken: end other runs of make sam")


def _output(command: list[str], shell: Mapping[str, str], seconds: float, *, check: bool = True) -> str:
    program = shutil.which(command[0], path=shell["PATH"]) or command[0]
    try:
        done = subprocess.run(
            [program, *command[1:]],
            capture_output=True,
            text=True,
            env=dict(shell),
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LaptopError(f"{' '.join(command[:3])} did not end well: {error}") from None
    if check and done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
        raise LaptopError(f"{' '.join(command[:3])} failed: {lines[-1]}")
    return done.stdout.strip()
