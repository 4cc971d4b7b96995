"""Serves /settings: a therapist's own language, and whether and when mail comes."""

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from schemas.wording.wording import LANGUAGES
from services.notifier.channels.channel import Channel, MailTiming
from services.notifier.deliveries.mail_plans import lock_therapists, plan_mails
from services.notifier.directory.store import PracticeOptions, find_practice, put_own_settings
from services.notifier.domain.mail_plan import MailHours
from services.notifier.domain.therapist import OwnSettings, Therapist
from services.notifier.inbox.audit_log import AuditAction
from services.notifier.web.page_context import PageContext
from services.notifier.web.security import FormText, is_valid_form

LONGEST_PAUSE = timedelta(days=366)
"""A longer one is a mistake, or means that mail is to be switched off."""


def settings_router(context: PageContext) -> APIRouter:
    """Return the routes of the page of settings, behind the sign-in."""
    router = APIRouter(include_in_schema=False)

    @router.get("/settings")
    async def show(request: Request, saved: Annotated[str, Query(max_length=5)] = "") -> Response:
        return await _settings_page(context, request, saved=bool(saved))

    @router.post("/settings")
    async def save(
        request: Request,
        *,
        csrf: FormText = "",
        language: FormText = "",
        mail: FormText = "",
        timing: FormText = "",
        hour: FormText = "",
        paused_until: FormText = "",
    ) -> Response:
        pages, now = context.pages, context.clock.now()
        async with context.pool.connection() as conn:
            visitor = await context.signed_in(request, conn)
            if visitor is None:
                return pages.redirect("/sign-in")
            session, therapist = visitor
            wording = pages.wording(request, therapist)
            if not is_valid_form(request, session, csrf):
                return pages.render_bad_form(wording, session)
            today = now.astimezone(therapist.zone).date()
            sent = {"language": language, "mail": mail, "timing": timing, "hour": hour}
            practice = await find_practice(conn, session.practice_id)
            own = read_own_settings(sent, paused_until, today, practice.mail_hours)
            if own is not None:
                key = (therapist.practice_id, therapist.therapist_id)
                await lock_therapists(conn, [key])
                await put_own_settings(conn, therapist, own, now)
                await plan_mails(conn, *key, now)
                await context.log(conn, session, AuditAction.SETTINGS_CHANGED)
        if own is None:
            return await _settings_page(context, request, wrong=True)
        return pages.redirect("/settings?saved=1")

    return router


def read_own_settings(
    sent: dict[str, str], paused_until: str, today: date, hours: MailHours
) -> OwnSettings | None:
    """Return the settings in a form that was sent; None when a value is none of those offered.

    `hours` are the practice's. A pause that ends today or earlier is none.
    """
    try:
        until = date.fromisoformat(paused_until) if paused_until else today
        timing = MailTiming(sent["timing"]) if sent["timing"] else None
        hour = int(sent["hour"]) if sent["hour"] else None
    except ValueError:
        return None
    language = sent["language"] or None
    offered = (
        language in {None, *LANGUAGES} and sent["mail"] in {"on", "off"} and hour in {None, *hours.offered}
    )
    if not offered or until > today + LONGEST_PAUSE:
        return None
    return OwnSettings(language, sent["mail"] == "on", timing, hour, until if until > today else None)


async def _settings_page(
    context: PageContext, request: Request, *, saved: bool = False, wrong: bool = False
) -> Response:
    async with context.pool.connection() as conn:
        visitor = await context.signed_in(request, conn)
        if visitor is None:
            return context.pages.redirect("/sign-in")
        session, therapist = visitor
        practice = await find_practice(conn, session.practice_id)
    today = context.clock.now().astimezone(therapist.zone).date()
    paused = therapist.own.paused_until
    return context.pages.render(
        "settings.html",
        context.pages.wording(request, therapist),
        status=422 if wrong else 200,
        session=session,
        own=therapist.own,
        paused_until=paused if paused is not None and paused > today else None,
        earliest=today + timedelta(days=1),
        latest=today + LONGEST_PAUSE,
        of_practice=therapist.mail_timing or practice.mail_timing,
        is_mailed=_is_mailed(therapist, practice),
        languages=LANGUAGES,
        timings=list(MailTiming),
        practice_hours=practice.mail_hours,
        zone=therapist.time_zone,
        saved=saved,
        wrong=wrong,
    )


def _is_mailed(therapist: Therapist, practice: PracticeOptions) -> bool:
    """Return whether mail about items comes unless the therapist switches it off."""
    chosen = Channel.EMAIL in therapist.channels and therapist.reachable_by(Channel.EMAIL)
    return chosen and practice.messages_on and not therapist.quiet
