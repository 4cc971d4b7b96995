"""Holds what the pages use, and finds out who is signed in."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from fastapi import Request
from psycopg_pool import AsyncConnectionPool

from schemas.instruments.catalogue import Catalogue
from schemas.wording.guidance.guidance import Guidance
from services.notifier.directory.store import Connection, find_therapist
from services.notifier.domain.therapist import Therapist
from services.notifier.inbox.record_response import Transact
from services.notifier.metrics import NotifierMetrics
from services.notifier.settings import WebSettings
from services.notifier.sign_in import LinkSigner, SignInSession, find_session
from services.notifier.web.rendering import PageRenderer
from services.notifier.web.security import COOKIE
from services.runtime.process.clock import Clock


@dataclass(frozen=True, slots=True)
class PageContext:
    """What the pages share."""

    pool: AsyncConnectionPool[Connection]
    pages: PageRenderer
    links: LinkSigner
    settings: WebSettings
    catalogue: Catalogue
    guidance: Guidance
    clock: Clock
    transact: Transact
    defer: Callable[[Connection, Sequence[UUID]], Awaitable[None]]
    metrics: NotifierMetrics

    async def signed_in(self, request: Request, conn: Connection) -> tuple[SignInSession, Therapist] | None:
        """Return who is signed in; None for nobody, or for a therapist who has since left the directory."""
        cookie = request.cookies.get(COOKIE)
        session = await find_session(conn, cookie, self.links, self.clock.now())
        if session is None:
            return None
        therapist = await find_therapist(conn, session.practice_id, session.therapist_id)
        return None if therapist is None else (session, therapist)
