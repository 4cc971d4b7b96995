"""Opens a page in the user's browser with the cookies of a signed-in session.

Cookies belong to a host, not to a port: a page served once on the same host sets them and redirects.
"""

import secrets
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer

import typer

BROWSER_DEADLINE_S = 30.0


def open_signed_in(url: str, cookies: Mapping[str, str], host: str = "127.0.0.1") -> bool:
    """Open the page in the user's browser; return False when no browser asked for it in time."""
    path = f"/{secrets.token_urlsafe(16)}"

    class CookieHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != path:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            self.send_response(HTTPStatus.SEE_OTHER)
            for name, value in cookies.items():
                self.send_header("Set-Cookie", f"{name}={value}; HttpOnly; SameSite=Lax; Path=/")
            self.send_header("Location", url)
            self.end_headers()

        def log_message(self, format: str, *_values: object) -> None:  # noqa: A002 - http.server's signature
            """Log nothing: the path is a secret."""

    with HTTPServer((host, 0), CookieHandler) as server:
        server.timeout = BROWSER_DEADLINE_S
        timeouts = []
        server.handle_timeout = lambda: timeouts.append(True)  # type: ignore[method-assign]
        address = f"http://{host}:{server.server_port}{path}"
        # In a thread: some browsers return only when they are closed, and all wait for this server's answer.
        threading.Thread(target=typer.launch, args=(address,), daemon=True).start()
        server.handle_request()
        return not timeouts
