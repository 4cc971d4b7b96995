"""Forwards TCP connections to a server, on request late or not at all, as a bad network does."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.support.ports import lasting_ports


class Link:
    """One forwarded port; `delay_s` and `is_cut` may change at any time."""

    def __init__(self, host: str, port: int) -> None:
        self.port = lasting_ports()
        self.delay_s = 0.0
        """How much later each piece of data arrives, in each direction."""
        self.is_cut = False
        """Whether data are held back: connections stay open and silent, as with a cable pulled out."""
        self._target = (host, port)
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()

    async def _serve(self) -> None:
        async with await asyncio.start_server(self._connect, "127.0.0.1", self.port):
            await asyncio.Event().wait()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            theirs, ours = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {ours, writer}
        await asyncio.gather(self._pump(reader, ours), self._pump(theirs, writer))
        self._open -= {ours, writer}

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(1 << 16):
                await asyncio.sleep(self.delay_s)
                while self.is_cut:  # noqa: ASYNC110 - another thread sets it
                    await asyncio.sleep(0.05)
                sink.write(data)
                await sink.drain()
        sink.close()

    def run(self) -> None:
        """Forward until `end` is called."""
        asyncio.set_event_loop(self._loop)
        self._task = self._loop.create_task(self._serve())
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        for writer in self._open:
            writer.transport.abort()
        pumps = asyncio.all_tasks(self._loop)
        for pump in pumps:
            pump.cancel()
        self._loop.run_until_complete(asyncio.gather(*pumps, return_exceptions=True))
        self._loop.close()

    def end(self) -> None:
        """Stop forwarding; every connection breaks."""
        self._loop.call_soon_threadsafe(self._task.cancel)


@contextmanager
def forwarded(host: str, port: int) -> Iterator[Link]:
    """Forward a port while the block runs."""
    link = Link(host, port)
    thread = threading.Thread(target=link.run, name="link", daemon=True)
    thread.start()
    try:
        yield link
    finally:
        link.end()
        thread.join(10)
