"""Pages: a template's name and its values in, an HTML answer out that loads nothing from elsewhere."""

from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from services.notifier.domain.therapist import Therapist
from services.notifier.settings import WebSettings
from services.notifier.sign_in import SignInSession
from services.notifier.wording import Wording, Wordings


class PageRenderer:
    """Renders for one deployment: its address, its languages."""

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
        """The words for a therapist, or for a browser nobody has signed in with."""
        if therapist is not None:
            return self._wordings.of(therapist.locale)
        return self._wordings.best(request.headers.get("accept-language", ""))

    def page(
        self,
        template: str,
        wording: Wording,
        *,
        status: int = 200,
        session: SignInSession | None = None,
        **values: object,
    ) -> HTMLResponse:
        """A page."""
        text = self._environment.get_template(template).render(
            t=wording, base=self.base, session=session, **values
        )
        return HTMLResponse(text, status, headers={"Content-Language": wording.language})

    def message(
        self, wording: Wording, heading: str, text: str, *, status: int, session: SignInSession | None = None
    ) -> HTMLResponse:
        """A page that says one thing."""
        return self.page(
            "message.html",
            wording,
            status=status,
            session=session,
            heading=wording(heading),
            text=wording(text),
        )

    def not_found(self, wording: Wording, session: SignInSession | None = None) -> HTMLResponse:
        """The page for what is not there, or is somebody else's: the two look the same."""
        return self.message(wording, "error.not_found_title", "error.not_found", status=404, session=session)

    def go(self, path: str) -> RedirectResponse:
        """On to another page, by GET."""
        return RedirectResponse(f"{self.base}{path}", 303)
