"""Last stage, for FHIR: words what became of each response, as OperationOutcomes and entries of a bundle."""

from typing import Any

import msgspec

from services.ingest.refusal import SEND_AGAIN
from services.ingest.request_batch import IngestContext, RatingAttempt, RequestBatch
from services.ingest.stages.respond import count, count_dry_run, status_url
from services.runtime.http.operation_outcome import information, outcome_of, status_line
from services.runtime.http.problem import FieldError, Problem

ACCEPTED = "Stored durably as a rating. Ask for its assessment at the address in Location, with this key."
VALID = "Valid: without dry_run it would be stored. Nothing was stored now."
ONLY_READ = "Read for what responses in this bundle refer to. It is not stored."


async def respond_outcome(context: IngestContext, batch: RequestBatch) -> None:
    """For a single response: an OperationOutcome; `location` leads to the rating.

    Raises:
        Problem: it was refused.
    """
    (attempt,) = batch.attempts
    count(context, batch)
    if attempt.refusal is not None:
        raise placed_problem(attempt)
    batch.location = status_url(context, attempt)
    batch.response_body = msgspec.json.encode(information(ACCEPTED))


async def respond_valid(context: IngestContext, batch: RequestBatch) -> None:
    """For a dry run of a single response: an OperationOutcome.

    Raises:
        Problem: it would be refused.
    """
    (attempt,) = batch.attempts
    count_dry_run(context, batch)
    if attempt.refusal is not None:
        raise placed_problem(attempt)
    batch.response_body = msgspec.json.encode(information(VALID))


def accepted_entry(context: IngestContext, attempt: RatingAttempt) -> dict[str, Any]:
    """Return the entry of a response that is stored, or the reason why it is not."""
    if attempt.refusal is not None:
        return _refused_entry(attempt)
    return {
        "response": {
            "status": status_line(202),
            "location": status_url(context, attempt),
            "outcome": information(ACCEPTED),
        }
    }


def valid_entry(_context: IngestContext, attempt: RatingAttempt) -> dict[str, Any]:
    """Return the entry of a response that would be stored, or the reason why it would not be."""
    if attempt.refusal is not None:
        return _refused_entry(attempt)
    return {"response": {"status": status_line(200), "outcome": information(VALID)}}


def only_read_entry() -> dict[str, Any]:
    """Return the entry of another resource."""
    return {"response": {"status": status_line(200), "outcome": information(ONLY_READ)}}


def placed_problem(attempt: RatingAttempt) -> Problem:
    """Return the refusal of a response; its errors name the elements that were sent."""
    if attempt.refusal is None:
        raise AssertionError("the response was not refused")
    problem = attempt.refusal.problem()
    problem.errors = tuple(_placed(attempt, error) for error in problem.errors)
    return problem


def _refused_entry(attempt: RatingAttempt) -> dict[str, Any]:
    problem = placed_problem(attempt)
    outcome = outcome_of(problem)
    if attempt.refusal is not None and attempt.refusal.reason in SEND_AGAIN:
        outcome["issue"][0]["details"]["text"] += f" Wait {attempt.refusal.retry_after} s before."
    return {"response": {"status": status_line(problem.status), "outcome": outcome}}


def _placed(attempt: RatingAttempt, error: FieldError) -> FieldError:
    if attempt.meaning is None:
        return error
    place, message = attempt.meaning.placed(error.field, error.message)
    return FieldError(place, message, error.expected)
