"""Stores a therapist's answer and publishes its `TherapistResponded` event, in one transaction."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple
from uuid import UUID

from schemas.envelope import HEADERS, TherapistRespondedEvent, encode, envelope_fields
from schemas.events import Answer, TalkedAbout, TherapistResponded
from schemas.ids import EpisodeId, response_event_id
from schemas.topics import THERAPIST_RESPONDED
from services.notifier.inbox.audit_log import AuditAction, write_audit_row
from services.notifier.sign_in import SignInSession
from services.runtime.kafka.record import Outgoing
from services.runtime.outbox.transaction import Transaction
from services.runtime.postgres.tenant_guard import bound_to

Transact = Callable[[Callable[[Transaction], Awaitable[None]]], Awaitable[None]]
"""Runs a function in a transaction whose outbox is published, as `BatchConsumer.transact` does."""


class ItemNotFoundError(Exception):
    """The therapist has no such item."""


class _Item(NamedTuple):
    """The item's row, locked."""

    episode_id: UUID
    answer_revision: int
    answer: str | None
    topic: str | None
    client_id: str
    case_id: str
    partition: int
    record_key: bytes


async def record_response(transact: Transact, session: SignInSession, episode: UUID, answer: Answer) -> bool:
    """Store an answer and publish it; return False, and change nothing, when it is already current.

    A new answer has no topic yet.

    Raises:
        ItemNotFoundError: the item is not this therapist's.
        Retry, psycopg.Error: it could not be stored now.
    """
    stored = False

    async def work(tx: Transaction) -> None:
        nonlocal stored
        async with bound_to(tx.conn, "notifier", session.practice_id):
            item = await _lock(tx, session, episode)
            if (None if answer is Answer.UNDONE else answer.value) != item.answer:
                await _store(tx, session, item, answer, None)
                stored = True

    await transact(work)
    return stored


async def record_topic(
    transact: Transact, session: SignInSession, episode: UUID, topic: TalkedAbout | None
) -> bool:
    """Add to the standing answer what they talked about, or take that back, and publish the answer anew.

    Returns False, and changes nothing, when no answer stands or the topic is already current.

    Raises:
        ItemNotFoundError: the item is not this therapist's.
        Retry, psycopg.Error: it could not be stored now.
    """
    stored = False

    async def work(tx: Transaction) -> None:
        nonlocal stored
        async with bound_to(tx.conn, "notifier", session.practice_id):
            item = await _lock(tx, session, episode)
            if item.answer is not None and (None if topic is None else topic.value) != item.topic:
                await _store(tx, session, item, Answer(item.answer), topic)
                stored = True

    await transact(work)
    return stored


async def _lock(tx: Transaction, session: SignInSession, episode: UUID) -> _Item:
    row = await (
        await tx.conn.execute(
            "SELECT episode_id, answer_revision, answer, topic, client_id, case_id, partition, record_key"
            " FROM notifier.item WHERE episode_id = %s AND practice_id = %s AND therapist_id = %s FOR UPDATE",
            (episode, session.practice_id, session.therapist_id),
        )
    ).fetchone()
    if row is None:
        raise ItemNotFoundError
    return _Item(*row)


async def _store(
    tx: Transaction,
    session: SignInSession,
    item: _Item,
    answer: Answer,
    topic: TalkedAbout | None,
) -> None:
    revision = item.answer_revision + 1
    standing = None if answer is Answer.UNDONE else answer.value
    await tx.conn.execute(
        "INSERT INTO notifier.answer (practice_id, episode_id, answer_revision, answer, topic, therapist_id,"
        " answered_at) VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (
            session.practice_id,
            item.episode_id,
            revision,
            answer.value,
            topic,
            session.therapist_id,
            tx.now,
        ),
    )
    # An answer that gets a topic keeps its own time.
    await tx.conn.execute(
        "UPDATE notifier.item SET answer_revision = %s, answer = %s, topic = %s,"
        " answered_at = CASE WHEN answer = %s THEN answered_at ELSE %s END"
        " WHERE practice_id = %s AND episode_id = %s",
        (
            revision,
            standing,
            topic,
            standing,
            None if standing is None else tx.now,
            session.practice_id,
            item.episode_id,
        ),
    )
    await write_audit_row(
        tx.conn,
        AuditAction.UNDONE
        if standing is None
        else AuditAction.TALKED_ABOUT
        if standing == item.answer
        else AuditAction.ANSWERED,
        practice_id=session.practice_id,
        therapist_id=session.therapist_id,
        at=tx.now,
        episode_id=item.episode_id,
    )
    response = TherapistResponded(
        episode_id=item.episode_id,
        answer_revision=revision,
        answer=answer,
        topic=topic,
        practice_id=session.practice_id,
        therapist_id=session.therapist_id,
        client_id=item.client_id,
        case_id=item.case_id,
        responded_at=tx.now,
    )
    value = response_value(response, item.record_key)
    # The detector expects it beside the dyad's ratings: with the same key and partition number.
    tx.publish(Outgoing(THERAPIST_RESPONDED.name, item.record_key, value, item.partition, HEADERS))


def response_value(response: TherapistResponded, key: bytes) -> bytes:
    """Return the value of the record that announces an answer."""
    event_id = response_event_id(EpisodeId(response.episode_id), response.answer_revision)
    fields = envelope_fields(event_id, "notifier", response.responded_at, key)
    return encode(TherapistRespondedEvent.model_validate({**fields, "data": response}))
