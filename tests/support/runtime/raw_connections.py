"""Sends bytes over connections of its own, in all the shapes that a caller without a key may think of."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

PIECE = 64 * 1024
BODIES = {
    "ingest": ("POST /v1/ratings", "application/json"),
    "detector": ("GET /v1/balance", "application/json"),
    "notifier": ("PUT /v1/therapists/t-1", "application/json"),
}
"""Where each takes a body, if any, and from whom it wants a key."""


class Connection:
    """One connection that sends what it is told, and stops once the service has ended it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> bool:
        """Send; return False when the service does not take it any more."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except ConnectionError:
            return False
        return not self._reader.at_eof()

    async def send_all(self, head: bytes, piece: bytes, most_bytes: int) -> None:
        """Send the head, and the piece again and again, for as long as the service takes them."""
        taken = await self.send(head)
        for _ in range(most_bytes // len(piece)):
            if not taken:
                break
            taken = await self.send(piece)

    async def response(self) -> bytes:
        """Everything the service sends until it ends the connection."""
        received = b""
        with contextlib.suppress(ConnectionError):
            while data := await self._reader.read(PIECE):
                received += data
        return received


@asynccontextmanager
async def connections(url: str, count: int) -> AsyncIterator[list[Connection]]:
    """Open this number of connections, and close them at the end."""
    host, port = url.removeprefix("http://").split(":")
    opened = [await asyncio.open_connection(host, int(port)) for _ in range(count)]
    try:
        yield [Connection(*each) for each in opened]
    finally:
        for _, writer in opened:
            writer.transport.abort()


async def endless_headers(service: str, one: Connection) -> None:
    await one.send_all(
        b"GET /livez HTTP/1.1\r\nHost: x\r\n", b"".join(b"h%d: v\r\n" % n for n in range(9000)), 2**28
    )


async def endless_value(service: str, one: Connection) -> None:
    await one.send_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nCookie: ", b"a" * PIECE, 2**28)


async def endless_address(service: str, one: Connection) -> None:
    await one.send_all(b"GET /", b"a" * PIECE, 2**28)


async def endless_body(service: str, one: Connection) -> None:
    head = "{} HTTP/1.1\r\nHost: x\r\nContent-Type: {}\r\nContent-Length: 300000000\r\n\r\n".format(
        *BODIES[service]
    )
    await one.send_all(head.encode(), b"a" * PIECE, 2**28)


async def endless_form(service: str, one: Connection) -> None:
    head = b"POST /sign-in/link HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    await one.send_all(
        head + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"a" * 0x10000 + b"\r\n", 2**28
    )


async def endless_trailer(service: str, one: Connection) -> None:
    head = b"GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    await one.send_all(head, b"".join(b"t%d: v\r\n" % n for n in range(9000)), 2**28)


async def unread_responses(service: str, one: Connection) -> None:
    await one.send_all(b"", b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 2000, 2**26)


async def old_protocol(service: str, one: Connection) -> None:
    """HTTP/1.0 knows a body without a length, which ends with the connection."""
    head = "{} HTTP/1.0\r\nContent-Type: {}\r\n\r\n".format(*BODIES[service])
    await one.send_all(head.encode(), b"a" * PIECE, 2**28)


async def old_protocol_kept_alive(service: str, one: Connection) -> None:
    head = "{} HTTP/1.0\r\nConnection: keep-alive\r\nContent-Type: {}\r\nContent-Length: 300000000\r\n\r\n"
    await one.send_all(head.format(*BODIES[service]).encode(), b"a" * PIECE, 2**28)


async def web_socket(service: str, one: Connection) -> None:
    """No service speaks it: what follows the request for it is no HTTP."""
    await one.send_all(
        b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        b"\x82\x7f" + b"a" * PIECE,
        2**28,
    )


async def next_protocol(service: str, one: Connection) -> None:
    """HTTP/2 without asking for it first."""
    await one.send_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x00" * PIECE, 2**28)


async def no_protocol(service: str, one: Connection) -> None:
    await one.send_all(b"\x16\x03\x01\x02\x00\x01", b"\xff" * PIECE, 2**28)


async def unread_documents(service: str, one: Connection) -> None:
    """The largest response that changes all the time, asked for on the management port and not read."""
    await one.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 3)


async def slow_head(service: str, one: Connection) -> None:
    await one.send(b"GET /livez HTTP/1.1\r\nX: ")
    while await one.send(b"a"):  # noqa: ASYNC110 - it is the caller who is slow
        await asyncio.sleep(0.05)


SHAPES: tuple[Callable[[str, Connection], Awaitable[None]], ...] = (
    endless_headers,
    endless_value,
    endless_address,
    endless_body,
    endless_form,
    endless_trailer,
    unread_responses,
    old_protocol,
    old_protocol_kept_alive,
    web_socket,
    next_protocol,
    no_protocol,
    slow_head,
)
"""What a caller may send for ever; `unread_documents` does not end by itself as long as nobody reads."""
