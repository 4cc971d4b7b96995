"""Holds what the pages use: who is signed in, and templates that load nothing from other sites."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from psycopg_pool import AsyncConnectionPool

from schemas.instruments.catalogue import Catalogue
from schemas.wording.guidance.guidance import Guidance
from schemas.wording.wording import Wording
from services.notifier.directory.store import Connection, find_therapist
from services.notifier.domain.therapist import Therapist
from services.notifier.inbox.audit_log import AuditAction, write_audit_row
from services.notifier.inbox.record_response import Transact
from services.notifier.metrics import NotifierMetrics
from services.notifier.openid.pending_sign_in import PendingSigner
from services.notifier.openid.provider import OpenIdProvider
from services.notifier.settings import WebSettings
from services.notifier.sign_in import LinkSigner, SessionLimits, SignInSession, find_session
from services.notifier.web.security import COOKIE, parse_uuid
from services.notifier.wording import Wordings
from services.runtime.process.clock import Clock
from services.runtime.process.sandbox import is_sandbox


class PageRenderer:
    """Renders pages for one public address, in all languages."""

    def __init__(self, settings: WebSettings, wordings: Wordings) -> None:
        self.wordings = wordings
        self.base = urlsplit(settings.public_url).path
        self._environment = Environment(
            loader=PackageLoader("services.notifier.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def wording(self, request: Request, therapist: Therapist | None = None) -> Wording:
        """Return the wording for a therapist, or for a browser that nobody has signed in with."""
        if therapist is not None:
            return self.wordings.of(therapist.reading_locale)
        return self.wordings.best(request.headers.get("accept-language", ""))

    def render(
        self,
        template: str,
        wording: Wording,
        *,
        status: int = 200,
        session: SignInSession | None = None,
        practice: str | None = None,
        **values: object,
    ) -> HTMLResponse:
        """Return a page; `practice` says whose data it shows, where it has no session that does."""
        shown = session.practice_id if session is not None else practice
        text = self._environment.get_template(template).render(
            t=wording, base=self.base, session=session, sandbox=is_sandbox(shown or ""), **values
        )
        return HTMLResponse(text, status, headers={"Content-Language": wording.language})

    def render_message(
        self, wording: Wording, heading: str, text: str, *, status: int, session: SignInSession | None = None
    ) -> HTMLResponse:
        """Return a page with a heading and one paragraph."""
        return self.render(
            "message.html",
            wording,
            status=status,
            session=session,
            heading=wording(heading),
            text=wording(text),
        )

    def render_not_found(self, wording: Wording, session: SignInSession | None = None) -> HTMLResponse:
        """Return the page for an item that does not exist or belongs to somebody else; both look the same."""
        return self.render_message(
            wording, "error.not_found_title", "error.not_found", status=404, session=session
        )

    def render_bad_form(
        self, wording: Wording, session: SignInSession | None = None, *, status: int = 403
    ) -> HTMLResponse:
        """Return the page for a form that was not shown here to this session, or cannot be read."""
        return self.render_message(wording, "error.form_title", "error.form", status=status, session=session)

    def redirect(self, path: str) -> RedirectResponse:
        """Redirect to another page, which the browser then requests by GET."""
        return RedirectResponse(f"{self.base}{path}", 303)


@dataclass(frozen=True, slots=True)
class PageContext:
    """What the pages share."""

    pool: AsyncConnectionPool[Connection]
    pages: PageRenderer
    links: LinkSigner
    settings: WebSettings
    is_secure: bool
    """Whether the pages are served over TLS."""
    catalogue: Catalogue
    guidance: Guidance
    clock: Clock
    transact: Transact
    providers: Mapping[str, OpenIdProvider]
    """The identity providers of those practices that have one."""
    pending_sign_ins: PendingSigner
    defer_link_request: Callable[[Connection, UUID], Awaitable[None]]
    metrics: NotifierMetrics

    @property
    def session_limits(self) -> SessionLimits:
        """How long sessions last."""
        return SessionLimits(
            lasts=timedelta(hours=self.settings.session_hours),
            idle=timedelta(minutes=self.settings.session_idle_minutes),
        )

    def set_session_cookie(self, response: Response, cookie: str) -> None:
        """Give the browser the cookie of a session that has started."""
        response.set_cookie(
            COOKIE,
            cookie,
            max_age=int(self.session_limits.lasts.total_seconds()),
            path=self.pages.base or "/",
            httponly=True,
            samesite="lax",
            secure=self.is_secure,
        )

    async def signed_in(self, request: Request, conn: Connection) -> tuple[SignInSession, Therapist] | None:
        """Return who is signed in; None for nobody, or for a therapist who has since left the directory.

        From here to its end, the open transaction of `conn` sees the rows of the therapist's practice.
        """
        cookie = request.cookies.get(COOKIE)
        session = await find_session(conn, cookie, self.links, self.clock.now(), self.session_limits)
        if session is None:
            return None
        request.state.tenant = session.practice_id
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
