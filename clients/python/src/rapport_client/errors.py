"""Defines what a call may raise.

RapportError
├── Refused      what was sent must be corrected before it is sent again
└── Unavailable  no final answer arrived in time: send the same again later
"""

from collections.abc import Sequence

from rapport_client.models.ingest import ErrorInField


class RapportError(Exception):
    """Base of all errors of this client; no text contains a key or a mark."""


class Refused(RapportError):
    """The service answered that the request is wrong."""

    def __init__(self, status: int, title: str, detail: str, errors: Sequence[ErrorInField]) -> None:
        named = "; ".join(f"{each.field} {each.message}" for each in errors)
        super().__init__(". ".join(filter(None, (f"{status} {title}", detail.rstrip("."), named))))
        self.status = status
        """The status code of HTTP."""
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        """What is wrong in which field, and what is expected there."""


class Unavailable(RapportError):
    """No final answer arrived within `give_up_s`. What was sent may have been stored: send it again."""
