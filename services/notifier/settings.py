"""The notifier's own settings (`NOTIFIER_…`), read once at its start; secrets come from files."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Seconds = Annotated[float, Field(gt=0)]


class _NotifierSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="NOTIFIER_", frozen=True, extra="ignore")


class MailSettings(_NotifierSettings):
    """Where mail is handed over, and from whom it comes."""

    mail_from: str = "Rapport <rapport@localhost>"
    """The sender of all mail."""
    smtp_host: str = "127.0.0.1"
    """The mail server."""
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = 25
    """Its port."""
    smtp_username: str | None = None
    """Who signs in there; left out: nobody does."""
    smtp_password_file: Path | None = None
    """A file that holds the password."""
    smtp_tls: Literal["none", "starttls", "tls"] = "starttls"
    """`starttls` after connecting, `tls` from the start, or `none` on a trusted network."""
    smtp_ca_file: Path | None = None
    """A file with the certificates to trust; left out: those of the system."""
    smtp_timeout_s: Seconds = 20
    """How long one exchange with the mail server may take."""


class WebhookSettings(_NotifierSettings):
    """How webhooks are sent."""

    allow_private_webhooks: bool = False
    """Also to private and local addresses, and over plain http: for trying out and closed networks."""
    webhook_timeout_s: Seconds = 10
    """How long a receiver may take to answer."""

    @property
    def schemes(self) -> tuple[str, ...]:
        """The URL schemes that may be used."""
        return ("https", "http") if self.allow_private_webhooks else ("https",)


class RetrySettings(_NotifierSettings):
    """How patiently a message is tried again."""

    retry_first_s: Seconds = 10
    """The pause before the second attempt; later ones double, with jitter."""
    retry_cap_s: Seconds = 1800
    """The longest pause between two attempts."""


class WebSettings(_NotifierSettings):
    """The pages behind the sign-in."""

    public_url: str
    """Where therapists reach the pages, as it stands in mails; a path in it is kept."""
    signing_secret_file: Path
    """At least 32 random bytes; links and forms are signed with it."""
    link_hours: Annotated[int, Field(ge=1)] = 72
    """How long the link in a message works."""
    asked_link_minutes: Annotated[int, Field(ge=5)] = 30
    """How long a link that was asked for works."""
    session_hours: Annotated[int, Field(ge=1)] = 12
    """How long a sign-in lasts."""

    @field_validator("public_url")
    @classmethod
    def _is_web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
            raise ValueError("expected an address as https://rapport.example.org")
        return value.rstrip("/")

    @property
    def is_secure(self) -> bool:
        """Whether cookies may insist on TLS."""
        return urlsplit(self.public_url).scheme == "https"


class WorkerSettings(_NotifierSettings):
    """The worker that sends."""

    worker_concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    """Messages that are sent at the same time."""
    sweep_s: Seconds = 10
    """How often what has no job or a dead worker is taken up, and the gauges are read."""
