"""Defines the reasons for which ratings are refused, and how a refusal is worded in responses."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from services.runtime.http.problem import FieldError, Problem
from services.runtime.http.request_body import BodyTooLarge, BodyTooSlow

TYPE = "urn:rapport:problem:"


class RefusalReason(StrEnum):
    """The reasons, as they label metrics and are named in responses."""

    CREDENTIALS = "credentials"
    """There is no key, it is unknown, or it does not grant this."""
    NOT_READY = "not-ready"
    """The file with the keys cannot be read, which is the operator's fault; send again later."""
    MEDIA_TYPE = "media-type"
    """The content type of the body is not supported."""
    TOO_LARGE = "too-large"
    """The body or a line of it is longer than the limit."""
    TOO_SLOW = "too-slow"
    """The body paused for too long or took too long in all; send it again."""
    TOO_MANY_LINES = "too-many-lines"
    """The batch has more lines than the limit; send the rest in another batch."""
    TOO_MANY_STREAMS = "too-many-streams"
    """The practice has as many open batches as it may have; send again later."""
    TOO_FAST = "too-fast"
    """The practice sends more ratings per second than it may; send again after the time given."""
    OVERLOADED = "overloaded"
    """Too many records are waiting to be stored; send again later."""
    BROKER_SILENT = "broker-silent"
    """Kafka did not acknowledge in time; send again with the same id."""
    NOT_JSON = "not-json"
    """The body or the line is not a JSON object."""
    INVALID = "invalid"
    """A field is missing, unknown or wrong; the response names it and says what is expected."""


SEND_AGAIN = frozenset(
    {
        RefusalReason.TOO_FAST,
        RefusalReason.TOO_MANY_STREAMS,
        RefusalReason.OVERLOADED,
        RefusalReason.BROKER_SILENT,
        RefusalReason.TOO_SLOW,
    }
)
"""Reasons that do not depend on the rating: sent again later with the same id, it can be accepted."""


class Whose(StrEnum):
    """Whose fault a refusal is, as it labels metrics."""

    CALLER = "caller"
    OURS = "ours"


_OURS = frozenset({RefusalReason.NOT_READY, RefusalReason.OVERLOADED, RefusalReason.BROKER_SILENT})


def whose_fault(reason: RefusalReason) -> Whose:
    """Return whose fault it is that something is refused for this reason."""
    return Whose.OURS if reason in _OURS else Whose.CALLER


_RESPONSES: dict[RefusalReason, tuple[int, str]] = {
    RefusalReason.MEDIA_TYPE: (415, "Content type not supported"),
    RefusalReason.TOO_LARGE: (413, "Too large"),
    RefusalReason.TOO_SLOW: (408, "Too slow"),
    RefusalReason.TOO_MANY_LINES: (413, "Too many lines"),
    RefusalReason.TOO_MANY_STREAMS: (429, "Too many batches at a time"),
    RefusalReason.TOO_FAST: (429, "Too many ratings"),
    RefusalReason.OVERLOADED: (503, "Overloaded"),
    RefusalReason.BROKER_SILENT: (503, "Not stored"),
    RefusalReason.NOT_JSON: (400, "Not JSON"),
    RefusalReason.INVALID: (422, "Not a valid rating"),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a rating is refused and what its sender can do. Holds nothing that was sent."""

    reason: RefusalReason
    detail: str
    errors: Sequence[FieldError] = ()
    retry_after_s: float | None = None

    @property
    def retry_after(self) -> int:
        """Whole seconds to wait before sending again, at least one."""
        return max(1, math.ceil(self.retry_after_s or 0))

    def problem(self) -> Problem:
        """Return the response to a request that is refused as a whole."""
        status, title = _RESPONSES[self.reason]
        return Problem(
            status,
            title,
            self.detail,
            type_=TYPE + self.reason,
            errors=self.errors,
            headers={"Retry-After": str(self.retry_after)} if self.reason in SEND_AGAIN else None,
        )

    def line(self, number: int, rating_id: str | None) -> dict[str, Any]:
        """Return the result of one line of a batch."""
        may_retry = self.reason in SEND_AGAIN
        result: dict[str, Any] = {"line": number}
        if may_retry and rating_id is not None:
            result["id"] = rating_id
        result |= {
            "status": "retry" if may_retry else "refused",
            "reason": str(self.reason),
            "detail": self.detail,
        }
        if may_retry:
            result["retry_after"] = self.retry_after
        if self.errors:
            result["errors"] = self.problem().body()["errors"]
        return result


class RefusedRequest(Exception):
    """A request is refused before its ratings are read, or its rest while they are; the refusal says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


def too_large(max_bytes: int) -> Refusal:
    """Return the refusal of a body that is longer than allowed."""
    return Refusal(RefusalReason.TOO_LARGE, f"The body may have at most {max_bytes} bytes.")


def unreadable(error: BodyTooLarge | BodyTooSlow, max_bytes: int) -> Refusal:
    """Return the refusal of a body that could not be read to its end."""
    if isinstance(error, BodyTooLarge):
        return too_large(max_bytes)
    return Refusal(RefusalReason.TOO_SLOW, "The body did not arrive in time.")
