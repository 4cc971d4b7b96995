"""Sends ratings to ingest in order, and sends again what was not answered."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from services.cli.client.api_client import ApiClient, RatingResult
from services.runtime.process.backoff import Backoff

GIVE_UP_S = 60.0
"""How long ingest may be unreachable or overloaded before sending stops; it can be resumed."""
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
CHUNKS_PER_SECOND = 10


class IngestUnavailable(RuntimeError):
    """Ingest answered no rating for too long; `report.done` says where to resume."""


@dataclass(frozen=True, slots=True)
class RatingToSend:
    """One rating: its line in the file it came from, the practice to act for, and its JSON."""

    line: int
    practice: str | None
    body: bytes = field(repr=False)


@dataclass(slots=True)
class DeliveryReport:
    """How many ratings were sent, and how ingest answered."""

    done: int = 0
    """Ratings with a final answer."""
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Number of refused ratings by reason."""
    refused_lines: list[tuple[int, str]] = field(default_factory=list)
    sent_again: int = 0
    """Lines sent again because no answer arrived: only these may have been delivered twice."""
    accepted_ids: list[tuple[str | None, str]] | None = None
    """Practice and id of each accepted rating; recorded only when this is a list."""

    @property
    def unverified(self) -> list[tuple[str | None, str]]:
        """The accepted ratings whose outcome must be asked for one by one; empty when nothing was sent again.

        After a retry, counts are ambiguous: the second delivery of one rating counts as much as the first of
        another.
        """
        return list(self.accepted_ids or []) if self.sent_again else []

    def count(self, rating: RatingToSend, result: RatingResult) -> None:
        """Count one final answer."""
        self.done += 1
        if result.status in {"accepted", "valid"}:
            self.accepted += 1
            if self.accepted_ids is not None and result.rating_id is not None:
                self.accepted_ids.append((rating.practice, result.rating_id))
        else:
            self.refused[result.reason.split(":")[0]] += 1
            self.refused_lines.append((rating.line, result.reason))


def send_ratings(
    client: ApiClient,
    ratings: Iterable[RatingToSend],
    report: DeliveryReport,
    *,
    rate: float | None = None,
    chunk: int = 1000,
    history: bool = False,
    dry_run: bool = False,
    progress: Callable[[DeliveryReport], None] = lambda _report: None,
) -> None:
    """Send all ratings in order, at most `rate` a second (None: as fast as ingest answers).

    `history` marks them as history. With `dry_run` they are checked and not stored; valid ones count as
    accepted.

    Raises:
        IngestUnavailable: ingest answered no rating for `GIVE_UP_S`.
        ApiError: the key or the practice is wrong.
    """
    size = max(1, int(rate / CHUNKS_PER_SECOND)) if rate else chunk
    started = time.monotonic()
    sent = 0
    for part in _chunks(ratings, size):
        if rate:
            time.sleep(max(0.0, started + sent / rate - time.monotonic()))
        for practice in dict.fromkeys(rating.practice for rating in part):
            own = [rating for rating in part if rating.practice == practice]
            _send_until_answered(client, practice, own, report, history=history, dry_run=dry_run)
        sent += len(part)
        progress(report)


def _send_until_answered(
    client: ApiClient,
    practice: str | None,
    ratings: Sequence[RatingToSend],
    report: DeliveryReport,
    *,
    history: bool,
    dry_run: bool,
) -> None:
    remaining = list(ratings)
    last_answer = time.monotonic()
    backoff = Backoff(first_s=FIRST_PAUSE_S, cap_s=LONGEST_PAUSE_S)
    while remaining:
        lines = [rating.body for rating in remaining]
        results = client.send_batch(practice, lines, history=history, dry_run=dry_run)
        unanswered = []
        for rating, result in zip(remaining, results, strict=True):
            if result.status in {"accepted", "valid", "refused"}:
                report.count(rating, result)
            else:
                unanswered.append((rating, result))
        if len(unanswered) < len(remaining):
            last_answer = time.monotonic()
            backoff.reset()
        elif time.monotonic() - last_answer > GIVE_UP_S:
            raise IngestUnavailable(
                f"Ingest answered nothing for {GIVE_UP_S:.0f} s; {report.done} ratings are sent"
            )
        remaining = [rating for rating, _ in unanswered]
        if unanswered:
            report.sent_again += sum(
                result.status is None or result.reason == "broker-silent" for _, result in unanswered
            )
            wanted = max((result.retry_after_s for _, result in unanswered if result.status), default=0.0)
            time.sleep(min(max(backoff.next_s(), wanted), LONGEST_PAUSE_S))


def _chunks(ratings: Iterable[RatingToSend], size: int) -> Iterator[list[RatingToSend]]:
    source = iter(ratings)
    while part := list(islice(source, size)):
        yield part
