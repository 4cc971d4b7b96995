"""Serves /v1/notifications and /v1/balance: what was sent or held back, why, and each message's state."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

from services.notifier.channels.channel import OUTGOING, Channel
from services.notifier.directory.store import Connection
from services.notifier.domain.decision import NOTIFYING_REASONS, DecisionOutcome, DecisionReason
from services.notifier.domain.delivery import DeliveryState
from services.notifier.domain.mail_plan import DueReason
from services.notifier.inbox.audit_log import log_decisions_read
from services.runtime.http import paging
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.tenant_auth import KeyId, Tenant, tenant_router
from services.runtime.outbox import pages
from services.runtime.postgres.tenant_guard import act_for, connection_for
from services.runtime.process.clock import Clock

SCOPE = "results:read"


class Notification(BaseModel):
    """The decision about one change on one channel. `state` and `sent_at` are current."""

    episode_id: UUID
    revision: int
    change: str
    channel: Channel
    outcome: DecisionOutcome
    reason: DecisionReason
    state: DeliveryState | None
    """State of the message; None when it was held back."""
    accepted_at: datetime
    """Time at which the rating that caused the change was accepted."""
    decided_at: datetime
    sent_at: datetime | None
    due_at: datetime | None
    """Time from which the message is sent, as planned so far; None when it was held back."""
    due_reason: DueReason | None
    """Why it is due then."""


class NotificationPage(BaseModel):
    """A page of decisions, oldest first; pass `next` as `after` to get the following page."""

    notifications: list[Notification]
    next: str | None
    """None when the page is empty; ask again later with the same `after`."""


class MessageBalance(BaseModel):
    """Counts of what happened to every change of this practice's episodes."""

    messages: dict[Channel, dict[DeliveryState, int]]
    kept_back: dict[DecisionReason, int]
    """Changes that were held back from every channel, by reason."""
    not_sent: dict[Channel, dict[DecisionReason, int]]
    """Changes that were held back from a channel, by reason."""


def notification_router(
    pool: AsyncConnectionPool[Connection], credentials: CredentialStore, clock: Clock
) -> APIRouter:
    """Return the routes for decisions and their counts."""
    router = tenant_router(credentials, SCOPE, prefix="/v1", tag="notifications")

    @router.get("/notifications")
    async def notifications(
        practice: Tenant,
        key_id: KeyId,
        after: Annotated[str | None, Query(max_length=100)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> NotificationPage:
        """List the decisions in the order in which they were made; no page skips one that commits later."""
        start = paging.decode_cursor(after)
        async with connection_for(pool, practice) as conn:
            position = await pages.page_parameters(conn, start, "notifier")
            rows = await conn.execute(
                f"""
                SELECT d.xid::text, d.seq, d.episode_id, d.revision, d.change, d.channel, d.outcome, d.reason,
                    d.accepted_at, d.decided_at, m.state, m.finished_at, m.due_at, m.due_reason
                FROM (SELECT * FROM notifier.decision AS p WHERE practice_id = %(practice)s
                    AND {pages.after("p")} ORDER BY {pages.order("p")} LIMIT %(limit)s) AS d
                LEFT JOIN notifier.delivery AS m ON m.practice_id = d.practice_id
                    AND m.episode_id = d.episode_id AND m.revision = d.revision AND m.channel = d.channel
                ORDER BY {pages.order("d")}
                """,
                {"practice": practice, "limit": limit, **position},
            )
            found = await rows.fetchall()
            if found:
                await log_decisions_read(conn, practice, key_id, {row[2] for row in found}, clock.now())
        last = paging.encode_cursor(paging.Cursor(int(found[-1][0]), found[-1][1])) if found else None
        return NotificationPage(notifications=[_notification(row[2:]) for row in found], next=last)

    @router.get("/balance")
    async def balance(practice: Tenant) -> MessageBalance:
        """Count the decisions: each change is sent or held back, and each message is in exactly one state."""
        async with pool.connection() as conn, conn.transaction():
            await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            await act_for(conn, practice)
            decided = await conn.execute(
                "SELECT channel, reason, count(*) FROM notifier.decision WHERE practice_id = %s"
                " GROUP BY 1, 2",
                (practice,),
            )
            decisions = [(Channel(a), DecisionReason(b), n) for a, b, n in await decided.fetchall()]
            delivered = await conn.execute(
                "SELECT channel, state, count(*) FROM notifier.delivery WHERE practice_id = %s"
                " AND purpose = 'episode' GROUP BY 1, 2",
                (practice,),
            )
            states = {(Channel(a), DeliveryState(b)): n for a, b, n in await delivered.fetchall()}
        return _balance(decisions, states)

    return router


def _notification(row: Sequence[Any]) -> Notification:
    (episode, revision, change, channel, outcome, reason, accepted_at, decided_at) = row[:8]
    state, finished_at, due_at, due_reason = row[8:]
    shown_in_inbox = channel == Channel.INBOX.value and outcome == DecisionOutcome.TOLD.value
    reached = DeliveryState.SENT if shown_in_inbox else DeliveryState(state) if state else None
    return Notification(
        episode_id=episode,
        revision=revision,
        change=change,
        channel=Channel(channel),
        outcome=DecisionOutcome(outcome),
        reason=DecisionReason(reason),
        state=reached,
        accepted_at=accepted_at,
        decided_at=decided_at,
        sent_at=decided_at if shown_in_inbox else finished_at if reached is DeliveryState.SENT else None,
        due_at=due_at,
        due_reason=None if due_reason is None else DueReason(due_reason),
    )


def _balance(
    decisions: list[tuple[Channel, DecisionReason, int]], states: dict[tuple[Channel, DeliveryState], int]
) -> MessageBalance:
    inbox = sum(
        n for channel, reason, n in decisions if channel is Channel.INBOX and reason in NOTIFYING_REASONS
    )
    held = [(channel, reason, n) for channel, reason, n in decisions if reason not in NOTIFYING_REASONS]
    return MessageBalance(
        messages={
            Channel.INBOX: {DeliveryState.SENT: inbox},
            **{one: {state: states.get((one, state), 0) for state in DeliveryState} for one in OUTGOING},
        },
        kept_back={reason: n for channel, reason, n in held if channel is Channel.INBOX},
        not_sent={one: {reason: n for channel, reason, n in held if channel is one} for one in OUTGOING},
    )
