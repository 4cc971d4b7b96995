"""Stands for the mail server: takes mails with the time at which they came, or is away."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from types import TracebackType
from typing import NamedTuple, Self
from uuid import UUID

from aiosmtplib import SMTPConnectError

from services.runtime.process.clock import Clock


class AcceptedMail(NamedTuple):
    """A mail that was accepted."""

    at: datetime
    delivery_id: UUID
    address: str


@dataclass
class MailSink:
    """The mails accepted so far."""

    clock: Clock
    reach: Callable[[str], None]
    """Called with `mail-before` and `mail-after` the acceptance of each mail."""
    mails: list[AcceptedMail] = field(default_factory=list)
    away: bool = False

    def server(self, **_options: object) -> "_SinkConnection":
        """Stand for `aiosmtplib.SMTP`."""
        return _SinkConnection(self)


class _SinkConnection:
    def __init__(self, sink: MailSink) -> None:
        self._sink = sink

    async def __aenter__(self) -> Self:
        if self._sink.away:
            raise SMTPConnectError("nothing answers")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""

    async def send_message(self, mail: EmailMessage) -> None:
        """Accept a mail."""
        self._sink.reach("mail-before")
        delivery = UUID(str(mail["Message-ID"]).strip("<>").partition("@")[0])
        self._sink.mails.append(AcceptedMail(self._sink.clock.now(), delivery, str(mail["To"])))
        self._sink.reach("mail-after")
