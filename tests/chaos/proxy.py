"""A network that can be cut: what is said meanwhile comes late, as after a lost packet, and no side is told."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

LOOPBACK: Final = "127.0.0.1"
CHUNK: Final = 64 * 1024


class Proxy:
    """Connects who comes to bound sockets with ports of loopback."""

    def __init__(self, routes: Iterable[tuple[socket.socket, int]]) -> None:
        """Know which socket stands for which port."""
        self._routes = list(routes)
        self._whole = asyncio.Event()
        self._whole.set()
        self._running = set[asyncio.Task[None]]()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Connections are taken while the context is open."""
        servers = [await asyncio.start_server(partial(self._take, to), sock=bound) for bound, to in self._routes]
        try:
            yield
        finally:
            for server in servers:
                server.close()
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    def cut(self) -> None:
        """Let nothing through, in neither direction; connections stay open, and new ones are not answered."""
        self._whole.clear()

    def mend(self) -> None:
        """Let everything through, also what has been waiting."""
        self._whole.set()

    def _take(self, to: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._connect(to, reader, writer))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _connect(self, to: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            await self._whole.wait()
            try:
                far_reader, far_writer = await asyncio.open_connection(LOOPBACK, to)
            except OSError:  # nobody is there: the other side is told so
                return
            with contextlib.closing(far_writer), contextlib.suppress(OSError):
                there = asyncio.ensure_future(self._forward(reader, far_writer))
                back = asyncio.ensure_future(self._forward(far_reader, writer))
                try:
                    await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    there.cancel()
                    back.cancel()
                    await asyncio.gather(there, back, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            await self._whole.wait()
            writer.write(data)
            await writer.drain()
        await self._whole.wait()
