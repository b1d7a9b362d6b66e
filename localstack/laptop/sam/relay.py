"""Lets containers reach the laptop cloud, which listens on loopback alone.

``laptop.sam.cloud`` opens one for the engine's port and one for the exchange's, on the bridge's address and
under the same numbers, so that an address in a function's environment changes its host alone. Bytes pass
as they are, so signatures hold. Only containers of the bridge's network are served.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from ipaddress import IPv4Interface, ip_address

from laptop.processes import LOOPBACK

_CHUNK = 64 * 1024


@contextlib.contextmanager
def relayed(bridge: IPv4Interface, ports: list[int]) -> Iterator[None]:
    """Pass connections from containers on to these loopback ports until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True, name="container-relay")
    thread.start()
    try:
        servers = [asyncio.run_coroutine_threadsafe(_listen(bridge, port), loop).result(10) for port in ports]
        yield
        for server in servers:
            loop.call_soon_threadsafe(server.close)
    finally:
        asyncio.run_coroutine_threadsafe(_end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _listen(bridge: IPv4Interface, port: int) -> asyncio.Server:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = ip_address(writer.get_extra_info("peername")[0])
        if peer in bridge.network:
            await _pass_on(reader, writer, port)
        writer.close()

    return await asyncio.start_server(client, str(bridge.ip), port)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    try:
        far_reader, far_writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return  # the cloud is gone: the container sees its connection close
    ways = ((reader, far_writer), (far_reader, writer))
    await asyncio.gather(*(_copy(source, target) for source, target in ways))
    far_writer.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(_CHUNK):
            target.write(data)
            await target.drain()
    with contextlib.suppress(OSError):
        target.write_eof()


async def _end() -> None:
    """Let go of every connection that is still open."""
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
