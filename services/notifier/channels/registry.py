"""Lists the channels; each outgoing channel is the module of the same name in this folder."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from services.notifier.channels.channel import ChannelDefinition, Contact, OutgoingChannel

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

    from services.notifier.wording import Wordings


class Channel(StrEnum):
    """A way to reach a therapist."""

    INBOX = "inbox"
    EMAIL = "email"
    WEBHOOK = "webhook"


ChannelSettings = Mapping[Channel, "BaseSettings"]
"""The settings of each outgoing channel."""

OUTGOING = tuple(channel for channel in Channel if channel is not Channel.INBOX)
"""The channels that send messages; the inbox is only read, on the pages behind the sign-in."""


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
