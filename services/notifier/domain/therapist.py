"""Defines a therapist of the directory: how they are reached, and their language and time zone."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo, available_timezones

from services.notifier.channels.channel import Contact
from services.notifier.channels.registry import Channel, definition_of

ADDRESS = re.compile(r"[^@\s<>\"(),:;\\\[\]]+@[^@\s<>\"(),:;\\\[\]]+\.[^@\s<>\"(),:;\\\[\]]+")
"""Matches one plain mail address; it cannot tell whether the address exists."""

DEFAULT_CHANNELS = (Channel.INBOX, Channel.EMAIL)
TIME_ZONES = frozenset(available_timezones())


@dataclass(frozen=True, slots=True)
class Therapist:
    """One row of the directory."""

    practice_id: str
    therapist_id: str
    address: str | None = field(default=None, repr=False)
    locale: str = "en"
    time_zone: str = "UTC"
    channels: tuple[Channel, ...] = DEFAULT_CHANNELS
    supervisor: str | None = None
    quiet: bool = False
    contacts: Mapping[Channel, Contact] = field(default_factory=dict, repr=False)
    """Contact data of those channels that need some."""

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which times are shown to this therapist."""
        return ZoneInfo(self.time_zone)

    def reachable_by(self, channel: Channel) -> bool:
        """Return whether the directory holds what this channel needs to reach the therapist."""
        if channel is Channel.INBOX:
            return True
        return definition_of(channel).reaches(self.address, self.contacts.get(channel))
