"""HTTP by hand, for what libraries hide: sending in pieces, reading meanwhile, going away in the middle."""

import asyncio
import json
import socket
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

DEADLINE_S = 20.0


class Wire:
    """One connection."""

    def __init__(self, url: str, *, buffer_bytes: int | None = None) -> None:
        self._parts = urlsplit(url)
        self._socket = socket.socket()
        if buffer_bytes is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
        self._lines: list[bytes] = []
        self._rest = b""
        self._head = False

    async def __aenter__(self) -> Self:
        """Connect."""
        self._socket.setblocking(False)
        address = (self._parts.hostname, self._parts.port)
        await asyncio.get_running_loop().sock_connect(self._socket, address)
        self._reader, self._writer = await asyncio.open_connection(sock=self._socket, limit=65_536)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Go away."""
        self._writer.close()

    async def start_batch(self, headers: Mapping[str, str]) -> None:
        """Send the head of a batch."""
        given = {
            "Host": "test",
            "Transfer-Encoding": "chunked",
            "Content-Type": "application/x-ndjson",
            **headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        await self._write(f"POST /v1/ratings/batch HTTP/1.1\r\n{head}\r\n".encode())

    async def send(self, piece: bytes) -> None:
        """Send a piece of the body."""
        await self._write(b"%x\r\n%s\r\n" % (len(piece), piece))

    async def end(self) -> None:
        """End the body."""
        await self._write(b"0\r\n\r\n")

    async def result(self) -> dict[str, Any]:
        """The next result line."""
        while b"\n" not in self._rest:
            self._rest += await self._chunk()
        line, _, self._rest = self._rest.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    async def rest(self) -> bytes:
        """Everything until the answer's proper end."""
        found, self._rest = self._rest, b""
        while chunk := await self._chunk():
            found += chunk
        return found

    async def _write(self, piece: bytes) -> None:
        async with asyncio.timeout(DEADLINE_S):
            self._writer.write(piece)
            await self._writer.drain()

    async def _chunk(self) -> bytes:
        async with asyncio.timeout(DEADLINE_S):
            if not self._head:
                head = await self._reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200"), head
                self._head = True
            size = int(await self._reader.readuntil(b"\r\n"), 16)
            return (await self._reader.readexactly(size + 2))[:-2]
