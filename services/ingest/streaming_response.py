"""The answer to a batch: pieces in as they are ready, one response out, read by its caller now or later.

Most HTTP libraries read nothing until they have sent everything. If each piece had to be taken before more
lines are read, both sides would wait for each other for ever; so pieces wait here, up to a bound.
"""

import asyncio

from starlette.types import Send

from services.ingest.body import Gone

MAX_WAITING_BYTES = 8 * 1024 * 1024
"""10,000 results of several hundred bytes; beyond it the caller must read before it may go on sending."""


class Outlet:
    """Sends pieces in their order, beside the reading."""

    def __init__(self, send: Send, media_type: str, timeout_s: float) -> None:
        self._send = send
        self._headers = [(b"content-type", media_type.encode())]
        self._timeout_s = timeout_s
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._last = False
        self._changed = asyncio.Condition()
        self._task = asyncio.create_task(self._run(), name="batch-answer")

    async def put(self, piece: bytes) -> None:
        """Take one piece; waits only while more than the bound is waiting to be read.

        Raises:
            Gone: the caller has read nothing for too long.
        """
        async with self._changed:
            try:
                async with asyncio.timeout(self._timeout_s):
                    await self._changed.wait_for(lambda: self._bytes <= MAX_WAITING_BYTES)
            except TimeoutError:
                raise Gone from None
            self._waiting.append(piece)
            self._bytes += len(piece)
            self._changed.notify_all()

    async def close(self) -> None:
        """Send what is waiting and end the answer properly.

        Raises:
            Gone: the caller has read nothing for too long.
        """
        async with self._changed:
            self._last = True
            self._changed.notify_all()
        done, _ = await asyncio.wait([self._task], timeout=self._timeout_s)
        if not done:
            raise Gone
        await self._task

    def abandon(self) -> None:
        """Stop without an end: the caller is gone, or must not take what it has for the whole answer."""
        self._task.cancel()

    async def _run(self) -> None:
        # Not before there is something to say: a caller that waits for `100 Continue` must get that first.
        piece, last = await self._next()
        await self._send({"type": "http.response.start", "status": 200, "headers": self._headers})
        while not last:
            await self._pass_on(piece, more=True)
            piece, last = await self._next()
        await self._pass_on(piece, more=False)

    async def _next(self) -> tuple[bytes, bool]:
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting or self._last)
            piece = b"".join(self._waiting)
            self._waiting.clear()
            return piece, self._last

    async def _pass_on(self, piece: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": piece, "more_body": more})
        async with self._changed:
            self._bytes -= len(piece)
            self._changed.notify_all()
