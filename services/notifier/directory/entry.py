"""Checks an entry of the directory, sent by HTTP or as a row of a table, and makes a `Therapist` of it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from babel import Locale, UnknownLocaleError
from pydantic import BaseModel, ConfigDict, Field, create_model

from schemas.rating import Reference
from services.notifier.channels.channel import (
    ADDRESS,
    Channel,
    ChannelSettings,
    Contact,
    ContactError,
    MailTiming,
    contact_models,
    definition_of,
)
from services.notifier.domain.therapist import DEFAULT_CHANNELS, TIME_ZONES, Therapist


class EntryFields(BaseModel):
    """How to reach a therapist; what is left out takes its default, also when an entry is replaced."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: Annotated[str, Field(max_length=254)] | None = None
    """A mail address."""
    locale: Annotated[str, Field(max_length=35)] = "en"
    """Language of the pages and format of dates and numbers, such as `de-AT`."""
    time_zone: Annotated[str, Field(max_length=64)] = "UTC"
    """A name such as `Europe/Vienna`."""
    channels: Annotated[tuple[Channel, ...], Field(max_length=len(Channel))] = DEFAULT_CHANNELS
    """The inbox is always on; messages go out over the other channels that are chosen."""
    supervisor: Reference | None = None
    """The reference of a supervisor; they see nothing unless the therapist shares it."""
    quiet: bool = False
    """Send nothing for now; the inbox still fills."""
    mail_timing: MailTiming | None = None
    """When mail goes out: `before-session`, `daily` or `immediate`; left out, as the practice says. What the
    therapist has set on the page of settings comes first."""

    def contact(self, channel: Channel) -> Contact | None:
        """Return the contact data given for a channel."""
        given: Contact | None = getattr(self, channel.value, None)
        return given


if TYPE_CHECKING:
    TherapistEntry = EntryFields
else:
    TherapistEntry = create_model(
        "TherapistEntry",
        __base__=EntryFields,
        __doc__=EntryFields.__doc__,
        **{channel.value: (model | None, None) for channel, model in contact_models().items()},
    )
"""A directory entry as it is sent: the fields above, and one field for each channel's contact data."""


def entry_errors(entry: TherapistEntry, settings: ChannelSettings) -> Iterator[ContactError]:
    """Yield what is wrong with an entry beyond its types; `settings` are those of the channels."""
    if entry.address is not None and not ADDRESS.fullmatch(entry.address):
        yield ContactError("address", "is not a mail address", "an address such as someone@example.org")
    if not _is_locale(entry.locale):
        yield ContactError(
            "locale", "is not a known locale", "a language and perhaps a country, such as de-AT"
        )
    if entry.time_zone not in TIME_ZONES:
        yield ContactError("time_zone", "is not a known time zone", "a name such as Europe/Vienna")
    for channel, model in contact_models().items():
        contact = entry.contact(channel)
        if contact is not None:
            for error in definition_of(channel).contact_errors(contact, settings[channel]):
                yield replace(error, field=f"{channel.value}.{error.field}")
        elif channel in entry.channels:
            needed = " and ".join(model.model_fields)
            expected = f"{needed}, because the channel {channel.value} is chosen"
            yield ContactError(channel.value, "is missing", expected)


def to_therapist(practice_id: str, therapist_id: str, entry: TherapistEntry) -> Therapist:
    """Return the therapist as the directory stores them."""
    contacts = {channel: entry.contact(channel) for channel in contact_models()}
    return Therapist(
        practice_id=practice_id,
        therapist_id=therapist_id,
        address=entry.address,
        locale=entry.locale,
        time_zone=entry.time_zone,
        channels=tuple(dict.fromkeys((Channel.INBOX, *entry.channels))),
        supervisor=entry.supervisor,
        quiet=entry.quiet,
        mail_timing=entry.mail_timing,
        contacts={channel: contact for channel, contact in contacts.items() if contact is not None},
    )


def _is_locale(text: str) -> bool:
    try:
        Locale.parse(text, sep="-")
    except (UnknownLocaleError, ValueError):
        return False
    return True
