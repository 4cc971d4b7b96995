"""Defines which ratings are versions of one another, which version is current, and how sessions are ordered.

Every function takes its fields from whatever has them: the event as model (`schemas.events.SessionRated`), a
service's own faster type, or a body as it was sent.
"""

from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from schemas.ids import (
    NO_CASE,
    CaseId,
    ClientId,
    Dyad,
    InstrumentId,
    PracticeId,
    RatingId,
    RatingIdentity,
    SessionId,
    TherapistId,
)


class SessionFields(Protocol):
    """The fields that order the sessions of a dyad."""

    @property
    def session_at(self) -> datetime: ...
    @property
    def session_id(self) -> str: ...
    @property
    def instrument(self) -> str: ...


class IdentityFields(Protocol):
    """The fields that, within a practice, make two ratings versions of one another."""

    @property
    def client_id(self) -> str: ...
    @property
    def session_id(self) -> str: ...
    @property
    def instrument(self) -> str: ...


class DyadFields(Protocol):
    """The fields that, within a practice, name a dyad."""

    @property
    def therapist_id(self) -> str: ...
    @property
    def client_id(self) -> str: ...
    @property
    def case_id(self) -> str | None: ...


class SessionOrder(NamedTuple):
    """The key by which the sessions of one dyad are sorted."""

    session_at: datetime
    """In UTC."""
    session_id: SessionId
    instrument: InstrumentId


class Currency(NamedTuple):
    """The key by which the versions of one rating are sorted; the greatest is current."""

    changed_at: datetime
    """When the practice's system last changed the rating or, if it does not say, when ingest accepted it."""
    accepted_at: datetime
    rating_id: RatingId


def session_order(rating: SessionFields) -> SessionOrder:
    """Return the key that sorts a rating among the sessions of its dyad: time, session id, instrument.

    The time is compared in UTC, so that the order does not depend on the zone in which it was sent.
    """
    return SessionOrder(
        rating.session_at.astimezone(UTC), SessionId(rating.session_id), InstrumentId(rating.instrument)
    )


def currency(recorded_at: datetime | None, accepted_at: datetime, rating_id: str) -> Currency:
    """Return the key that sorts a rating among the versions of its identity; the greatest is current.

    A version without `recorded_at` counts as recorded when it was accepted.

    >>> earlier, later = datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)
    >>> currency(None, later, "sent-last") > currency(earlier, later, "recorded-earlier")
    True
    """
    return Currency(recorded_at or accepted_at, accepted_at, RatingId(rating_id))


def identity(practice: PracticeId, rating: IdentityFields) -> RatingIdentity:
    """Return what a rating shares with its other versions: practice, client, session and instrument."""
    return RatingIdentity(
        practice, ClientId(rating.client_id), SessionId(rating.session_id), InstrumentId(rating.instrument)
    )


def dyad(practice: PracticeId, rating: DyadFields) -> Dyad:
    """Return the dyad whose alliance a rating is about; no case and an empty one are the same."""
    case = CaseId(rating.case_id) if rating.case_id else NO_CASE
    return Dyad(practice, TherapistId(rating.therapist_id), ClientId(rating.client_id), case)
