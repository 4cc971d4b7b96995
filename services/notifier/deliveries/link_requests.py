"""Takes requests for sign-in links, and mails links to those whose address is in the directory.

The browser's answer comes before anybody is looked for: it takes the same time for every address.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from psycopg_pool import AsyncConnectionPool

from services.notifier.channels.channel import Channel, Purpose
from services.notifier.directory.store import Connection, find_by_address, find_therapist
from services.notifier.domain.delivery import DeliveryState
from services.notifier.domain.therapist import Therapist
from services.notifier.inbox.items import has_item
from services.notifier.sign_in import find_link
from services.runtime.outbox.erasures import pass_gate
from services.runtime.process.clock import Clock

Defer = Callable[[Connection, Sequence[UUID]], Awaitable[None]]
"""Queues a job for each delivery, in the connection's open transaction."""

LINKS_AT_ONCE = 3
"""Number of links that were asked for and still work, for one therapist, beyond which no other is mailed.

Whoever asks in a therapist's name cannot lock them out: at the limit their mailbox holds links that work.
"""

_MOST_PER_ADDRESS = 5
"""The most therapists who are mailed a link at one address: one mailbox may serve several practices."""


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """What a browser sent that asked for a link: an address, or one of our links, whose address is taken."""

    address: str = field(default="", repr=False)
    link_id: UUID | None = None
    episode_id: UUID | None = None
    """The item that the new link is to lead to; None for the list."""


async def store_link_request(conn: Connection, asked: LinkRequest, now: datetime) -> UUID:
    """Store a request and return its id; nothing depends on whether the address is known."""
    request_id = uuid4()
    await conn.execute(
        "INSERT INTO notifier.link_request (request_id, asked_at, address, link_id, episode_id)"
        " VALUES (%s, %s, %s, %s, %s)",
        (request_id, now, asked.address, asked.link_id, asked.episode_id),
    )
    return request_id


class LinkRequestAnswerer:
    """The function that the worker calls with each request."""

    def __init__(
        self, pool: AsyncConnectionPool[Connection], clock: Clock, defer: Defer, valid: timedelta
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._defer = defer
        self._valid = valid

    async def __call__(self, request_id: UUID) -> None:
        """Queue the mails that were asked for, and delete the request, in one transaction."""
        async with self._pool.connection() as conn:
            deliveries = await answer_link_request(conn, request_id, self._clock.now(), self._valid)
            await self._defer(conn, deliveries)


async def answer_link_request(
    conn: Connection, request_id: UUID, now: datetime, valid: timedelta
) -> list[UUID]:
    """Create the deliveries that mail what was asked for, and delete the request.

    Requests that nobody answered while a link would have worked are deleted as well.
    """
    await pass_gate(conn)
    await conn.execute("DELETE FROM notifier.link_request WHERE asked_at <= %s", (now - valid,))
    row = await (
        await conn.execute(
            "DELETE FROM notifier.link_request WHERE request_id = %s RETURNING address, link_id, episode_id",
            (request_id,),
        )
    ).fetchone()
    if row is None:
        return []
    asked = LinkRequest(*row)
    therapists, episode = await _find(conn, asked, now)
    deliveries = []
    for therapist in therapists:
        target = episode if await _is_own(conn, therapist, episode) else None
        deliveries.append(await _request_link(conn, therapist, now, valid, target))
    return [one for one in deliveries if one is not None]


async def _find(conn: Connection, asked: LinkRequest, now: datetime) -> tuple[list[Therapist], UUID | None]:
    if asked.link_id is None:
        return await find_by_address(conn, asked.address, _MOST_PER_ADDRESS), asked.episode_id
    link = await find_link(conn, asked.link_id, now)
    therapist = link and await find_therapist(conn, link.practice_id, link.therapist_id)
    return ([therapist], link.episode_id) if link and therapist else ([], None)


async def _is_own(conn: Connection, therapist: Therapist, episode: UUID | None) -> bool:
    return episode is not None and await has_item(
        conn, therapist.practice_id, therapist.therapist_id, episode
    )


async def _request_link(
    conn: Connection, therapist: Therapist, now: datetime, valid: timedelta, episode_id: UUID | None
) -> UUID | None:
    """Create a delivery that mails a sign-in link; None while enough links work that were asked for."""
    key = (therapist.practice_id, therapist.therapist_id)
    await conn.execute(
        "SELECT FROM notifier.therapist WHERE practice_id = %s AND therapist_id = %s FOR UPDATE", key
    )
    row = await (
        await conn.execute(
            "SELECT count(*) FROM notifier.delivery d WHERE practice_id = %s AND therapist_id = %s"
            " AND purpose = %s AND state <> %s AND give_up_at > %s AND NOT EXISTS"
            " (SELECT FROM notifier.sign_in_link l WHERE l.practice_id = d.practice_id"
            " AND l.therapist_id = d.therapist_id AND l.delivery_id = d.delivery_id"
            " AND l.used_at IS NOT NULL)",
            (*key, Purpose.SIGN_IN.value, DeliveryState.CANCELLED.value, now),
        )
    ).fetchone()
    if row is None or row[0] >= LINKS_AT_ONCE:
        return None
    delivery_id = uuid4()
    await conn.execute(
        "INSERT INTO notifier.delivery (delivery_id, purpose, practice_id, therapist_id, episode_id, channel,"
        " state, created_at, due_at, give_up_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            delivery_id,
            Purpose.SIGN_IN.value,
            *key,
            episode_id,
            Channel.EMAIL.value,
            DeliveryState.PENDING.value,
            now,
            now,
            now + valid,
        ),
    )
    return delivery_id
