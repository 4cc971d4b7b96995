"""Findings in, `AllianceAssessed` out: in instrument units, with a revision, and only if a number changed."""

from hashlib import blake2b
from math import isnan

from schemas import topics
from schemas.envelope import HEADERS
from schemas.ids import InstrumentId, RatingIdentity, SessionId, assessment_id
from schemas.instruments.instrument import Instrument
from schemas.instruments.scoring import to_units
from services.detector.assessment import Assessment, ComponentFinding
from services.detector.decide import EARLY_RATINGS
from services.detector.thresholds import Threshold
from services.detector.wire import Assessed, Finding, encode, envelope
from services.detector.work import Batch, DyadWork, Session, Tools, Version
from services.runtime.record import Outgoing

TYPE = topics.ASSESSED.name


async def publish(batch: Batch, tools: Tools) -> None:
    """Publish every assessment that is new or differs from the one that was published."""
    for dyad in batch.dyads.values():
        for session in dyad.sessions:
            if session.found is not None and session.threshold is not None:
                _publish(
                    batch, dyad, session, _assessed(session, session.found, session.threshold, dyad, tools)
                )
        for session in dyad.withdrawn:
            _publish(batch, dyad, session, _withdrawn(session.version, dyad))


def _publish(batch: Batch, dyad: DyadWork, session: Session, data: Assessed) -> None:
    data.revision = session.revision
    if session.revision and encode(data) == session.data:
        return
    data.revision = session.revision = session.revision + 1
    session.data = encode(data)
    at = dyad.caused_at or batch.tx.now
    # The hash covers all that varies, so equal ids mean equal bytes, also after a restored backup.
    hashed = blake2b(session.data + at.isoformat().encode(), digest_size=16).hexdigest()
    event_id = assessment_id(dyad.id, _identity(dyad, session.version), data.revision, hashed)
    value = envelope(TYPE, event_id, at, dyad.key, session.data)
    batch.tx.publish(Outgoing(topics.ASSESSED.name, dyad.key, value, dyad.partition, HEADERS))
    batch.counts["published"] += 1


def _identity(dyad: DyadWork, version: Version) -> RatingIdentity:
    rating = version.rating
    return RatingIdentity(
        dyad.who.practice_id,
        dyad.who.client_id,
        SessionId(rating.session_id),
        InstrumentId(rating.instrument),
    )


def _assessed(
    session: Session, found: Assessment, threshold: Threshold, dyad: DyadWork, tools: Tools
) -> Assessed:
    rating = session.version.rating
    instrument = tools.catalogue.get(rating.instrument)
    return Assessed(
        rating_id=rating.rating_id,
        practice_id=rating.practice_id,
        therapist_id=rating.therapist_id,
        client_id=rating.client_id,
        session_id=rating.session_id,
        session_at=session.version.place.session_at,
        instrument=rating.instrument,
        status=rating.status,
        revision=0,
        ratings=found.ratings,
        early=found.ratings < EARLY_RATINGS,
        threshold_version=threshold.version,
        model_version=dyad.practice.model.version,
        case_id=rating.case_id,
        risk=found.risk,
        components={name: _finding(one, instrument) for name, one in found.components.items()},
        leading_component=found.leading,
        threshold=threshold.value,
    )


def _finding(one: ComponentFinding, instrument: Instrument) -> Finding:
    score = None if isnan(one.score) else to_units(instrument, one.score)
    usual = None if isnan(one.usual) else to_units(instrument, one.usual)
    change = None if score is None or usual is None else round(score - usual, 6)
    return Finding(one.risk, score, usual, change)


def _withdrawn(version: Version, dyad: DyadWork) -> Assessed:
    rating = version.rating
    return Assessed(
        rating_id=rating.rating_id,
        practice_id=rating.practice_id,
        therapist_id=rating.therapist_id,
        client_id=rating.client_id,
        session_id=rating.session_id,
        session_at=version.place.session_at,
        instrument=rating.instrument,
        status=rating.status,
        revision=0,
        ratings=0,
        early=False,
        threshold_version=dyad.practice.default.version,
        model_version=dyad.practice.model.version,
        case_id=rating.case_id,
    )
