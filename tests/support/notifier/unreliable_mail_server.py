"""Runs a mail server that misbehaves at one step of the conversation, and remembers what it accepted."""

import asyncio
import email
import email.policy
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from enum import Enum, StrEnum, auto

from tests.support.notifier.unreliable_server import UnreliableServer, write_for_ever


class Step(StrEnum):
    """Where in a conversation the server replies."""

    CONNECT = "220 mail.example"
    EHLO = "250-mail.example\r\n250 8BITMIME"
    STARTTLS = "220 go ahead"
    MAIL = "250 sender accepted"
    RCPT = "250 recipient accepted"
    DATA = "354 go ahead"
    CONTENT = "250 message accepted"
    QUIT = "221 bye"


class How(Enum):
    """What the server does instead of the reply."""

    REPLIES = auto()
    """It replies something else."""
    REPLIES_TO_FIRST = auto()
    """It replies something else to the first attempt for each recipient (greylisting)."""
    CUTS = auto()
    """It cuts the connection; at `CONTENT` it has accepted the message before."""
    CUTS_FIRST = auto()
    """It cuts the connection at the first copy of each message, at `CONTENT` as well after accepting it."""
    KEEPS_SILENT = auto()
    """It never replies."""
    DRIBBLES = auto()
    """It begins a reply that never ends."""


@dataclass(frozen=True, slots=True)
class MailFault:
    """What a mail server does wrong."""

    step: Step
    how: How = How.REPLIES
    reply: str = ""
    whose: str = ""
    """Part of an address, at `RCPT`: to other recipients nothing goes wrong."""


class UnreliableMailServer(UnreliableServer):
    """Accepts every mail while `fault` is None."""

    def __init__(self, certificate: ssl.SSLContext | None = None, *, tls_first: bool = False) -> None:
        super().__init__(tls=certificate if tls_first else None)
        self.fault: MailFault | None = None
        self.accepted: list[EmailMessage] = []
        """Every message that this server holds, also those whose acceptance nobody heard of."""
        self._tls_first = tls_first
        self._starttls = None if tls_first else certificate
        self._seen: set[str] = set()

    def change_certificate(self, certificate: ssl.SSLContext | None) -> None:
        """Speak TLS with another certificate from now on, at the same point of a conversation; None: not."""
        self.stop()
        self.tls, self._starttls = (certificate, None) if self._tls_first else (None, certificate)
        self.start()

    def message_ids(self) -> list[str]:
        """Return the Message-ID of every message accepted, in this order."""
        return [str(mail["Message-ID"]) for mail in self.accepted]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hold one conversation."""
        await self._reply(writer, Step.CONNECT)
        while line := await reader.readline():
            command, _, argument = line.decode("utf-8", "replace").strip().partition(" ")
            step = Step.__members__.get(command.upper(), Step.EHLO)
            took = await self._reply(writer, step, argument)
            if step is Step.STARTTLS and self._starttls is not None:
                await writer.start_tls(self._starttls)
            elif step is Step.DATA and took:
                await self._take(await reader.readuntil(b"\r\n.\r\n"), writer)
            elif step is Step.QUIT:
                return

    def keep(self, message: EmailMessage) -> None:
        """Keep a message that is accepted."""
        self.accepted.append(message)

    async def _take(self, content: bytes, writer: asyncio.StreamWriter) -> None:
        fault = self.fault
        text = content.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
        message = email.message_from_bytes(text, policy=email.policy.default)
        if fault is None or fault.step is not Step.CONTENT or fault.how in {How.CUTS, How.CUTS_FIRST}:
            self.keep(message)
        await self._reply(writer, Step.CONTENT, str(message["Message-ID"]))

    async def _reply(self, writer: asyncio.StreamWriter, step: Step, argument: str = "") -> bool:
        """Reply, or do what the fault says; return whether the reply was the right one."""
        text = step.value
        if step is Step.EHLO and self._starttls is not None:
            text = text.replace("250 ", "250-STARTTLS\r\n250 ")
        fault = self.fault
        if fault is not None and fault.step is step and fault.whose in argument:
            match fault.how:
                case How.REPLIES_TO_FIRST | How.CUTS_FIRST if argument in self._seen:
                    fault = None
                case How.CUTS | How.CUTS_FIRST:
                    self._seen.add(argument)
                    raise ConnectionResetError
                case How.KEEPS_SILENT:
                    await asyncio.Event().wait()
                case How.DRIBBLES:
                    await write_for_ever(writer, text[:3].encode() + b"-wait\r\n")
                case _:
                    self._seen.add(argument)
                    text = fault.reply
        writer.write(f"{text}\r\n".encode())
        await writer.drain()
        return fault is None or fault.step is not step or fault.whose not in argument
