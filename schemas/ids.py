"""Derives stable ids and record keys. Every id is a pure function of what it identifies."""

import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha1
from typing import NamedTuple, NewType
from uuid import UUID

PracticeId = NewType("PracticeId", str)
TherapistId = NewType("TherapistId", str)
ClientId = NewType("ClientId", str)
CaseId = NewType("CaseId", str)
SessionId = NewType("SessionId", str)
RatingId = NewType("RatingId", str)
InstrumentId = NewType("InstrumentId", str)
DyadId = NewType("DyadId", UUID)
EpisodeId = NewType("EpisodeId", UUID)

NO_CASE = CaseId("")
"""The case of a dyad whose practice does not distinguish courses of therapy."""

_NAMESPACE = UUID("6a1b1f0e-8f0b-5c0e-9a63-0d3c5c1f7a11")
_NAMESPACE_HASH = sha1(_NAMESPACE.bytes, usedforsecurity=False)
_FREE_BITS = (1 << 128) - 1 ^ 0xF000 << 64 ^ 0xC000 << 48
_VERSION_5 = 0x5000 << 64 | 0x8000 << 48


class Dyad(NamedTuple):
    """One client with one therapist in one course of therapy: the unit that has an alliance."""

    practice_id: PracticeId
    therapist_id: TherapistId
    client_id: ClientId
    case_id: CaseId = NO_CASE


class RatingIdentity(NamedTuple):
    """What the versions of one rating share; `schemas.rating_order.currency` says which is current."""

    practice_id: PracticeId
    client_id: ClientId
    session_id: SessionId
    instrument: InstrumentId


def _sha1(name: bytes) -> bytes:
    digest = _NAMESPACE_HASH.copy()
    digest.update(name)
    return digest.digest()


def _named(kind: str, parts: Sequence[str]) -> UUID:
    # Ids contain no unit separator (control characters are refused), so two lists never give the same name.
    # This is uuid5(_NAMESPACE, name) in half its time: every rating needs several.
    name = "\x1f".join((kind, *parts)).encode()
    number = int.from_bytes(_sha1(name)[:16])
    return UUID(int=number & _FREE_BITS | _VERSION_5)


def _named_text(kind: str, parts: Sequence[str]) -> str:
    # Equals str(_named(kind, parts)) in a third of the time: ingest derives two ids for every rating.
    named = bytearray(_sha1("\x1f".join((kind, *parts)).encode()))
    named[6] = named[6] & 0x0F | 0x50
    named[8] = named[8] & 0x3F | 0x80
    digits = named.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"


def dyad_id(dyad: Dyad) -> DyadId:
    """Return the id under which everything about a dyad is stored."""
    return DyadId(_named("dyad", dyad))


def default_rating_id(practice_id: PracticeId, content_hash: str) -> RatingId:
    """Return the id of a rating that was sent without one: the same content gives the same id."""
    return RatingId(_named_text("rating", (practice_id, content_hash)))


def session_rated_event_id(practice_id: PracticeId, rating: RatingId, content_hash: str) -> str:
    """Return the id of a rating's event: the same rating sent twice is the same event."""
    return _named_text("session-rated", (practice_id, rating, content_hash))


def assessment_id(dyad: DyadId, identity: RatingIdentity, revision: int, input_hash: str) -> str:
    """Return the id of the event with one revision of a rating's assessment."""
    return _named_text("assessment", (str(dyad), *identity, str(revision), input_hash))


def episode_id(dyad: DyadId, opened_session: SessionId, opened_instrument: InstrumentId) -> EpisodeId:
    """Return the id of an episode, derived from the dyad and the session at which it was found to open."""
    return EpisodeId(_named("episode", (str(dyad), opened_session, opened_instrument)))


def episode_event_id(episode: EpisodeId, revision: int) -> UUID:
    """Return the id of the event with one change of an episode."""
    return _named("episode-changed", (str(episode), str(revision)))


def client_renamed_event_id(practice: PracticeId, former: ClientId, client: ClientId, at: datetime) -> UUID:
    """Return the id of the event that a client got another reference at that time (aware)."""
    return _named("client-renamed", (practice, former, client, at.astimezone(UTC).isoformat()))


def response_event_id(episode: EpisodeId, answer_revision: int) -> UUID:
    """Return the id of the event with one answer of a therapist."""
    return _named("therapist-responded", (str(episode), str(answer_revision)))


def observation_id(dyad: DyadId, session: SessionId, instrument: InstrumentId) -> UUID:
    """Return the id of the FHIR Observation of an assessment; every revision has the same."""
    return _named("observation", (str(dyad), session, instrument))


def communication_id(episode: EpisodeId, revision: int, channel: str) -> UUID:
    """Return the id of the FHIR Communication of a change that was told on one channel."""
    return _named("communication", (str(episode), str(revision), channel))


def rejection_id(cluster_id: str, topic: str, partition: int, offset: int) -> UUID:
    """Return the id of a rejection, derived from the position of the rejected record."""
    return _named("rejected", (cluster_id, topic, str(partition), str(offset)))


def heartbeat_id(partition: int, minute: str) -> UUID:
    """Return the id of the heartbeat of a partition and minute (`minute` as `2026-11-20T10:00Z`)."""
    return _named("heartbeat", (str(partition), minute))


def erasure_subjects(
    practice_id: str, therapist_id: str, client_id: str
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return as whose data something about a dyad may have been erased: each a kind and its ids."""
    return (
        ("client", practice_id, client_id),
        ("therapist", practice_id, therapist_id),
        ("tenant", practice_id),
    )


def record_key(secret: bytes, dyad: Dyad) -> bytes:
    """Return the key of a dyad's records: a keyed hash of 32 hexadecimal characters that reveals no id.

    >>> record_key(b"secret", Dyad(PracticeId("p"), TherapistId("t"), ClientId("c")))
    b'd9de029dd2ab957755b285c5e484b1dd'
    """
    return hmac.digest(secret, "\x1f".join(dyad).encode(), "sha256")[:16].hex().encode()
