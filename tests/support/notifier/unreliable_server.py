"""Runs a real server on a thread of its own that goes down, comes back and misbehaves as a test asks."""

import asyncio
import contextlib
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from tests.support.ports import lasting_ports

_PAUSE_S = 0.02


class UnreliableServer(ABC):
    """Listens on a port that stays the same while it is down."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.port = lasting_ports()
        self.tls = tls
        """Spoken from the beginning of a connection; None: only where the protocol asks for it."""
        self.connections = 0
        """How often somebody connected."""
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None] | None] = set()
        """Kept here because asyncio itself forgets a task that waits for nothing that anybody else knows."""

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Listen for the duration of the block."""
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        try:
            self.start()
            yield self
        finally:
            self.stop()
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def start(self) -> None:
        """Listen; return once connections are accepted."""
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)

    def stop(self) -> None:
        """Close the port and cut every connection."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)

    @abstractmethod
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to one client; returning closes the connection."""

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, ssl=self.tls)

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._conversations.add(asyncio.current_task())
        # A client that gives up, and a stop, end a conversation anywhere.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self.serve(reader, writer)
        writer.transport.abort()
        self._conversations.discard(asyncio.current_task())


async def write_for_ever(writer: asyncio.StreamWriter, text: bytes, pause_s: float = _PAUSE_S) -> None:
    """Write the same text again and again, until the client is gone."""
    while True:
        writer.write(text)
        await writer.drain()
        await asyncio.sleep(pause_s)
