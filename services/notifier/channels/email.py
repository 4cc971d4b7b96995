"""Sends a sentence and a link by SMTP; a stable Message-ID makes a second copy recognisable."""

import html
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPException, SMTPRecipientsRefused
from aiosmtplib import SMTPResponseException as ServerReply

from services.notifier.channels.channel import (
    ChannelDefinition,
    DeliveryReason,
    Message,
    NotWorthRetrying,
    Purpose,
    SendResult,
    Sent,
    WorthRetrying,
)
from services.notifier.settings import MailSettings
from services.notifier.wording import Wordings
from services.runtime.process.settings import read_secret

_KEY = {Purpose.EPISODE: "mail.review", Purpose.SIGN_IN: "mail.sign_in"}

_HTML = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><title>{subject}</title></head>
<body style="font-family: sans-serif; line-height: 1.5">
<p>{sentence}</p>
<p><a href="{link}">{button}</a></p>
<p>{footer}</p>
</body></html>
"""


class Email:
    """Sends e-mail over one mail server."""

    def __init__(self, settings: MailSettings, wordings: Wordings) -> None:
        self._settings = settings
        self._wordings = wordings
        self._domain = parseaddr(settings.mail_from)[1].partition("@")[2] or "localhost"
        password = settings.smtp_password_file
        self._password = read_secret(password).get_secret_value() if password else None

    async def send(self, message: Message) -> SendResult:
        """Hand one mail to the server; it counts as sent once accepted after DATA, even when QUIT fails."""
        if message.recipient.address is None:
            return NotWorthRetrying(DeliveryReason.NO_ADDRESS)
        mail = self.compose(message, message.recipient.address)
        try:
            async with self._server() as server:
                await server.send_message(mail)
        except (SMTPException, OSError) as error:
            return result_of(error)
        return Sent()

    def compose(self, message: Message, address: str) -> EmailMessage:
        """Return the mail as plain text and as HTML; it says nothing about client or therapist."""
        wording = self._wordings.of(message.recipient.locale)
        key = _KEY[message.purpose]
        subject, sentence = wording(f"{key}.subject"), wording(f"{key}.sentence")
        button, footer = wording(f"{key}.button"), wording("mail.footer")
        mail = EmailMessage()
        mail["From"] = self._settings.mail_from
        mail["To"] = address
        mail["Subject"] = subject
        mail["Date"] = format_datetime(message.created_at)
        mail["Message-ID"] = f"<{message.delivery_id}@{self._domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail["Content-Language"] = wording.language
        mail.set_content(f"{sentence}\n\n{message.link}\n\n{footer}\n")
        mail.add_alternative(
            _HTML.format(
                language=wording.language,
                subject=html.escape(subject),
                sentence=html.escape(sentence),
                link=html.escape(message.link),
                button=html.escape(button),
                footer=html.escape(footer),
            ),
            subtype="html",
        )
        return mail

    def _server(self) -> SMTP:
        settings = self._settings
        return SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_username,
            password=self._password,
            local_hostname=self._domain,
            timeout=settings.smtp_timeout_s,
            use_tls=settings.smtp_tls == "tls",
            start_tls=settings.smtp_tls == "starttls",
            cert_bundle=str(settings.smtp_ca_file) if settings.smtp_ca_file else None,
        )


def result_of(error: SMTPException | OSError) -> WorthRetrying | NotWorthRetrying:
    """Return whether an error is worth a retry: temporary refusals (4xx) and timeouts are, 5xx is not."""
    match error:
        case SMTPRecipientsRefused():
            temporary = all(_is_temporary(refusal) for refusal in error.recipients)
            return (
                WorthRetrying(DeliveryReason.BUSY)
                if temporary
                else NotWorthRetrying(DeliveryReason.ADDRESS_REFUSED)
            )
        case SMTPAuthenticationError():
            return WorthRetrying(DeliveryReason.NOT_SIGNED_IN)
        case ServerReply():
            return (
                WorthRetrying(DeliveryReason.BUSY)
                if _is_temporary(error)
                else NotWorthRetrying(DeliveryReason.REFUSED)
            )
        case TimeoutError():
            return WorthRetrying(DeliveryReason.TIMED_OUT)
        case _:
            return WorthRetrying(DeliveryReason.UNREACHABLE)


def _is_temporary(error: ServerReply) -> bool:
    return 400 <= error.code < 500


CHANNEL = ChannelDefinition(settings=MailSettings, build=Email, needs_address=True)
