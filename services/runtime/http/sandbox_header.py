"""Says in every response to a sandbox's key, and on its therapists' pages, that the data is made up."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from services.runtime.http.key_file import SANDBOX_PREFIX
from services.runtime.http.response_headers import sending_with
from services.runtime.process.sandbox import is_sandbox

HEADER = "Rapport-Sandbox"
DESCRIPTION = (
    f"Responses to the key of a sandbox have the header `{HEADER}: true`: all data is made up, and erased"
    " every night."
)


class SandboxHeader:
    """Runs an application whose pages store in the request's state of which tenant they are.

    What a key was sent with is told by the key itself: requests are refused before the tenant is known, too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # A dictionary for this request alone, which a page fills.
        state = scope.setdefault("state", {})

        def add(headers: MutableHeaders) -> None:
            if _has_key_of_sandbox(scope) or is_sandbox(state.get("tenant", "")):
                headers[HEADER] = "true"

        await self._app(scope, receive, sending_with(send, add))


def _has_key_of_sandbox(scope: Scope) -> bool:
    _, _, secret = Headers(scope=scope).get("authorization", "").partition(" ")
    return secret.strip().startswith(SANDBOX_PREFIX)
