"""A page's address and a session's cookies in, a browser window that is signed in out.

Cookies belong to a host, not to a port: a page of ours on the same host, shown once, hands them over.
"""

import secrets
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer

import typer

WAIT_S = 30.0


def open_signed_in(url: str, cookies: Mapping[str, str], host: str = "127.0.0.1") -> bool:
    """Open the page in the person's browser; False when no browser came for it in time."""
    path = f"/{secrets.token_urlsafe(16)}"

    class Once(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != path:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            self.send_response(HTTPStatus.SEE_OTHER)
            for name, value in cookies.items():
                self.send_header("Set-Cookie", f"{name}={value}; HttpOnly; SameSite=Lax; Path=/")
            self.send_header("Location", url)
            self.end_headers()

        def log_message(self, format: str, *_values: object) -> None:  # noqa: A002 - http.server calls it so
            """Say nothing."""

    with HTTPServer((host, 0), Once) as door:
        door.timeout = WAIT_S
        came = []
        door.handle_timeout = lambda: came.append(False)  # type: ignore[method-assign]
        # Some browsers return only when they are closed, and all wait for our answer.
        address = f"http://{host}:{door.server_port}{path}"
        threading.Thread(target=typer.launch, args=(address,), daemon=True).start()
        door.handle_request()
        return not came
