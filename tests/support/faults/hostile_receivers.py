"""Runs a mail server and a receiver of webhooks that misbehave, and write what they accept to the sinks."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import NamedTuple

from tests.support.certificate_authority import CertificateAuthority
from tests.support.faults.sink_process import Sink, id_of
from tests.support.notifier.unreliable_mail_server import How, MailFault, Step, UnreliableMailServer
from tests.support.notifier.unreliable_webhook_receiver import (
    UnreliableWebhookReceiver,
    WebhookRequest,
    answers,
    keeps_silent,
)

WHOEVER_COMES_FIRST = "whoever comes first"
"""As `MailFault.whose`: the fault concerns the recipient of the next mail, and nobody else."""


class HostileMailServer(UnreliableMailServer):
    """Counts what it accepted without the sender's hearing of it."""

    def __init__(self, sink: Sink, certificate: ssl.SSLContext | None = None) -> None:
        super().__init__(certificate)
        self.unheard: Counter[str] = Counter()
        """The mails after whose acceptance the connection ended, by their id, and how often it did."""
        self._sink = sink

    def misbehave(self, fault: MailFault | None) -> None:
        """Do this wrong from now on; a greylist begins empty."""
        self._seen.clear()
        self.fault = fault

    def keep(self, message: EmailMessage) -> None:
        """Keep a mail."""
        super().keep(message)
        self._sink.add_mail(message, str(message["To"]))

    async def _reply(self, writer: asyncio.StreamWriter, step: Step, argument: str = "") -> bool:
        if step is Step.RCPT and self.fault is not None and self.fault.whose == WHOEVER_COMES_FIRST:
            self.fault = replace(self.fault, whose=argument)
        try:
            return await super()._reply(writer, step, argument)
        except ConnectionResetError:
            if step is Step.CONTENT:
                self.unheard[id_of(argument)] += 1
            raise


class HostileWebhookReceiver(UnreliableWebhookReceiver):
    """Has accepted a call when it answers with 204."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink

    def url_of(self, practice: str) -> str:
        """Return the address to which a practice's calls go."""
        return f"http://127.0.0.1:{self.port}/{practice}"

    def keep(self, request: WebhookRequest) -> None:
        """Keep a request."""
        super().keep(request)
        if request.met is None:
            self._sink.add_webhook(request.webhook_id, request.path)


class Phase(NamedTuple):
    """What mail server and receiver do wrong at the same time, and the reasons that messages show for it."""

    begin: Callable[[], None]
    mail_reason: str
    webhook_reason: str


class Receivers:
    """The mail server of both practices, and the receiver of one practice's webhooks."""

    def __init__(self, sink: Sink, folder: Path, practice: str) -> None:
        authority, unknown = CertificateAuthority(folder), CertificateAuthority(folder)
        self.ca_file = authority.file
        self.mail = HostileMailServer(sink, authority.server())
        self.webhooks = HostileWebhookReceiver(sink)
        self._trusted, self._untrusted = authority.server(), unknown.server()
        self._slow = f"@{practice}.example"
        """What the addresses whose mailbox is slow have in common."""

    def phases(self) -> Iterator[Phase]:
        """Yield what goes wrong, one after the other; the last phase leaves only the mail server unwell."""
        yield Phase(self._are_slow, "timed-out", "timed-out")
        yield Phase(self._are_down, "unreachable", "unreachable")
        yield Phase(self._are_untrusted_and_broken, "not-trusted", "busy")
        yield Phase(self._speak_plain_text_and_ask_for_a_pause, "not-trusted", "busy")
        yield Phase(self._greylist_and_redirect, "busy", "redirected")
        yield Phase(self._refuse_one_and_are_gone, "address-refused", "gone")
        yield Phase(self._die_after_accepting, "unreachable", "")

    def _are_slow(self) -> None:
        self.mail.misbehave(MailFault(Step.RCPT, How.KEEPS_SILENT, whose=self._slow))
        self.webhooks.fault = keeps_silent

    def _are_down(self) -> None:
        self.mail.stop()
        self.webhooks.stop()

    def _are_untrusted_and_broken(self) -> None:
        self.mail.misbehave(None)
        self.mail.change_certificate(self._untrusted)
        self.webhooks.fault = answers(500)
        self.webhooks.start()

    def _speak_plain_text_and_ask_for_a_pause(self) -> None:
        self.mail.change_certificate(None)
        self.webhooks.fault = answers(429, ["Retry-After: 2"])

    def _greylist_and_redirect(self) -> None:
        self.mail.misbehave(MailFault(Step.RCPT, How.REPLIES_TO_FIRST, "450 4.2.0 greylisted"))
        self.mail.change_certificate(self._trusted)
        self.webhooks.fault = answers(302, [f"Location: {self.webhooks.url_of('elsewhere')}"])

    def _refuse_one_and_are_gone(self) -> None:
        self.mail.misbehave(
            MailFault(Step.RCPT, reply="550 5.1.1 no such mailbox", whose=WHOEVER_COMES_FIRST)
        )
        self.webhooks.fault = answers(410)

    def _die_after_accepting(self) -> None:
        self.mail.misbehave(MailFault(Step.CONTENT, How.CUTS_FIRST))
        self.webhooks.fault = None

    def recover(self) -> None:
        """Do nothing wrong any more."""
        self.mail.misbehave(None)
