"""Stores a therapist's answer and publishes its `TherapistResponded` event, in one transaction."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from schemas.envelope import HEADERS, TherapistRespondedEvent, encode, envelope_fields
from schemas.events import Answer, TherapistResponded
from schemas.ids import EpisodeId, response_event_id
from schemas.topics import THERAPIST_RESPONDED
from services.notifier.inbox.audit_log import AuditAction, write_audit_row
from services.notifier.sign_in import SignInSession
from services.runtime.kafka.record import Outgoing
from services.runtime.outbox.transaction import Transaction

Transact = Callable[[Callable[[Transaction], Awaitable[None]]], Awaitable[None]]
"""Runs a function in a transaction whose outbox is published, as `BatchConsumer.transact` does."""


class ItemNotFoundError(Exception):
    """The therapist has no such item."""


async def record_response(transact: Transact, session: SignInSession, episode: UUID, answer: Answer) -> bool:
    """Store an answer and publish it; return False, and change nothing, when it is already current.

    Raises:
        NoSuchItem: the item is not this therapist's.
        Retry, psycopg.Error: it could not be stored now.
    """
    stored = False

    async def work(tx: Transaction) -> None:
        nonlocal stored
        stored = await _store(tx, session, episode, answer)

    await transact(work)
    return stored


async def _store(tx: Transaction, session: SignInSession, episode: UUID, answer: Answer) -> bool:
    row = await (
        await tx.conn.execute(
            "SELECT answer_revision, answer, client_id, case_id, partition, record_key FROM notifier.item"
            " WHERE episode_id = %s AND practice_id = %s AND therapist_id = %s FOR UPDATE",
            (episode, session.practice_id, session.therapist_id),
        )
    ).fetchone()
    if row is None:
        raise ItemNotFoundError
    revision, standing, client_id, case_id, partition, key = row
    new = None if answer is Answer.UNDONE else answer.value
    if new == standing:
        return False
    revision += 1
    await tx.conn.execute(
        "INSERT INTO notifier.answer (episode_id, answer_revision, answer, therapist_id, answered_at)"
        " VALUES (%s, %s, %s, %s, %s)",
        (episode, revision, answer.value, session.therapist_id, tx.now),
    )
    await tx.conn.execute(
        "UPDATE notifier.item SET answer_revision = %s, answer = %s, answered_at = %s WHERE episode_id = %s",
        (revision, new, None if new is None else tx.now, episode),
    )
    await write_audit_row(
        tx.conn,
        AuditAction.UNDONE if answer is Answer.UNDONE else AuditAction.ANSWERED,
        practice_id=session.practice_id,
        therapist_id=session.therapist_id,
        at=tx.now,
        episode_id=episode,
    )
    event = TherapistRespondedEvent.model_validate(
        {
            **envelope_fields(response_event_id(EpisodeId(episode), revision), "notifier", tx.now, key),
            "data": TherapistResponded(
                episode_id=episode,
                answer_revision=revision,
                answer=answer,
                practice_id=session.practice_id,
                therapist_id=session.therapist_id,
                client_id=client_id,
                case_id=case_id,
                responded_at=tx.now,
            ),
        }
    )
    # The detector expects it beside the dyad's ratings: with the same key and partition number.
    tx.publish(Outgoing(THERAPIST_RESPONDED.name, key, encode(event), partition, HEADERS))
    return True
