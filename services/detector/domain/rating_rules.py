"""Checks a decoded rating by the rules that ingest applies to what is sent over HTTP.

What ingest accepted passes them. They are for ratings that another producer wrote straight into Kafka.
"""

from collections.abc import Sequence

from pydantic import ValidationError

from schemas.error_messages import rating_message
from schemas.rating import RatingBody, check_times
from schemas.validation_errors import Violation, violations_of
from services.detector.domain.outcomes import RejectionReason
from services.detector.received import Rated
from services.runtime.process.errors import Reject

_FIELDS = frozenset(RatingBody.model_fields) - {"id", "scores"}


def broken_rule(rating: Rated) -> Reject | None:
    """Return the rejection of a rating that ingest would have refused; None for any other.

    Its marks are compared with the instrument elsewhere. `accepted_at` stands for the time of the request.
    """
    violations = _violations(rating)
    if not violations:
        return None
    # Without the values, and without what is expected: the detail is published.
    detail = "; ".join(f"{_name(each.field)} {each.message}" for each in violations)
    return Reject(RejectionReason.INVALID, detail)


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
