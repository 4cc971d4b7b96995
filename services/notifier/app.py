"""Builds the notifier's web application: pages, API and health checks."""

from fastapi import FastAPI, Request
from fastapi.responses import Response

from services.notifier.api.cds_hooks import card_router, discovery_router
from services.notifier.api.communications import CAPABILITIES, communication_router
from services.notifier.api.next_sessions import next_session_router
from services.notifier.api.notifications import notification_router
from services.notifier.api.therapists import therapist_router
from services.notifier.channels.channel import ChannelSettings
from services.notifier.web.assets import asset_router
from services.notifier.web.caseload_pages import caseload_router
from services.notifier.web.guide_pages import guide_router
from services.notifier.web.item_pages import item_router
from services.notifier.web.list_pages import list_router
from services.notifier.web.missing_pages import answer_with_pages, is_for_programs
from services.notifier.web.openid_pages import openid_router
from services.notifier.web.page_context import PageContext
from services.notifier.web.security import SecurityHeaders
from services.notifier.web.session_pages import session_router
from services.notifier.web.settings_pages import settings_router
from services.notifier.web.share_pages import share_router
from services.notifier.web.sign_in_pages import sign_in_router
from services.notifier.web.together_pages import together_router
from services.runtime.http import error_responses
from services.runtime.http.capability import capability_router
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.database_away import respond_while_database_away, unavailable_problem
from services.runtime.http.health import Health, health_router

TITLE = "Rapport: notifier"
VERSION = "1"


def build_app(
    context: PageContext,
    credentials: CredentialStore,
    channel_settings: ChannelSettings,
    health: Health,
) -> FastAPI:
    """Return the application; nothing is connected yet."""
    # The document is on the management port; FastAPI's page for it loads scripts from other hosts.
    app = FastAPI(
        title=TITLE,
        version=VERSION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    error_responses.install(app)
    answer_with_pages(app, context.pages)
    app.include_router(health_router(health))
    app.include_router(therapist_router(context.pool, credentials, channel_settings, context.clock))
    app.include_router(next_session_router(context.pool, credentials, context.clock))
    app.include_router(notification_router(context.pool, credentials, context.clock))
    app.include_router(communication_router(context.pool, credentials, context.clock))
    app.include_router(capability_router(CAPABILITIES))
    app.include_router(discovery_router())
    app.include_router(
        card_router(
            context.pool, credentials, context.links.item_url, context.pages.wordings.of, context.clock
        )
    )
    app.include_router(asset_router())
    app.include_router(sign_in_router(context))
    app.include_router(openid_router(context))
    app.include_router(list_router(context))
    app.include_router(settings_router(context))
    app.include_router(item_router(context))
    app.include_router(guide_router(context))
    app.include_router(caseload_router(context))
    app.include_router(session_router(context))
    app.include_router(together_router(context))
    app.include_router(share_router(context))
    app.add_middleware(SecurityHeaders)

    def unavailable(request: Request, error: Exception) -> Response:
        if is_for_programs(request):
            return unavailable_problem(request, error)
        wording = context.pages.wording(request)
        return context.pages.render_message(wording, "error.busy_title", "error.busy", status=503)

    respond_while_database_away(app, unavailable)
    return app
