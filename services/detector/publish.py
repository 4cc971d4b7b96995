"""Findings in, `AllianceAssessed` out: in instrument units, with a revision, and only if a number changed."""

from hashlib import sha256
from math import isnan

from schemas import topics
from schemas.envelope import HEADERS
from schemas.ids import Dyad, InstrumentId, RatingIdentity, SessionId, assessment_id
from schemas.instruments.instrument import Instrument
from schemas.instruments.scoring import to_units
from services.detector.assessment import Assessment, ComponentFinding
from services.detector.decide import EARLY_RATINGS
from services.detector.metrics import PUBLISHED
from services.detector.thresholds import Threshold
from services.detector.wire import Assessed, Finding, Numbers, envelope, pack
from services.detector.work import Batch, DyadWork, Session, Tools, Version
from services.runtime.record import Outgoing

TYPE = topics.ASSESSED.name


async def publish(batch: Batch, tools: Tools) -> None:
    """Publish every assessment that is new or differs from the one that was published."""
    for dyad in batch.dyads.values():
        for session in dyad.sessions:
            if session.found is not None and session.threshold is not None:
                instrument = tools.catalogue.get(session.version.rating.instrument)
                numbers = _numbers(session.version, session.found, session.threshold, instrument, dyad)
                _publish(batch, dyad, session, numbers)
        for session in dyad.withdrawn:
            _publish(batch, dyad, session, _withdrawn(session.version, dyad))


def _publish(batch: Batch, dyad: DyadWork, session: Session, numbers: Numbers) -> None:
    packed = pack(numbers)
    if packed == session.numbers:
        return
    session.numbers = packed
    session.revision += 1
    at = dyad.caused_at or batch.tx.now
    # The hash covers all that varies, so equal ids mean equal bytes, also after a restored backup.
    hashed = sha256(packed + pack(at)).hexdigest()
    identity = _identity(dyad, session.version)
    event_id = assessment_id(dyad.id, identity, session.revision, hashed)
    data = assessed(dyad.who, identity, session.revision, numbers)
    value = envelope(TYPE, event_id, at, dyad.key, data)
    batch.tx.publish(Outgoing(topics.ASSESSED.name, dyad.key, value, dyad.partition, HEADERS))
    batch.counts[PUBLISHED] += 1


def _identity(dyad: DyadWork, version: Version) -> RatingIdentity:
    rating = version.rating
    return RatingIdentity(
        dyad.who.practice_id,
        dyad.who.client_id,
        SessionId(rating.session_id),
        InstrumentId(rating.instrument),
    )


def assessed(who: Dyad, identity: RatingIdentity, revision: int, numbers: Numbers) -> Assessed:
    """What is published of an assessment, from what is stored of it."""
    is_withdrawn = numbers.risk is None
    return Assessed(
        rating_id=numbers.rating_id,
        practice_id=who.practice_id,
        therapist_id=who.therapist_id,
        client_id=who.client_id,
        session_id=identity.session_id,
        session_at=numbers.session_at,
        instrument=identity.instrument,
        status=numbers.status,
        revision=revision,
        ratings=numbers.ratings,
        early=numbers.ratings < EARLY_RATINGS and not is_withdrawn,
        threshold_version=numbers.threshold_version,
        model_version=numbers.model_version,
        case_id=who.case_id,
        risk=numbers.risk,
        components={name: Finding(*values) for name, values in numbers.components.items()},
        leading_component=numbers.leading,
        threshold=numbers.threshold,
    )


def _numbers(
    version: Version, found: Assessment, threshold: Threshold, instrument: Instrument, dyad: DyadWork
) -> Numbers:
    return Numbers(
        rating_id=version.rating.rating_id,
        session_at=version.place.session_at,
        status=version.rating.status,
        threshold_version=threshold.version,
        model_version=dyad.practice.model.version,
        ratings=found.ratings,
        risk=found.risk,
        threshold=threshold.value,
        leading=found.leading,
        movement=found.movement,
        components={name: _in_units(one, instrument) for name, one in found.components.items()},
    )


def _in_units(
    one: ComponentFinding, instrument: Instrument
) -> tuple[float, float | None, float | None, float | None]:
    score = None if isnan(one.score) else to_units(instrument, one.score)
    usual = None if isnan(one.usual) else to_units(instrument, one.usual)
    change = None if score is None or usual is None else round(score - usual, 6)
    return one.risk, score, usual, change


def _withdrawn(version: Version, dyad: DyadWork) -> Numbers:
    return Numbers(
        rating_id=version.rating.rating_id,
        session_at=version.place.session_at,
        status=version.rating.status,
        threshold_version=dyad.practice.default.version,
        model_version=dyad.practice.model.version,
    )
