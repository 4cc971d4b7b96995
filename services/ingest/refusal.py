"""Why a rating is not accepted: a closed list of reasons, and a refusal as the answers show it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from services.runtime.http.problem import FieldError, Problem

TYPE = "urn:rapport:problem:"


class Reason(StrEnum):
    """The reasons, as metrics label them and answers name them."""

    CREDENTIALS = "credentials"
    """No key, an unknown key, or one that does not grant this."""
    MEDIA_TYPE = "media-type"
    """The body is not of the content type that this door takes."""
    TOO_LARGE = "too-large"
    """The body, or a line of it, is over the limit."""
    TOO_SLOW = "too-slow"
    """Nothing came for too long in the middle of a body; send again."""
    TOO_MANY_LINES = "too-many-lines"
    """The batch has more lines than the limit; send the rest in another."""
    TOO_MANY_STREAMS = "too-many-streams"
    """The practice has as many batches open as it may; send again later."""
    TOO_FAST = "too-fast"
    """The practice is over its ratings per second; send again after the time given."""
    OVERLOADED = "overloaded"
    """Too many records wait for their acknowledgement; send again later."""
    BROKER_SILENT = "broker-silent"
    """Kafka did not acknowledge in time; send again with the same id."""
    NOT_JSON = "not-json"
    """The body, or the line, is no JSON object."""
    INVALID = "invalid"
    """A field is missing, unknown or wrong; the answer says which and what is expected."""


SEND_AGAIN = frozenset(
    {Reason.TOO_FAST, Reason.TOO_MANY_STREAMS, Reason.OVERLOADED, Reason.BROKER_SILENT, Reason.TOO_SLOW}
)
"""Refusals that say nothing against the rating: the same one, with the same id, is welcome later."""

_ANSWERS: dict[Reason, tuple[int, str]] = {
    Reason.MEDIA_TYPE: (415, "Content type not supported"),
    Reason.TOO_LARGE: (413, "Too large"),
    Reason.TOO_SLOW: (408, "Too slow"),
    Reason.TOO_MANY_LINES: (413, "Too many lines"),
    Reason.TOO_MANY_STREAMS: (429, "Too many batches at a time"),
    Reason.TOO_FAST: (429, "Too many ratings"),
    Reason.OVERLOADED: (503, "Overloaded"),
    Reason.BROKER_SILENT: (503, "Not stored"),
    Reason.NOT_JSON: (400, "Not JSON"),
    Reason.INVALID: (422, "Not a valid rating"),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One rating that is not accepted: why, and what its sender can do. Holds nothing that was sent."""

    reason: Reason
    detail: str
    errors: Sequence[FieldError] = ()
    retry_after_s: float | None = None

    @property
    def retry_after(self) -> int:
        """Whole seconds to wait, at least one."""
        return max(1, math.ceil(self.retry_after_s or 0))

    def problem(self) -> Problem:
        """The answer to a request that is refused as a whole."""
        status, title = _ANSWERS[self.reason]
        return Problem(
            status,
            title,
            self.detail,
            type_=TYPE + self.reason,
            errors=self.errors,
            headers={"Retry-After": str(self.retry_after)} if self.reason in SEND_AGAIN else None,
        )

    def line(self, number: int, rating_id: str | None) -> dict[str, Any]:
        """The result of one line of a batch."""
        again = self.reason in SEND_AGAIN
        result: dict[str, Any] = {"line": number}
        if again and rating_id is not None:
            result["id"] = rating_id
        result |= {
            "status": "retry" if again else "refused",
            "reason": str(self.reason),
            "detail": self.detail,
        }
        if again:
            result["retry_after"] = self.retry_after
        if self.errors:
            result["errors"] = self.problem().body()["errors"]
        return result
