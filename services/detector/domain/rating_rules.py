"""Checks a decoded rating by the rules that ingest applies to what is sent over HTTP.

What ingest accepted passes them. They are for ratings that another producer wrote straight into Kafka.
"""

import re
from collections.abc import Sequence

from pydantic import ValidationError

from schemas.error_messages import rating_message
from schemas.events import Status
from schemas.rating import AHEAD, NEXT_AHEAD, RatingBody, check_times
from schemas.validation_errors import Violation, violations_of
from services.detector.contracts import Rated
from services.detector.domain.outcomes import RejectionReason
from services.runtime.process.errors import Reject

_REFERENCE = r"[!-?A-~]"
_FIRST_OF_RATING_ID, _OF_RATING_ID = r"[!\"$&-\-0->A-\[\]-~]", r"[!\"$&-.0->A-\[\]-~]"
_PLAIN = re.compile(rf"(?:{_REFERENCE}+\x1f){{3}}{_REFERENCE}*\x1f{_FIRST_OF_RATING_ID}{_OF_RATING_ID}*")
"""Therapist, client, session, case and rating id in ASCII without anything that ingest refuses."""
_FIELDS = frozenset(RatingBody.model_fields) - {"id", "scores"}


def broken_rule(rating: Rated) -> Reject | None:
    """Return the rejection of a rating that ingest would have refused; None for any other.

    Its marks are compared with the instrument elsewhere. `accepted_at` stands for the time of the request.
    """
    if surely_valid(rating):
        return None
    violations = _violations(rating)
    if not violations:
        return None
    # Without the values, and without what is expected: the detail is published.
    detail = "; ".join(f"{_name(each.field)} {each.message}" for each in violations)
    return Reject(RejectionReason.INVALID, detail)


def surely_valid(rating: Rated) -> bool:
    """Return whether a rating keeps every rule; False when only the full check can tell.

    It takes a sixth of the full check's time, and nearly all ratings need no more.
    """
    soon = rating.accepted_at + AHEAD
    marks = (rating.items is not None) + (rating.scores is not None) + (rating.total is not None)
    return (
        marks == (rating.status is Status.RATED)
        and rating.session_at <= soon
        and (rating.recorded_at is None or rating.recorded_at <= soon)
        and (rating.next_session_at is None or rating.next_session_at <= rating.accepted_at + NEXT_AHEAD)
        and len(rating.instrument) <= 64
        and _PLAIN.fullmatch(
            f"{rating.therapist_id}\x1f{rating.client_id}\x1f{rating.session_id}\x1f{rating.case_id}"
            f"\x1f{rating.rating_id}"
        )
        is not None
    )


def _violations(rating: Rated) -> Sequence[Violation]:
    fields = {name: getattr(rating, name) for name in _FIELDS}
    scores = rating.scores
    sent = scores and {"bond": scores.bond, "goal": scores.goal, "task": scores.task}
    try:
        body = RatingBody.model_validate({**fields, "id": rating.rating_id, "scores": sent})
    except ValidationError as error:
        return violations_of(error, rating_message)
    return check_times(body, rating.accepted_at)


def _name(field: str) -> str:
    return {"id": "rating_id", "body": "the rating"}.get(field, field)
