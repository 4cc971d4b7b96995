"""Receives mails and webhook calls, and appends one line of JSON for each to a file.

    python -m tests.support.faults.sink_process FOLDER      prints `smtp-port http-port`

A line holds the id under which the message was sent and the practice, which stands in the mail's address
(`someone@practice.example`) and in the path of the call (`/practice`). It ends when its parent process ends.
"""

import asyncio
import json
import os
import sys
import threading
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import UUID

from aiosmtpd.smtp import SMTP, Envelope, Session

from services.cli.local.parent_watch import when_parent_ends


class Sink:
    """The two files, written one line at a time."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self._folder = folder

    def add(self, kind: str, message_id: str, practice: str) -> None:
        """Append one message to `mails.ndjson` or `webhooks.ndjson`."""
        line = json.dumps({"id": message_id, "practice": practice}) + "\n"
        with self._lock, (self._folder / f"{kind}.ndjson").open("a", encoding="utf-8") as file:
            file.write(line)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep one mail."""
        content = envelope.content
        self.add_mail(
            message_from_bytes(content if isinstance(content, bytes) else b""), envelope.rcpt_tos[0]
        )
        return "250 OK"

    def add_mail(self, mail: Message, recipient: str) -> None:
        """Append one mail."""
        self.add(
            "mails", id_of(str(mail["Message-ID"])), recipient.rpartition("@")[2].removesuffix(".example")
        )

    def add_webhook(self, webhook_id: str, path: str) -> None:
        """Append one webhook call by its header `webhook-id`."""
        self.add("webhooks", str(UUID(webhook_id.removeprefix("msg_"))), path.strip("/"))


def id_of(message_id: str) -> str:
    """Return the id under which a mail with this Message-ID was sent."""
    return message_id.strip("<>").partition("@")[0]


def webhook_server(sink: Sink) -> ThreadingHTTPServer:
    """Return a server that keeps every call."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Keep one call."""
            self.rfile.read(int(self.headers.get("content-length", 0)))
            sink.add_webhook(self.headers["webhook-id"], self.path)
            self.send_response(204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server calls it so
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    return server


async def serve(folder: Path) -> None:
    """Serve until the parent ends."""
    sink = Sink(folder)
    smtp = await asyncio.get_running_loop().create_server(
        lambda: SMTP(sink, hostname="localhost"), "127.0.0.1", 0
    )
    http = webhook_server(sink)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    when_parent_ends(lambda: os._exit(0))
    print(smtp.sockets[0].getsockname()[1], http.server_port, flush=True)  # noqa: T201 - its caller reads it
    await smtp.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
