"""Takes a bundle through the pipeline, and answers with a bundle of one entry for each of its entries."""

from collections.abc import Sequence
from typing import Any

import msgspec

from schemas.fhir.bundle import OpenedBundle, open_bundle
from schemas.fhir.response_rating import ROOT
from schemas.topics import Topic
from schemas.validation_errors import InvalidInput, Violation
from services.ingest.batch_response import GROUP_LINES
from services.ingest.ndjson import BodyLine
from services.ingest.pipeline import FHIR_CHECK, FHIR_STORE, run
from services.ingest.request_batch import Caller, IngestContext, RatingAttempt, RequestBatch
from services.ingest.stages.respond import count, count_dry_run
from services.ingest.stages.respond_outcome import (
    accepted_entry,
    only_read_entry,
    placed_problem,
    valid_entry,
)
from services.ingest.stages.validate import refusal_of
from services.runtime.http.problem import FieldError, Problem

TRANSACTION = "transaction"


async def process_bundle(
    context: IngestContext, caller: Caller, body: bytes, topic: Topic, *, dry_run: bool
) -> bytes:
    """Take the responses of a bundle through the stages; return the bundle that answers it.

    A transaction is published only when every entry is valid. Where Kafka acknowledges only a part of it, the
    whole is to be sent again: what is stored already counts once.

    Raises:
        Problem: the bundle is refused as a whole.
    """
    try:
        opened = open_bundle(body)
    except InvalidInput as invalid:
        raise refusal_of(invalid.violations).problem() from None
    most = context.settings.max_batch_lines
    if len(opened.entries) > most:
        fault = Violation("Bundle.entry", "has too many entries", f"at most {most}; send the rest in another")
        raise refusal_of([fault]).problem()
    groups = [RequestBatch(caller, attempts, topic=topic, along=opened.along) for attempts in _groups(opened)]
    if opened.type == TRANSACTION:
        await _run_all(context, groups, dry_run=dry_run)
    else:
        for group in groups:
            await run(FHIR_CHECK, context, group)
            await _store(context, [group], dry_run=dry_run)
    return _answer(context, opened, groups, dry_run=dry_run)


async def _run_all(context: IngestContext, groups: Sequence[RequestBatch], *, dry_run: bool) -> None:
    for group in groups:
        await run(FHIR_CHECK, context, group)
    _refuse_whole(context, groups, dry_run=dry_run)
    await _store(context, groups, dry_run=dry_run)
    _refuse_whole(context, groups, dry_run=True)


async def _store(context: IngestContext, groups: Sequence[RequestBatch], *, dry_run: bool) -> None:
    for group in groups:
        if dry_run:
            count_dry_run(context, group)
        else:
            await run(FHIR_STORE, context, group)
            count(context, group)


def _refuse_whole(context: IngestContext, groups: Sequence[RequestBatch], *, dry_run: bool) -> None:
    """Refuse a transaction of which an entry is refused.

    Raises:
        Problem: one was.
    """
    refused = [attempt for group in groups for attempt in group.attempts if attempt.refusal is not None]
    if not refused:
        return
    if not dry_run:
        for group in groups:
            count(context, group, only_refused=True)
    first = placed_problem(refused[0])
    errors = [
        FieldError(_in_bundle(attempt, error.field), error.message, error.expected)
        for attempt in refused
        for error in placed_problem(attempt).errors
    ]
    detail = f"Nothing of this transaction takes effect as it was sent. {first.detail}"
    raise Problem(first.status, first.title, detail, type_=first.type, errors=errors, headers=first.headers)


def _in_bundle(attempt: RatingAttempt, field: str) -> str:
    _, is_of_response, element = field.partition(f"{ROOT}.")
    return f"Bundle.entry[{attempt.line.number}].resource.{element}" if is_of_response else field


def _groups(opened: OpenedBundle) -> list[list[RatingAttempt]]:
    attempts = [
        RatingAttempt(
            BodyLine(entry.number, bytes(entry.resource)),
            refusal=refusal_of(entry.violations) if entry.violations else None,
        )
        for entry in opened.entries
        if entry.is_response or entry.violations
    ]
    return [attempts[start : start + GROUP_LINES] for start in range(0, len(attempts), GROUP_LINES)]


def _answer(
    context: IngestContext, opened: OpenedBundle, groups: Sequence[RequestBatch], *, dry_run: bool
) -> bytes:
    entry_of = valid_entry if dry_run else accepted_entry
    answered = {
        attempt.line.number: entry_of(context, attempt) for group in groups for attempt in group.attempts
    }
    kind = "transaction-response" if opened.type == TRANSACTION else "batch-response"
    answer: dict[str, Any] = {"resourceType": "Bundle", "type": kind}
    if opened.entries:
        answer["entry"] = [answered.get(each.number) or only_read_entry() for each in opened.entries]
    return msgspec.json.encode(answer)
