"""Sends samples to a practice's webhooks, and sends again what they were sent."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from services.notifier.channels.channel import (
    Channel,
    DeliveryReason,
    Message,
    NotWorthRetrying,
    Purpose,
    Recipient,
    SendResult,
    WorthRetrying,
)
from services.notifier.channels.webhook import Webhook, sample_body
from services.notifier.channels.webhook_contact import WebhookContact
from services.notifier.directory.store import Connection, find_therapists
from services.notifier.domain.delivery import DeliveryState
from services.notifier.domain.therapist import Therapist
from services.runtime.process.backoff import Backoff
from services.runtime.process.clock import Clock
from services.runtime.process.sandbox import is_sandbox

_TRIES = 3
"""How often a message is tried before its receiver is taken to be away."""
_THERAPISTS = """
SELECT practice_id, therapist_id FROM notifier.therapist
WHERE practice_id = %s AND (%s::text IS NULL OR therapist_id = %s) ORDER BY therapist_id
"""
_SENT = """
SELECT delivery_id, therapist_id, episode_id, change, created_at, finished_at FROM notifier.delivery
WHERE practice_id = %(practice)s AND channel = %(channel)s AND purpose = %(purpose)s AND state = %(sent)s
    AND finished_at >= %(since)s AND (%(therapist)s::text IS NULL OR therapist_id = %(therapist)s)
ORDER BY finished_at, delivery_id
"""


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """One receiver, with the therapists whose webhooks go there."""

    contact: WebhookContact
    therapists: Sequence[str]


@dataclass(frozen=True, slots=True)
class SentWebhook:
    """A webhook call that its receiver accepted."""

    delivery_id: UUID
    therapist_id: str
    episode_id: UUID
    change: str
    created_at: datetime
    sent_at: datetime


async def targets(conn: Connection, practice: str, therapist: str | None = None) -> list[WebhookTarget]:
    """Return the receivers of a practice, or of one therapist; each address with its secret once."""
    found: dict[WebhookContact, list[str]] = {}
    for one in await _directory(conn, practice, therapist):
        contact = one.contacts.get(Channel.WEBHOOK)
        if isinstance(contact, WebhookContact):
            found.setdefault(contact, []).append(one.therapist_id)
    return [WebhookTarget(contact, therapists) for contact, therapists in found.items()]


async def send_sample(webhook: Webhook, target: WebhookTarget, now: datetime) -> SendResult:
    """Send a signed message that says that it is a test, once and under an id of its own."""
    return await webhook.post(target.contact, uuid4(), sample_body(now), now)


async def sent_since(
    conn: Connection, practice: str, since: datetime, therapist: str | None = None
) -> list[SentWebhook]:
    """Return what the receivers of a practice, or of one therapist, have accepted since; oldest first."""
    values = {
        "practice": practice,
        "channel": Channel.WEBHOOK.value,
        "purpose": Purpose.EPISODE.value,
        "sent": DeliveryState.SENT.value,
        "since": since,
        "therapist": therapist,
    }
    return [SentWebhook(*row) for row in await (await conn.execute(_SENT, values)).fetchall()]


async def send_again(
    conn: Connection, webhook: Webhook, practice: str, sent: Sequence[SentWebhook], clock: Clock
) -> AsyncIterator[tuple[SentWebhook, SendResult]]:
    """Send these messages again, with the ids and bodies of the first time; yield what became of each.

    They go where the directory says now. No row changes: they stay sent. It ends after a message that its
    receiver did not take in several attempts: whatever follows would fail as well.
    """
    therapists = {one.therapist_id: one for one in await _directory(conn, practice, None)}
    for one in sent:
        result = await _attempt(webhook, one, therapists.get(one.therapist_id), clock)
        yield one, result
        if isinstance(result, WorthRetrying):
            return


async def _attempt(
    webhook: Webhook, sent: SentWebhook, therapist: Therapist | None, clock: Clock
) -> SendResult:
    if therapist is None:
        return NotWorthRetrying(DeliveryReason.NO_ADDRESS)
    back_off = Backoff(first_s=1.0)
    for attempt in range(1, _TRIES + 1):
        now = clock.now()
        contact = therapist.contacts.get(Channel.WEBHOOK)
        result = await webhook.send(
            Message(
                delivery_id=sent.delivery_id,
                purpose=Purpose.EPISODE,
                change=sent.change,
                episode_id=sent.episode_id,
                created_at=sent.created_at,
                attempted_at=now,
                recipient=Recipient(therapist.reading_locale, None, contact),
                link="",
                is_sandbox=is_sandbox(therapist.practice_id),
            )
        )
        if not isinstance(result, WorthRetrying) or attempt == _TRIES:
            return result
        await clock.sleep(max(result.after_s, back_off.next_s()))
    raise AssertionError("the last attempt returns")


async def _directory(conn: Connection, practice: str, therapist: str | None) -> list[Therapist]:
    rows = await conn.execute(_THERAPISTS, (practice, therapist, therapist))
    who = [(practice_id, therapist_id) for practice_id, therapist_id in await rows.fetchall()]
    found = await find_therapists(conn, who) if who else {}
    return [found[one] for one in who if one in found]
