"""Sends the results of a batch while the batch is still being read.

Most HTTP clients read nothing until they have sent their whole body. If ingest read on only after the client
had taken the last result, both would wait for each other; so results are buffered here, up to a limit.
"""

import asyncio

from starlette.types import Send

from services.runtime.http.request_body import ClientDisconnected

MAX_WAITING_BYTES = 8 * 1024 * 1024
"""Enough for 10,000 results of 800 bytes; above it the caller must read before it can go on sending."""


class ResultStream:
    """A response whose parts are queued by `put` and sent in order by a task of its own."""

    def __init__(self, send: Send, media_type: str, timeout_s: float) -> None:
        self._send = send
        self._headers = [(b"content-type", media_type.encode())]
        self._timeout_s = timeout_s
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._closed = False
        self._changed = asyncio.Condition()
        self._task = asyncio.create_task(self._run(), name="batch-results")

    async def put(self, part: bytes) -> None:
        """Queue a part; wait while more than `MAX_WAITING_BYTES` are queued.

        Raises:
            ClientDisconnected: the caller has read nothing for too long.
        """
        async with self._changed:
            try:
                async with asyncio.timeout(self._timeout_s):
                    await self._changed.wait_for(lambda: self._bytes <= MAX_WAITING_BYTES)
            except TimeoutError:
                raise ClientDisconnected from None
            self._waiting.append(part)
            self._bytes += len(part)
            self._changed.notify_all()

    async def close(self) -> None:
        """Send what is queued and complete the response.

        Raises:
            ClientDisconnected: the caller has read nothing for too long.
        """
        async with self._changed:
            self._closed = True
            self._changed.notify_all()
        done, _ = await asyncio.wait([self._task], timeout=self._timeout_s)
        if not done:
            raise ClientDisconnected
        await self._task

    def abandon(self) -> None:
        """Break the response off, so that the caller cannot take it for complete."""
        self._task.cancel()

    async def _run(self) -> None:
        # The headers wait for the first part: a caller that waits for `100 Continue` must get that first.
        part, last = await self._next()
        await self._send({"type": "http.response.start", "status": 200, "headers": self._headers})
        while not last:
            await self._send_part(part, more=True)
            part, last = await self._next()
        await self._send_part(part, more=False)

    async def _next(self) -> tuple[bytes, bool]:
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting or self._closed)
            part = b"".join(self._waiting)
            self._waiting.clear()
            return part, self._closed

    async def _send_part(self, part: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": part, "more_body": more})
        async with self._changed:
            self._bytes -= len(part)
            self._changed.notify_all()
