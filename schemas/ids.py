"""Identities: names in, stable ids and record keys out. Every id is a pure function of what it names."""

import hmac
from collections.abc import Sequence
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
"""The case of a dyad whose practice does not tell courses of therapy apart."""

_NAMESPACE = UUID("6a1b1f0e-8f0b-5c0e-9a63-0d3c5c1f7a11")
_BEGUN = sha1(_NAMESPACE.bytes, usedforsecurity=False)
_FREE_BITS = (1 << 128) - 1 ^ 0xF000 << 64 ^ 0xC000 << 48
_VERSION_5 = 0x5000 << 64 | 0x8000 << 48


class Dyad(NamedTuple):
    """The unit that has an alliance: one client with one therapist in one course of therapy."""

    practice_id: PracticeId
    therapist_id: TherapistId
    client_id: ClientId
    case_id: CaseId = NO_CASE


class RatingIdentity(NamedTuple):
    """What makes two ratings versions of one another: the greatest of one identity is current."""

    practice_id: PracticeId
    client_id: ClientId
    session_id: SessionId
    instrument: InstrumentId


def _sha1(name: bytes) -> bytes:
    begun = _BEGUN.copy()
    begun.update(name)
    return begun.digest()


def _named(kind: str, parts: Sequence[str]) -> UUID:
    # The unit separator cannot stand in an id (control characters are refused), so no two lists collide.
    # This is uuid5(_NAMESPACE, …) in half its time: every rating needs several.
    name = "\x1f".join((kind, *parts)).encode()
    number = int.from_bytes(_sha1(name)[:16])
    return UUID(int=number & _FREE_BITS | _VERSION_5)


def _named_text(kind: str, parts: Sequence[str]) -> str:
    # What str(_named(…)) is, in a third of the time: ingest names two ids for every line it reads.
    named = bytearray(_sha1("\x1f".join((kind, *parts)).encode()))
    named[6] = named[6] & 0x0F | 0x50
    named[8] = named[8] & 0x3F | 0x80
    digits = named.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"


def dyad_id(dyad: Dyad) -> DyadId:
    """The id under which everything about one dyad is stored."""
    return DyadId(_named("dyad", dyad))


def default_rating_id(practice_id: PracticeId, content_hash: str) -> RatingId:
    """The id of a rating that was sent without one: the same body twice is one rating."""
    return RatingId(_named_text("rating", (practice_id, content_hash)))


def session_rated_event_id(practice_id: PracticeId, rating: RatingId, content_hash: str) -> str:
    """The id of the event that carries a rating: the same rating sent twice is the same event."""
    return _named_text("session-rated", (practice_id, rating, content_hash))


def assessment_id(dyad: DyadId, identity: RatingIdentity, revision: int, input_hash: str) -> str:
    """The id of the event that carries one revision of a rating's assessment."""
    return _named_text("assessment", (str(dyad), *identity, str(revision), input_hash))


def episode_id(dyad: DyadId, opened_session: SessionId, opened_instrument: InstrumentId) -> EpisodeId:
    """The id of an episode: the dyad and the session at which it was first seen to open."""
    return EpisodeId(_named("episode", (str(dyad), opened_session, opened_instrument)))


def episode_event_id(episode: EpisodeId, revision: int) -> UUID:
    """The id of the event that carries one change of an episode."""
    return _named("episode-changed", (str(episode), str(revision)))


def response_event_id(episode: EpisodeId, answer_revision: int) -> UUID:
    """The id of the event that carries one answer of a therapist."""
    return _named("therapist-responded", (str(episode), str(answer_revision)))


def rejection_id(cluster_id: str, topic: str, partition: int, offset: int) -> UUID:
    """The id of a rejection: the place of the record that could not be processed."""
    return _named("rejected", (cluster_id, topic, str(partition), str(offset)))


def heartbeat_id(partition: int, minute: str) -> UUID:
    """The id of a heartbeat: one per partition and minute (`minute` as `2026-11-20T10:00Z`)."""
    return _named("heartbeat", (str(partition), minute))


def record_key(secret: bytes, dyad: Dyad) -> bytes:
    """The key of a dyad's records: keyed hash, 32 hexadecimal characters, so no identifier is readable."""
    return hmac.digest(secret, "\x1f".join(dyad).encode(), "sha256")[:16].hex().encode()
