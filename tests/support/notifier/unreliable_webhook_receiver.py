"""Runs a receiver of webhooks that misbehaves as a test asks, and remembers every request it read."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from tests.support.notifier.unreliable_server import UnreliableServer, write_for_ever

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""Answers one request, or does something else with the connection."""


class WebhookRequest(NamedTuple):
    """One request that was read to its end; the names of the headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes
    met: Answer | None
    """What the receiver did instead of accepting it."""

    @property
    def webhook_id(self) -> str:
        """The id that stays the same in every attempt."""
        return self.headers["webhook-id"]


class UnreliableWebhookReceiver(UnreliableServer):
    """Answers every request with 204 while `fault` is None."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls=tls)
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self.fault: Answer | None = None
        self.requests: list[WebhookRequest] = []

    def change_certificate(self, certificate: ssl.SSLContext) -> None:
        """Speak TLS with another certificate from now on."""
        self.stop()
        self.tls = certificate
        self.start()

    def keep(self, request: WebhookRequest) -> None:
        """Keep a request that was read."""
        self.requests.append(request)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one request and answer it."""
        begin = await reader.readexactly(1)
        if begin != b"P":
            # A client that begins with TLS, where none is spoken.
            await answers(400)(writer)
            return
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        fault = self.fault
        self.keep(WebhookRequest(first.split(" ")[1], headers, body, fault))
        await (fault or answers(204))(writer)


def answers(status: int, headers: Sequence[str] = ()) -> Answer:
    """Answer with a status and more headers."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        head = "\r\n".join((f"HTTP/1.1 {status} status", "Content-Length: 0", "Connection: close", *headers))
        writer.write(f"{head}\r\n\r\n".encode())
        await writer.drain()

    return answer


async def keeps_silent(writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def cuts(writer: asyncio.StreamWriter) -> None:
    """Cut the connection after the request was accepted."""
    raise ConnectionResetError


async def dribbles(writer: asyncio.StreamWriter) -> None:
    """Send the status line letter by letter, so slowly that it never ends."""
    for letter in b"HTTP/1.1 204 No Content and so on":
        writer.write(bytes([letter]))
        await writer.drain()
        await asyncio.sleep(0.2)


async def sends_endless_headers(writer: asyncio.StreamWriter) -> None:
    """Begin an answer whose headers never end."""
    writer.write(b"HTTP/1.1 204 No Content\r\n")
    await write_for_ever(writer, b"X-More: " + b"x" * 8_000 + b"\r\n", 0)


async def sends_endless_preludes(writer: asyncio.StreamWriter) -> None:
    """Announce an answer again and again (103), and never give it."""
    await write_for_ever(writer, b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 0)


async def sends_an_endless_body(writer: asyncio.StreamWriter) -> None:
    """Accept the request, and then send a body that never ends."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    await write_for_ever(writer, b"10000\r\n" + b"x" * 0x10000 + b"\r\n", 0)


async def speaks_no_http(writer: asyncio.StreamWriter) -> None:
    """Answer in another protocol."""
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    await writer.drain()
