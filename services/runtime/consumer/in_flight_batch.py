"""Runs the last steps of a batch (publishing and committing offsets) while the next batch is processed."""

import asyncio
from collections.abc import Coroutine, Mapping

from services.runtime.kafka.record import TopicPartition


class InFlightBatch:
    """At most one earlier batch whose last steps are still running, and the offsets at which it began."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._starts: Mapping[TopicPartition, int] = {}

    @property
    def active(self) -> bool:
        """Whether a batch is running, or failed and has not been abandoned yet."""
        return self._task is not None

    def start(
        self, last_steps: Coroutine[object, object, None], starts: Mapping[TopicPartition, int]
    ) -> None:
        """Run these steps in the background; the batch before must have finished."""
        self._task = asyncio.create_task(last_steps, name="in-flight-batch")
        self._starts = starts

    async def wait(self) -> None:
        """Wait until the running batch has finished.

        Raises:
            BaseException: what stopped it; `abandon` then returns where the batch began.
        """
        if self._task is not None:
            # When the caller is cancelled the batch keeps running: leaving the session waits for it again.
            await asyncio.shield(self._task)
            self._task = None

    async def abandon(self) -> tuple[BaseException | None, Mapping[TopicPartition, int]]:
        """Wait for the running batch and forget it.

        Returns the error that stopped it and the offsets from which to read it again; None and an empty
        mapping when it finished or there was none.
        """
        if self._task is None:
            return None, {}
        task, self._task = self._task, None
        await asyncio.wait([task])
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        return error, self._starts if error is not None else {}
