"""Renders templates into HTML pages that load nothing from other sites."""

from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from schemas.wording.wording import Wording
from services.notifier.domain.therapist import Therapist
from services.notifier.settings import WebSettings
from services.notifier.sign_in import SignInSession
from services.notifier.wording import Wordings


class PageRenderer:
    """Renders pages for one public address, in all languages."""

    def __init__(self, settings: WebSettings, wordings: Wordings) -> None:
        self._wordings = wordings
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
            return self._wordings.of(therapist.reading_locale)
        return self._wordings.best(request.headers.get("accept-language", ""))

    def render(
        self,
        template: str,
        wording: Wording,
        *,
        status: int = 200,
        session: SignInSession | None = None,
        **values: object,
    ) -> HTMLResponse:
        """Return a page."""
        text = self._environment.get_template(template).render(
            t=wording, base=self.base, session=session, **values
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

    def redirect(self, path: str) -> RedirectResponse:
        """Redirect to another page, which the browser then requests by GET."""
        return RedirectResponse(f"{self.base}{path}", 303)
