"""A therapist as the directory knows them: how to reach them, and in which language and time."""

import re
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo, available_timezones

from services.notifier.domain.decision import Channel

ADDRESS = re.compile(r"[^@\s<>\"(),:;\\\[\]]+@[^@\s<>\"(),:;\\\[\]]+\.[^@\s<>\"(),:;\\\[\]]+")
"""One plain mail address; whether it exists only the mail server knows."""

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
    webhook_url: str | None = field(default=None, repr=False)
    webhook_secret: str | None = field(default=None, repr=False)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which this therapist reads times."""
        return ZoneInfo(self.time_zone)

    def reachable_by(self, channel: Channel) -> bool:
        """Whether the directory says where to send to over this channel."""
        match channel:
            case Channel.INBOX:
                return True
            case Channel.EMAIL:
                return self.address is not None
            case Channel.WEBHOOK:
                return self.webhook_url is not None and self.webhook_secret is not None
