"""Sends a sentence and a button by SMTP; a stable Message-ID makes a second copy recognisable."""

import re
from datetime import date
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPDataError, SMTPException, SMTPRecipientsRefused
from aiosmtplib import SMTPResponseException as ServerReply
from babel.dates import format_date
from jinja2 import Environment, PackageLoader, StrictUndefined

from schemas.wording.wording import Wording
from services.notifier.channels.channel import (
    ADDRESS,
    ChannelDefinition,
    DeliveryReason,
    Message,
    NotWorthRetrying,
    Purpose,
    SendResult,
    Sent,
    WorthRetrying,
    is_tls_failure,
)
from services.notifier.settings import MailSettings
from services.notifier.wording import Wordings
from services.runtime.process.settings import read_secret

_POLICY = re.compile(r"[45]\.7\.\d")
"""Begins a refusal that is about security or policy, such as a relay that is denied (RFC 3463)."""

_KEY = {Purpose.EPISODE: "mail.review", Purpose.SIGN_IN: "mail.sign_in"}

_HTML = Environment(
    loader=PackageLoader("services.notifier.channels", "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
)


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
        if not ADDRESS.fullmatch(message.recipient.address):
            # Stored before the rule was as strict as today.
            return NotWorthRetrying(DeliveryReason.ADDRESS_REFUSED)
        mail = self.compose(message, message.recipient.address)
        try:
            async with self._server() as server:
                await server.send_message(mail)
        except (SMTPException, OSError) as error:
            return result_of(error)
        return Sent()

    async def answers(self) -> bool:
        """Return whether the mail server accepts our connection and signs us in; nothing is sent."""
        try:
            async with self._server():
                return True
        except (SMTPException, OSError):
            return False

    def compose(self, message: Message, address: str) -> EmailMessage:
        """Return the mail as text and as HTML; it names no client and no therapist."""
        wording = self._wordings.of(message.recipient.locale)
        if message.silent_since is not None:
            return self._silence(message, message.silent_since, address, wording)
        key = _KEY[message.purpose]
        subject, sentence = _subject(message, wording), wording(f"{key}.sentence")
        first = [wording("sandbox.first_line")] if message.is_sandbox else []
        if message.is_sandbox:
            subject = wording("sandbox.subject", subject=subject)
        lines = [wording("mail.footer")]
        if message.purpose is Purpose.EPISODE:
            how_often = wording(f"mail.how_often.{message.timing.value}", hours=message.hours_before)
            lines.insert(0, f"{wording('mail.why')} {how_often}")
        mail = self._headed(message, subject, address, wording)
        to_settings = [f"{wording('mail.settings')}:\n{message.settings_url}"] if message.settings_url else []
        mail.set_content("\n\n".join([*first, sentence, message.link, *lines, *to_settings]) + "\n")
        html = _HTML.get_template("mail.html").render(
            t=wording,
            subject=subject,
            first=first,
            preheader=wording("mail.preheader") if message.purpose is Purpose.EPISODE and not first else "",
            sentence=sentence,
            link=message.link,
            button=wording(f"{key}.button"),
            lines=lines,
            settings_url=message.settings_url,
        )
        mail.add_alternative(html, subtype="html")
        # Setting the content removes every header that begins with `Content-`: this one comes last.
        mail["Content-Language"] = wording.language
        return mail

    def _silence(self, message: Message, since: date, address: str, wording: Wording) -> EmailMessage:
        """Return the mail to a practice's contact: text alone, without a link, because there is no page."""
        day = format_date(since, "long", locale=wording.locale)
        mail = self._headed(message, wording("mail.feed_silent.subject"), address, wording)
        lines = [wording(f"mail.feed_silent.{part}", day=day) for part in ("sentence", "check", "once")]
        mail.set_content("\n\n".join(lines) + "\n")
        mail["Content-Language"] = wording.language
        return mail

    def _headed(self, message: Message, subject: str, address: str, wording: Wording) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self._sender(message, wording)
        mail["To"] = address
        mail["Subject"] = subject
        mail["Date"] = format_datetime(message.created_at)
        mail["Message-ID"] = f"<{message.delivery_id}@{self._domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        return mail

    def _sender(self, message: Message, wording: Wording) -> Address:
        name, address = parseaddr(self._settings.mail_from)
        if message.practice_name is not None:
            name = wording("mail.sender", practice=message.practice_name)
        return Address(display_name=name, addr_spec=address)

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


def _subject(message: Message, wording: Wording) -> str:
    if message.session_on is None:
        return wording(f"{_KEY[message.purpose]}.subject")
    weekday = format_date(message.session_on, "EEEE", locale=wording.locale)
    return wording("mail.review.subject_on", weekday=weekday)


def result_of(error: SMTPException | OSError) -> WorthRetrying | NotWorthRetrying:
    """Return whether an error is worth a retry: what is not about this mail or its address always is.

    A permanent refusal (5xx) is final only where it is about a recipient or the mail's content. Where it is
    about our connection, our sender or our right to send, it concerns every mail of that time, until an
    operator has corrected it; so does a reply that means nothing.
    """
    match error:
        case SMTPRecipientsRefused():
            return _result_of_recipients(error)
        case SMTPAuthenticationError():
            reason = DeliveryReason.NOT_SIGNED_IN
        case ServerReply() if _is_temporary(error):
            reason = DeliveryReason.BUSY
        case SMTPDataError() if _is_permanent(error):
            return NotWorthRetrying(DeliveryReason.REFUSED)
        case ServerReply():
            reason = DeliveryReason.SERVER_REFUSES
        case TimeoutError():
            reason = DeliveryReason.TIMED_OUT
        case _ if is_tls_failure(error) or _offers_no_tls(error):
            reason = DeliveryReason.NOT_TRUSTED
        case _:
            reason = DeliveryReason.UNREACHABLE
    return WorthRetrying(reason)


def _result_of_recipients(error: SMTPRecipientsRefused) -> WorthRetrying | NotWorthRetrying:
    if all(_is_temporary(refusal) for refusal in error.recipients):
        return WorthRetrying(DeliveryReason.BUSY)
    if any(not _is_permanent(one) or _POLICY.match(one.message) for one in error.recipients):
        return WorthRetrying(DeliveryReason.SERVER_REFUSES)
    return NotWorthRetrying(DeliveryReason.ADDRESS_REFUSED)


def _is_temporary(error: ServerReply) -> bool:
    return 400 <= error.code < 500


def _is_permanent(error: ServerReply) -> bool:
    return 500 <= error.code < 600


def _offers_no_tls(error: Exception) -> bool:
    # aiosmtplib has no class of its own for it.
    return type(error) is SMTPException and "STARTTLS" in str(error)


CHANNEL = ChannelDefinition(settings=MailSettings, build=Email, needs_address=True)
