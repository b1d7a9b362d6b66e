"""Passing connections on from a container's address to loopback."""

from __future__ import annotations

import asyncio

from laptop import processes
from laptop.published import publish

# Another address of this machine stands for a container's.
OUTSIDE = "127.0.0.2"


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"you said " + await reader.read())
    await writer.drain()
    writer.close()


async def _asked(port: int, text: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(OUTSIDE, port)
    writer.write(text)
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


def test_what_is_sent_outside_is_answered_inside() -> None:
    """Both directions are passed on whole, and a client's end as well."""

    async def scene() -> bytes:
        port = processes.free_ports(1)[0]
        inside = await asyncio.start_server(_echo, processes.LOOPBACK, port)
        (outside,) = await publish(OUTSIDE, [port])
        async with inside, outside:
            return await _asked(port, b"x" * 300_000)

    assert asyncio.run(scene()) == b"you said " + b"x" * 300_000


def test_a_port_that_nothing_serves_yet_closes_at_once() -> None:
    """Whoever asks too early may ask again; the forwarder goes on."""

    async def scene() -> bytes:
        port = processes.free_ports(1)[0]
        (outside,) = await publish(OUTSIDE, [port])
        async with outside:
            assert await _asked(port, b"early") == b""
            async with await asyncio.start_server(_echo, processes.LOOPBACK, port):
                return await _asked(port, b"now")

    assert asyncio.run(scene()) == b"you said now"
