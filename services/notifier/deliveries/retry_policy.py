"""retry: the one place that decides when, and how often, to try again: back-off, jitter, cap."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.jobs import Job

from services.notifier.channels.channel import OUTGOING
from services.runtime.process.backoff import backoff_pause_s


class TryAgain(Exception):
    """The attempt failed and is worth another one at `at`, by the database's clock."""

    def __init__(self, at: datetime) -> None:
        super().__init__("to be tried again")
        self.at = at


@dataclass(frozen=True)
class BackOff(BaseRetryStrategy):
    """Waits `first_s`, twice that, four times that … at most `cap_s`, each shortened by up to half at random.

    The jitter keeps messages that failed together from coming back together.
    """

    first_s: float
    cap_s: float

    def wait_s(self, attempts: int) -> float:
        """Seconds to wait after this many failed attempts (1 or more)."""
        return backoff_pause_s(attempts, first_s=self.first_s, cap_s=self.cap_s)

    def next_try(self, now: datetime, attempts: int, asked_s: float = 0.0) -> datetime:
        """When to try next.

        A receiver that asks for a pause of `asked_s` seconds gets it, but no longer one than the cap.
        """
        return now + timedelta(seconds=max(self.wait_s(attempts), min(asked_s, self.cap_s)))

    def tries_within(self, period: timedelta) -> int:
        """How often is tried in a period: the jitter shortens each pause by a quarter on average."""
        tries, pause_s, left_s = 1, self.first_s, period.total_seconds() / 0.75
        while pause_s < self.cap_s and pause_s <= left_s:
            tries, pause_s, left_s = tries + 1, pause_s * 2, left_s - pause_s
        return tries + int(left_s // self.cap_s)

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        """The queue's question. A fault of our own surroundings (database away) has no deadline: it waits.

        Further attempts get a queue and a lock of their own, so that first attempts never wait for them.
        """
        at = (
            exception.at
            if isinstance(exception, TryAgain)
            else datetime.now(UTC) + timedelta(seconds=self.wait_s(job.attempts + 1))
        )
        return RetryDecision(retry_at=at, queue=retry_queue(job.queue), lock=job.queueing_lock)


def retry_queue(queue: str) -> str:
    """Return the queue for the further attempts of a job that was first in `queue`."""
    return f"{queue}-retries" if queue in OUTGOING else queue
