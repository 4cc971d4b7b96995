"""Holds what the pages use, and finds out who is signed in."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from psycopg_pool import AsyncConnectionPool

from schemas.instruments.catalogue import Catalogue
from schemas.wording.guidance.guidance import Guidance
from services.notifier.directory.store import Connection, find_therapist
from services.notifier.domain.therapist import Therapist
from services.notifier.inbox.audit_log import AuditAction, write_audit_row
from services.notifier.inbox.record_response import Transact
from services.notifier.metrics import NotifierMetrics
from services.notifier.settings import WebSettings
from services.notifier.sign_in import LinkSigner, SessionLimits, SignInSession, find_session
from services.notifier.web.rendering import PageRenderer
from services.notifier.web.security import COOKIE, parse_uuid
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

    @property
    def session_limits(self) -> SessionLimits:
        """How long sessions last."""
        return SessionLimits(
            lasts=timedelta(hours=self.settings.session_hours),
            idle=timedelta(minutes=self.settings.session_idle_minutes),
        )

    async def signed_in(self, request: Request, conn: Connection) -> tuple[SignInSession, Therapist] | None:
        """Return who is signed in; None for nobody, or for a therapist who has since left the directory."""
        cookie = request.cookies.get(COOKIE)
        session = await find_session(conn, cookie, self.links, self.clock.now(), self.session_limits)
        if session is None:
            return None
        therapist = await find_therapist(conn, session.practice_id, session.therapist_id)
        return None if therapist is None else (session, therapist)

    async def log(
        self, conn: Connection, session: SignInSession, action: AuditAction, episode: UUID | None = None
    ) -> None:
        """Log what the therapist did, in the open transaction of `conn`."""
        await write_audit_row(
            conn,
            action,
            practice_id=session.practice_id,
            therapist_id=session.therapist_id,
            at=self.clock.now(),
            episode_id=episode,
        )

    def to_sign_in(self, item: str) -> Response:
        """Lead to the sign-in, whose link then leads to the item that was asked for."""
        episode = parse_uuid(item)
        return self.pages.redirect(f"/sign-in?item={episode}" if episode else "/sign-in")
