"""Defines a therapist of the directory: how they are reached, and their language and time zone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from zoneinfo import ZoneInfo, available_timezones

from services.notifier.channels.channel import Channel, Contact, MailTiming, definition_of
from services.notifier.domain.mail_plan import MailHours, MailTimes

DEFAULT_CHANNELS = (Channel.INBOX, Channel.EMAIL)
TIME_ZONES = frozenset(available_timezones())


@dataclass(frozen=True, slots=True)
class OwnSettings:
    """What a therapist has set themselves; it outlasts every change of the directory."""

    language: str | None = None
    """None: as in the directory."""
    mail_on: bool = True
    """False when they want no mail about items; sign-in links are still mailed."""
    mail_timing: MailTiming | None = None
    """None: as the directory or the practice says."""
    mail_hour: int | None = None
    """None: as the practice says."""
    paused_until: date | None = None


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
    mail_timing: MailTiming | None = None
    """When mail goes out, unless the therapist has set it; None: as the practice says."""
    own: OwnSettings = OwnSettings()
    contacts: Mapping[Channel, Contact] = field(default_factory=dict, repr=False)
    """Contact data of those channels that need some."""

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which times are shown to this therapist."""
        return ZoneInfo(self.time_zone)

    @property
    def reading_locale(self) -> str:
        """The locale of pages and mail: that of the directory, unless they have set another language."""
        chosen = self.own.language
        return self.locale if chosen in {None, self.locale.partition("-")[0]} else str(chosen)

    def timing(self, of_practice: MailTiming) -> MailTiming:
        """Return when mail goes out, where the practice has chosen `of_practice` for its therapists."""
        return self.own.mail_timing or self.mail_timing or of_practice

    def mail_times(self, of_practice: MailTiming, hours: MailHours) -> MailTimes:
        """Return when mail goes out, by the practice's timing and hours."""
        own = self.own
        return MailTimes(self.timing(of_practice), self.zone, hours, own.mail_hour, own.paused_until)

    def wants(self, channel: Channel) -> bool:
        """Return whether messages may be sent over this channel: it is chosen, and not switched off."""
        return channel in self.channels and (channel is not Channel.EMAIL or self.own.mail_on)

    def reachable_by(self, channel: Channel) -> bool:
        """Return whether the directory holds what this channel needs to reach the therapist."""
        if channel is Channel.INBOX:
            return True
        return definition_of(channel).reaches(self.address, self.contacts.get(channel))
