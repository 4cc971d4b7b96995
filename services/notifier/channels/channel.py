"""Lists the channels; defines what each receives and returns, and how it declares settings and contact data.

Each outgoing channel is the module of the same name in this folder.
"""

import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, runtime_checkable
from uuid import UUID

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

    from services.notifier.wording import Wordings


ADDRESS = re.compile(r"(?!.*=\?)[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*@[\w-]+(\.[\w-]+)+")
"""Matches one plain mail address, in letters of any script, without marks that are invisible.

`=?` begins an encoded word, which would be decoded into another address (RFC 2047). It cannot tell whether
the address exists.
"""


class Channel(StrEnum):
    """A way to reach a therapist."""

    INBOX = "inbox"
    EMAIL = "email"
    WEBHOOK = "webhook"


ChannelSettings = Mapping[Channel, "BaseSettings"]
"""The settings of each outgoing channel."""

OUTGOING = tuple(channel for channel in Channel if channel is not Channel.INBOX)
"""The channels that send messages; the inbox is only read, on the pages behind the sign-in."""


class Purpose(StrEnum):
    """Why a message is sent."""

    EPISODE = "episode"
    SIGN_IN = "sign-in"
    FEED_SILENT = "feed-silent"
    """To the practice's contact: no ratings have arrived."""


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
    NOT_TRUSTED = "not-trusted"
    """The receiver's certificate or version of TLS is not accepted, or it offers no TLS."""
    NOT_SIGNED_IN = "not-signed-in"
    """The mail server does not accept our credentials; the message waits until an operator corrects them."""
    SERVER_REFUSES = "server-refuses"
    """The mail server refuses our connection, sender or right to send; the message waits for an operator."""
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
    ADDRESS_CHANGED = "address-changed"
    """The therapist's address changed before a link that was asked for at the earlier one was sent."""
    REMOVED = "removed"
    """The practice removed the therapist from the directory before the message was sent."""
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
    hours_before: int = 24
    """How many hours before a session mail goes out with the timing `before-session`."""
    settings_url: str | None = None
    """Address of the page on which the therapist changes when mail is sent; None where it does not apply."""
    silent_since: date | None = None
    """The last day with ratings, where the practice's contact is told that its feed is silent."""
    is_sandbox: bool = False
    """Whether it is about made-up data, which the message says first."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The receiver accepted the message."""


@dataclass(frozen=True, slots=True)
class WorthRetrying:
    """The attempt failed; a later one may succeed."""

    reason: DeliveryReason
    after_s: float = 0.0
    """How long the receiver asks to be left alone, in seconds."""


@dataclass(frozen=True, slots=True)
class NotWorthRetrying:
    """The attempt failed, and so would every later one."""

    reason: DeliveryReason


SendResult = Sent | WorthRetrying | NotWorthRetrying


def is_tls_failure(error: BaseException) -> bool:
    """Return whether an error, or what caused it, is that both sides could not agree on TLS they trust."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            # A connection that ends within TLS was cut: this says nothing about trust.
            return not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError)
        cause = cause.__cause__ or cause.__context__
    return False


class OutgoingChannel(Protocol):
    """Sends messages; it never retries by itself."""

    async def send(self, message: Message) -> SendResult:
        """Try once. Every failure is returned as a result; no exception is raised for it."""


@runtime_checkable
class ServedChannel(Protocol):
    """A channel whose messages all go through one server of ours."""

    async def answers(self) -> bool:
        """Return whether the server accepts us now, without sending anything."""


OF_THE_SERVER = frozenset(
    {
        DeliveryReason.UNREACHABLE,
        DeliveryReason.TIMED_OUT,
        DeliveryReason.NOT_TRUSTED,
        DeliveryReason.NOT_SIGNED_IN,
        DeliveryReason.SERVER_REFUSES,
    }
)
"""Reasons for which a message of such a channel waits that concern the server, and not this one message."""


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


@cache
def definition_of(channel: Channel) -> ChannelDefinition[Any]:
    """Return what the module of an outgoing channel declares; the module is imported on first use."""
    module: Any = import_module(f"{__package__}.{channel.value}")
    definition: ChannelDefinition[Any] = module.CHANNEL
    return definition


@cache
def contact_models() -> Mapping[Channel, type[Contact]]:
    """Return the contact data of those channels that need some."""
    models = {channel: definition_of(channel).contact for channel in OUTGOING}
    return {channel: model for channel, model in models.items() if model is not None}


def contact_columns(channel: Channel) -> dict[str, str]:
    """Return the fields of a channel's contact data, each with the column that holds it."""
    return {field: f"{channel.value}_{field}" for field in contact_models()[channel].model_fields}


def read_channel_settings() -> dict[Channel, "BaseSettings"]:
    """Read the settings of every outgoing channel from the environment.

    Raises:
        pydantic.ValidationError: a setting is missing or wrong.
    """
    return {channel: definition_of(channel).settings() for channel in OUTGOING}


def build_channels(settings: ChannelSettings, wordings: "Wordings") -> dict[Channel, OutgoingChannel]:
    """Build every outgoing channel with its settings; nothing is connected yet.

    Raises:
        Halt: a secret file cannot be used.
    """
    return {channel: definition_of(channel).build(settings[channel], wordings) for channel in OUTGOING}
