"""The last steps of a batch, publishing and offsets, while the next one begins: one batch at a time."""

import asyncio
from collections.abc import Coroutine, Mapping

from services.runtime.kafka.record import TopicPartition


class InFlightBatch:
    """What of an earlier batch is still under way, and where that batch began."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._starts: Mapping[TopicPartition, int] = {}

    @property
    def under_way(self) -> bool:
        """There is something to wait for, or to find failed."""
        return self._task is not None

    def begin(self, steps: Coroutine[object, object, None], starts: Mapping[TopicPartition, int]) -> None:
        """Let these steps run beside what comes next; whatever was under way must have ended."""
        self._task = asyncio.create_task(steps, name="tail")
        self._starts = starts

    async def end(self) -> None:
        """Wait for what is under way.

        Raises:
            BaseException: what stopped it; `drop` then tells where its batch begins.
        """
        if self._task is not None:
            # A caller that is cancelled leaves it running: it is awaited again when the session is left.
            await asyncio.shield(self._task)
            self._task = None

    async def drop(self) -> tuple[BaseException | None, Mapping[TopicPartition, int]]:
        """Wait for what is under way, and forget it.

        Returns what stopped it, and where its batch is to be read again; None and nothing when it came to its
        end.
        """
        if self._task is None:
            return None, {}
        task, self._task = self._task, None
        await asyncio.wait([task])
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        return error, self._starts if error is not None else {}
