"""Defines how often messages of one kind were right, which every message says."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


class PrecisionSource(StrEnum):
    """Where a figure about earlier messages comes from."""

    SIMULATED = "simulated"
    """Simulated practices that the model was not trained on."""
    PRACTICE = "practice"
    """The answers of this practice's therapists."""


class MessagePrecision(BaseModel):
    """How often messages of the same kind were right: a rupture was under way."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True, allow_inf_nan=False)

    right: Share
    low: Share
    """The lower end of the 90 % interval of `right`."""
    high: Share
    messages: Annotated[int, Field(ge=1)]
    """The number of messages that were counted."""
    source: PrecisionSource
