"""Defines the notifier's settings (`NOTIFIER_…`), read once at its start; secrets come from files."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.process.settings import AUDIT_DAYS, REJECTION_DAYS, AuditDays, RejectionDays

Seconds = Annotated[float, Field(gt=0)]


class _NotifierSettings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="NOTIFIER_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )


class MailSettings(_NotifierSettings):
    """The mail server and the sender."""

    mail_from: str = "Rapport <rapport@localhost>"
    """Sender of all mail."""
    smtp_host: str = "127.0.0.1"
    """Host name of the mail server."""
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = 25
    """Port of the mail server."""
    smtp_username: str | None = None
    """User name at the mail server; without one, no sign-in takes place."""
    smtp_password_file: Path | None = None
    """File with the password."""
    smtp_tls: Literal["none", "starttls", "tls"] = "starttls"
    """`starttls` after connecting, `tls` from the start, or `none` on a trusted network."""
    smtp_ca_file: Path | None = None
    """File with the certificates to trust; without one, those of the system."""
    smtp_timeout_s: Seconds = 20
    """Longest time that one exchange with the mail server may take."""


class WebhookSettings(_NotifierSettings):
    """How webhooks are sent."""

    allow_private_webhooks: bool = False
    """Allow private and local addresses and plain http: for trying out and closed networks."""
    webhook_timeout_s: Seconds = 10
    """Longest time that a receiver may take to answer."""

    @property
    def schemes(self) -> tuple[str, ...]:
        """The URL schemes that may be used."""
        return ("https", "http") if self.allow_private_webhooks else ("https",)


class RetrySettings(_NotifierSettings):
    """How failed deliveries are retried."""

    retry_first_s: Seconds = 10
    """Pause before the second attempt; later pauses double, with jitter."""
    retry_cap_s: Seconds = 1800
    """Longest pause between two attempts."""


class WebSettings(_NotifierSettings):
    """The pages behind the sign-in."""

    public_url: str
    """Address of the pages, as written in mails; a path in it is kept."""
    signing_secret_file: Path
    """File with at least 32 random bytes, with which links and forms are signed."""
    former_signing_secret_file: Path | None = None
    """File with the signing secret before the present one: it still verifies, and signs nothing."""
    link_hours: Annotated[int, Field(ge=1)] = 72
    """Fewest hours for which a link in a message works: it works until the next session, at most 14 days."""
    asked_link_minutes: Annotated[int, Field(ge=5)] = 30
    """Minutes for which a link that a therapist asked for works."""
    openid_file: Path | None = None
    """A TOML file with practices' own identity providers (OpenID Connect); none: only mailed links."""
    guidance_dir: Path | None = None
    """A folder with practices' own questions and advice, one TOML file each; none: only the shipped ones."""
    pages_connections: Annotated[int, Field(ge=1)] = 8
    """The most connections to PostgreSQL for pages and the API."""
    session_hours: Annotated[int, Field(ge=1)] = 12
    """Hours after which a sign-in ends, however much it is used."""
    session_idle_minutes: Annotated[int, Field(ge=5)] = 30
    """Minutes without a request after which a sign-in ends."""

    @field_validator("public_url")
    @classmethod
    def _is_web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
            raise ValueError("expected an address such as https://rapport.example.org")
        return value.rstrip("/")

    @property
    def is_secure(self) -> bool:
        """Whether the pages are served over TLS, so that cookies can insist on it."""
        return urlsplit(self.public_url).scheme == "https"


class WorkerSettings(_NotifierSettings):
    """The workers that send deliveries."""

    worker_concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    """Messages that each queue sends at the same time: links, first and further attempts of each channel."""
    delivery_connections: Annotated[int, Field(ge=2)] = 8
    """The most connections to PostgreSQL for sending messages."""
    sweep_s: Seconds = 10
    """Seconds between two sweeps, which queue deliveries without a live job and read the gauges."""
    audit_days: AuditDays = AUDIT_DAYS
    """Days for which `notifier.audit` keeps who viewed, read, answered or changed what."""
    rejection_days: RejectionDays = REJECTION_DAYS
    """Days for which `notifier.rejection` keeps the bytes of what was rejected."""
    sign_in_days: Annotated[int, Field(ge=30)] = 90
    """Days for which sign-ins and sign-in links are kept after they ended."""
