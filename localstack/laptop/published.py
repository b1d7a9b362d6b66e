"""Passes connections to a container's own address on to the ports inside it, which listen on loopback alone.

`localstack/compose.yaml` runs it as ``python -m laptop.published``, beside the container that it shares a
network with; what is published is what the compose file maps, to the host's loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Iterable
from functools import partial

from laptop.processes import LOOPBACK
from laptop.stack import DEFAULT_PORTS

_CHUNK = 65536


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Everything of one direction, then its end."""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def _connect(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        inner_reader, inner_writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        writer.close()  # nothing listens inside yet
        return
    try:
        await asyncio.gather(_pass(reader, inner_writer), _pass(inner_reader, writer))
    finally:
        inner_writer.close()
        writer.close()


async def publish(address: str, ports: Iterable[int]) -> list[asyncio.Server]:
    """Listen on an address for each port and pass its connections on to the same port of loopback."""
    return [await asyncio.start_server(partial(_connect, port), address, port) for port in ports]


async def _until_stopped(address: str) -> None:
    servers = await publish(address, DEFAULT_PORTS.values())
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    for server in servers:
        server.close()


def main(arguments: list[str] | None = None) -> int:
    """Publish the design's ports until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m laptop.published", description=__doc__)
    parser.add_argument("--address", help="the container's own, unless given")
    options = parser.parse_args(arguments)
    asyncio.run(_until_stopped(options.address or socket.gethostbyname(socket.gethostname())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
