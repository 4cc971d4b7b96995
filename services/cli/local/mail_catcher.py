"""Receives mail by SMTP and shows it as a page and as JSON; no mail is sent on.

    python -m services.cli.local.mail_catcher      prints `smtp-port http-port`

`MAIL_CATCHER_HOST`, `MAIL_CATCHER_SMTP_PORT` and `MAIL_CATCHER_HTTP_PORT` set its address; the defaults are
loopback and free ports. It ends when its parent process ends.

`GET /` is the page; `GET /mails?after=N` lists mails; `GET /mails/{number}` is one mail with its text.
"""

import asyncio
import html
import os
import socket
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import default as modern

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from fastapi import FastAPI, HTTPException
from fastapi.responses import HTMLResponse

from services.cli.local.parent_watch import when_parent_ends

LARGEST_MAIL_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Mail:
    """One received mail; `text` is its plain-text part."""

    number: int
    received_at: str
    sender: str
    recipients: list[str]
    subject: str
    message_id: str
    text: str


class Mailbox:
    """The received mails in order, numbered from 1."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Store one mail; return the SMTP reply."""
        raw = envelope.content
        parsed: Message = message_from_bytes(raw if isinstance(raw, bytes) else b"", policy=modern)
        message = parsed if isinstance(parsed, EmailMessage) else EmailMessage()
        body = message.get_body(("plain", "html"))
        self.mails.append(
            Mail(
                number=len(self.mails) + 1,
                received_at=datetime.now(UTC).isoformat(),
                sender=str(envelope.mail_from),
                recipients=[str(address) for address in envelope.rcpt_tos],
                subject=str(message["Subject"]),
                message_id=str(message["Message-ID"]),
                text=body.get_content() if body else "",
            )
        )
        return "250 OK"


def mail_app(mailbox: Mailbox) -> FastAPI:
    """Return the web application that shows a mailbox."""
    app = FastAPI(title="Mail catcher", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/mails")
    def mails(after: int = 0) -> list[dict[str, object]]:
        """List the mails numbered above `after`, without their text."""
        return [{**asdict(mail), "text": None} for mail in mailbox.mails[max(after, 0) :]]

    @app.get("/mails/{number}")
    def mail(number: int) -> dict[str, object]:
        """Return one mail with its text."""
        if not 1 <= number <= len(mailbox.mails):
            raise HTTPException(404, "no such mail")
        return asdict(mailbox.mails[number - 1])

    @app.get("/", response_class=HTMLResponse)
    def page() -> str:
        """Show all mails, newest first, with clickable links."""
        parts = [_as_html(mail) for mail in reversed(mailbox.mails)] or ["<p>No mail yet.</p>"]
        return (
            "<!doctype html><meta charset=utf-8><title>Mail</title>"
            f"<h1>{len(mailbox.mails)} mails</h1>{''.join(parts)}"
        )

    return app


def _as_html(mail: Mail) -> str:
    words = [
        f'<a href="{html.escape(word)}">{html.escape(word)}</a>'
        if word.startswith(("http://", "https://"))
        else html.escape(word)
        for word in mail.text.replace("\n", " \n ").split(" ")
    ]
    head = f"{mail.number}. {mail.subject} · to {', '.join(mail.recipients)} · {mail.received_at}"
    return f"<article><h2>{html.escape(head)}</h2><pre>{' '.join(words)}</pre></article>"


def listening_socket(protocol: str) -> socket.socket:
    """Listen for SMTP or HTTP, on a free loopback port unless the environment names one."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    host = os.environ.get("MAIL_CATCHER_HOST", "127.0.0.1")
    listener.bind((host, int(os.environ.get(f"MAIL_CATCHER_{protocol}_PORT", "0"))))
    listener.listen()
    return listener


async def serve() -> None:
    """Serve SMTP and HTTP until SIGTERM or the parent's end."""
    mailbox = Mailbox()
    smtp_socket, http_socket = listening_socket("SMTP"), listening_socket("HTTP")
    smtp = await asyncio.get_running_loop().create_server(
        lambda: SMTP(mailbox, data_size_limit=LARGEST_MAIL_BYTES, hostname="localhost"), sock=smtp_socket
    )
    server = uvicorn.Server(uvicorn.Config(mail_app(mailbox), log_level="error", access_log=False))

    def end() -> None:
        server.should_exit = True

    when_parent_ends(end)
    print(f"{smtp_socket.getsockname()[1]} {http_socket.getsockname()[1]}", flush=True)
    await server.serve(sockets=[http_socket])
    smtp.close()


def main() -> int:
    """Run the mail catcher."""
    asyncio.run(serve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
