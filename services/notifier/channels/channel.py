"""Defines what a channel receives, what it returns, and how it declares its settings and contact data."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

    from services.notifier.wording import Wordings


class Purpose(StrEnum):
    """Why a message is sent."""

    EPISODE = "episode"
    SIGN_IN = "sign-in"


class MailTiming(StrEnum):
    """When mail about items goes out; webhooks are always immediate."""

    BEFORE_SESSION = "before-session"
    """A day before the client's next session, at most one mail a day."""
    DAILY = "daily"
    """At the therapist's hour, on days on which there is something to announce."""
    IMMEDIATE = "immediate"
    """One mail for each change, at once."""


class DeliveryReason(StrEnum):
    """Why a delivery is being retried, has failed or was cancelled."""

    UNREACHABLE = "unreachable"
    """The receiver could not be reached."""
    TIMED_OUT = "timed-out"
    """The receiver took too long to answer."""
    BUSY = "busy"
    """The receiver refused the message for now."""
    NOT_SIGNED_IN = "not-signed-in"
    """The mail server does not accept our credentials; the message waits until an operator corrects them."""
    REFUSED = "refused"
    """The receiver refused the message for good."""
    ADDRESS_REFUSED = "address-refused"
    """The mail server accepts no mail for this address."""
    FORBIDDEN_TARGET = "forbidden-target"
    """The webhook's URL leads into a private network."""
    REDIRECTED = "redirected"
    """The receiver answered with a redirect; redirects are not followed."""
    GONE = "gone"
    """The receiver answered that this address no longer exists."""
    NO_ADDRESS = "no-address"
    """The directory no longer holds an address of the therapist for this channel."""
    TOO_LATE = "too-late"
    """The message could not be delivered before its deadline."""
    WITHDRAWN = "withdrawn"
    """The episode was withdrawn before the message was sent."""
    CLOSED = "closed"
    """The episode was closed before the message was sent."""
    ANSWERED = "answered"
    """The therapist answered before the message was sent."""
    SWITCHED_OFF = "switched-off"
    """The practice or the therapist switched mail off before the message was sent."""


class Contact(BaseModel):
    """What the directory stores about a therapist for one channel; each field is a text column.

    A field `f` of channel `c` is the column `c_f` of `notifier.therapist` and of an imported table. A field
    declared with `repr=False` is a secret: it is never returned.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where a message goes, and in which language."""

    locale: str
    address: str | None = field(default=None, repr=False)
    contact: Contact | None = field(default=None, repr=False)
    """The contact data of the channel that sends; None when the directory has none."""


@dataclass(frozen=True, slots=True)
class Message:
    """One attempt to reach one therapist. It contains no name, score or clinical word."""

    delivery_id: UUID
    purpose: Purpose
    change: str | None
    episode_id: UUID | None
    created_at: datetime
    attempted_at: datetime
    recipient: Recipient
    link: str = field(repr=False)
    practice_name: str | None = field(default=None, repr=False)
    """The practice's name as it signs its mail; None when it has given none."""
    session_on: date | None = None
    """The day of the stated session that the message is for; None when none is stated."""
    timing: MailTiming = MailTiming.IMMEDIATE
    settings_url: str | None = None
    """Address of the page on which the therapist changes when mail is sent; None where it does not apply."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The receiver accepted the message."""


@dataclass(frozen=True, slots=True)
class WorthRetrying:
    """The attempt failed; a later one may succeed."""

    reason: DeliveryReason


@dataclass(frozen=True, slots=True)
class NotWorthRetrying:
    """The attempt failed, and so would every later one."""

    reason: DeliveryReason


SendResult = Sent | WorthRetrying | NotWorthRetrying


class OutgoingChannel(Protocol):
    """Sends messages; it never retries by itself."""

    async def send(self, message: Message) -> SendResult:
        """Try once. Every failure is returned as a result; no exception is raised for it."""


@dataclass(frozen=True, slots=True)
class ContactError:
    """What is wrong with a field of a contact, and what is expected instead."""

    field: str
    message: str
    expected: str


_S = TypeVar("_S", bound="BaseSettings")


@dataclass(frozen=True, slots=True)
class ChannelDefinition(Generic[_S]):
    """What a channel's module declares as `CHANNEL`."""

    settings: type[_S]
    """Its settings, a class in `settings.py`."""
    build: "Callable[[_S, Wordings], OutgoingChannel]"
    contact: type[Contact] | None = None
    """The contact data that it needs of a therapist; None when it needs none, or only the mail address."""
    contact_errors: Callable[[Any, _S], Iterator[ContactError]] = lambda _contact, _settings: iter(())
    """Checks what the types of `contact` cannot express."""
    needs_address: bool = False
    """Whether it sends to the therapist's mail address."""

    def reaches(self, address: str | None, contact: Contact | None) -> bool:
        """Return whether the directory holds what this channel needs to reach a therapist."""
        return not (
            (self.needs_address and address is None) or (self.contact is not None and contact is None)
        )
