"""One entry of the directory as it is sent, by HTTP or as a row of a table: checked, then a `Therapist`."""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from babel import Locale, UnknownLocaleError
from pydantic import BaseModel, ConfigDict, Field

from schemas.rating import Reference
from services.notifier.domain.decision import Channel
from services.notifier.domain.therapist import ADDRESS, DEFAULT_CHANNELS, TIME_ZONES, Therapist

SECRET_BYTES = (24, 64)
"""The lengths of a webhook secret that Standard Webhooks allows."""


class WebhookEntry(BaseModel):
    """Where webhooks go, and the secret they are signed with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, Field(max_length=2000)]
    secret: Annotated[str, Field(max_length=200, repr=False)]
    """As Standard Webhooks spells it: `whsec_` and 24 to 64 bytes in base64. It is never shown again."""


class Entry(BaseModel):
    """How to reach a therapist; what is left out takes its default, also when an entry is replaced."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: Annotated[str, Field(max_length=254)] | None = None
    """A mail address."""
    locale: Annotated[str, Field(max_length=35)] = "en"
    """As `de-AT`: the language of the pages and how dates and numbers are written."""
    time_zone: Annotated[str, Field(max_length=64)] = "UTC"
    """As `Europe/Vienna`."""
    channels: Annotated[tuple[Channel, ...], Field(max_length=3)] = DEFAULT_CHANNELS
    """The inbox is always kept; `email` and `webhook` are sent to when chosen."""
    supervisor: Reference | None = None
    """The reference of a supervisor; they see nothing unless the therapist shares it."""
    quiet: bool = False
    """Send nothing for now; the inbox fills."""
    webhook: WebhookEntry | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a field, and what would be right."""

    field: str
    message: str
    expected: str


def faults(entry: Entry, *, plain_http: bool) -> Iterator[Fault]:
    """What no type can say. `plain_http`: webhooks over http are allowed here."""
    if entry.address is not None and not ADDRESS.fullmatch(entry.address):
        yield Fault("address", "is not a mail address", "one plain address, as someone@example.org")
    if not _is_locale(entry.locale):
        yield Fault("locale", "is not a locale we know", "a language and perhaps a country, as de-AT")
    if entry.time_zone not in TIME_ZONES:
        yield Fault("time_zone", "is not a time zone we know", "a name as Europe/Vienna")
    if entry.webhook is not None:
        schemes = ("https", "http") if plain_http else ("https",)
        if not _is_target(entry.webhook.url, schemes):
            yield Fault("webhook.url", "is not an address we send to", f"{' or '.join(schemes)}://host/path")
        if not _is_secret(entry.webhook.secret):
            yield Fault("webhook.secret", "is not a secret", "whsec_ and 24 to 64 random bytes in base64")
    elif Channel.WEBHOOK in entry.channels:
        yield Fault("webhook", "is missing", "url and secret, because the channel webhook is chosen")


def therapist(practice_id: str, therapist_id: str, entry: Entry) -> Therapist:
    """The entry as the directory keeps it."""
    return Therapist(
        practice_id=practice_id,
        therapist_id=therapist_id,
        address=entry.address,
        locale=entry.locale,
        time_zone=entry.time_zone,
        channels=tuple(dict.fromkeys((Channel.INBOX, *entry.channels))),
        supervisor=entry.supervisor,
        quiet=entry.quiet,
        webhook_url=entry.webhook.url if entry.webhook else None,
        webhook_secret=entry.webhook.secret if entry.webhook else None,
    )


def _is_locale(text: str) -> bool:
    try:
        Locale.parse(text, sep="-")
    except (UnknownLocaleError, ValueError):
        return False
    return True


def _is_target(url: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        return False


def _is_secret(text: str) -> bool:
    try:
        decoded = base64.b64decode(text.removeprefix("whsec_") + "==", validate=False)
    except (binascii.Error, ValueError):
        return False
    return text.startswith("whsec_") and SECRET_BYTES[0] <= len(decoded) <= SECRET_BYTES[1]
