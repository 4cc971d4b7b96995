"""Runs a process of the sample service inside the test, until the block ends or a checkpoint crashes it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from services.runtime.consumer.batch_consumer import BatchConsumer
from services.runtime.http.health import Health
from services.runtime.process.consumer_metrics import ConsumerMetrics
from services.runtime.process.kill_points import Checkpoint

DEADLINE_S = 30.0


class Crash(BaseException):
    """Simulates the end of a process inside the test's own process."""


def crash_at(label: str, *, time: int = 1) -> Checkpoint:
    """Return a checkpoint that raises `Crash` once, when `label` is passed for the nth time."""
    left = time

    def checkpoint(reached: str) -> None:
        nonlocal left
        if reached == label:
            left -= 1
            if left == 0:
                raise Crash(label)

    return checkpoint


async def until(condition: Callable[[], bool], what: str = "it", deadline_s: float = DEADLINE_S) -> None:
    """Wait until a condition holds."""
    try:
        async with asyncio.timeout(deadline_s):
            while not condition():  # noqa: ASYNC110 - the condition has no event to wait for
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"waited {deadline_s} s in vain for {what}") from None


@dataclass
class Running:
    """One process of the service, run inside the test."""

    consumer: BatchConsumer
    metrics: ConsumerMetrics
    health: Health
    reasons_at_stop: dict[str, str] = field(default_factory=dict)
    """Why each bad check was bad just before the stop."""

    @property
    def reasons(self) -> dict[str, str]:
        """The reason for each bad check."""
        return {check: state for check, state in self.health.checks.items() if state != "good"}

    @asynccontextmanager
    async def __call__(self, *, ready: bool = True) -> AsyncIterator[BatchConsumer]:
        """Run the process while the block runs."""
        task = asyncio.create_task(self.consumer.run())
        try:
            if ready:
                await until(lambda: self.health.healthy or task.done(), "readiness")
            yield self.consumer
        finally:
            self.reasons_at_stop.update(self.reasons)
            await self.consumer.stop()
            with suppress(Crash):
                await task

    async def until_crash(self) -> str:
        """Run the process until a checkpoint crashes it; return the label."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                await self.consumer.run()
        except Crash as crash:
            return str(crash)
        raise AssertionError("the process ended without a crash")

    def shows(self, name: str, value: float, **labels: object) -> bool:
        """Return whether a metric has this value; a partition that is not owned has no gauges."""
        return self._sample(name, labels) == value

    def _sample(self, name: str, labels: dict[str, object]) -> float | None:
        return self.metrics.registry.get_sample_value(name, {k: str(v) for k, v in labels.items()})

    def value(self, name: str, **labels: object) -> float:
        """Return a metric's value."""
        found = self._sample(name, labels)
        assert found is not None, f"no metric {name} {labels}"
        return found
