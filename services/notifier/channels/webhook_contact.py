"""Says where webhooks to a therapist go and what they are signed with, and checks both."""

import base64
import binascii
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field

from services.notifier.channels.channel import (
    Contact,
    ContactError,
)
from services.notifier.settings import WebhookSettings

SECRET_BYTES = (24, 64)
"""The shortest and the longest webhook secret that Standard Webhooks allows."""
MOST_SECRETS = 2
"""The new secret and the old one, while receivers change from one to the other."""


class WebhookContact(Contact):
    """Where webhooks go, and the secret they are signed with."""

    url: Annotated[str, Field(max_length=2000)]
    secret: Annotated[str, Field(max_length=200, repr=False)]
    """In the form of Standard Webhooks: `whsec_` and 24 to 64 bytes in base64. While a secret is changed, the
    new and the old one, separated by a blank: each call is then signed with both. They are never returned."""


def contact_errors(contact: WebhookContact, settings: WebhookSettings) -> Iterator[ContactError]:
    """Yield what is wrong with a webhook's URL and secret."""
    if not _is_target(contact.url, settings.schemes):
        expected = f"{' or '.join(settings.schemes)}://host/path"
        yield ContactError("url", "is not an address we send to", expected)
    secrets = contact.secret.split(" ")
    if len(secrets) > MOST_SECRETS or not all(map(_is_secret, secrets)):
        expected = "whsec_ and 24 to 64 random bytes in base64, or two such secrets separated by a blank"
        yield ContactError("secret", "is not a secret", expected)


def _is_target(url: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in schemes
            and bool(parts.hostname)
            and parts.username is None
            and parts.port != 0
            # `urlsplit` drops some characters and keeps others that no address has.
            and url.isprintable()
            and " " not in url
        )
    except ValueError:
        return False


def _is_secret(text: str) -> bool:
    try:
        decoded = base64.b64decode(text.removeprefix("whsec_") + "==", validate=False)
    except (binascii.Error, ValueError):
        return False
    return text.startswith("whsec_") and SECRET_BYTES[0] <= len(decoded) <= SECRET_BYTES[1]
