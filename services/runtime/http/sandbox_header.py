"""Says in every response to a sandbox's key that the data is made up."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from services.runtime.http.response_headers import sending_with
from services.runtime.process.sandbox import is_sandbox

HEADER = "Rapport-Sandbox"
DESCRIPTION = (
    f"Responses to the key of a sandbox have the header `{HEADER}: true`: all data is made up, and erased"
    " every night."
)


class SandboxHeader:
    """Runs an application whose routes store in the request's state for which tenant it acts."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # A dictionary for this request alone, which its route fills.
        state = scope.setdefault("state", {})

        def add(headers: MutableHeaders) -> None:
            if is_sandbox(state.get("tenant", "")):
                headers[HEADER] = "true"

        await self._app(scope, receive, sending_with(send, add))
