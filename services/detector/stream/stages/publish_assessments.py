"""Findings in, `AllianceAssessed` out: in instrument units, with a revision, and only if a number changed."""

from hashlib import sha256

from schemas import topics
from schemas.envelope import HEADERS
from schemas.ids import InstrumentId, RatingIdentity, SessionId, assessment_id
from services.detector.contracts import InUnits, Numbers, envelope, pack
from services.detector.domain.assessment import Assessment
from services.detector.domain.published_assessment import components_in_units, published_assessment
from services.detector.domain.thresholds import Threshold
from services.detector.metrics import PUBLISHED
from services.detector.stream.batch import Batch, DyadWork, Session, Tools, Version
from services.runtime.kafka.record import Outgoing

TYPE = topics.ASSESSED.name


async def publish(batch: Batch, tools: Tools) -> None:
    """Publish every assessment that is new or differs from the one that was published."""
    assessed = [
        (dyad, session, session.found, session.threshold)
        for dyad in batch.dyads.values()
        for session in dyad.sessions
        if session.found is not None and session.threshold is not None
    ]
    catalogue = tools.catalogue
    found = [(one.components, catalogue.get(s.version.rating.instrument)) for _, s, one, _ in assessed]
    for (dyad, session, one, threshold), components in zip(assessed, components_in_units(found), strict=True):
        _publish(batch, dyad, session, _numbers(session.version, one, threshold, components, dyad))
    for dyad in batch.dyads.values():
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
    data = published_assessment(dyad.who, identity, session.revision, numbers)
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


def _numbers(
    version: Version, found: Assessment, threshold: Threshold, components: InUnits, dyad: DyadWork
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
        components=components,
    )


def _withdrawn(version: Version, dyad: DyadWork) -> Numbers:
    return Numbers(
        rating_id=version.rating.rating_id,
        session_at=version.place.session_at,
        status=version.rating.status,
        threshold_version=dyad.practice.default.version,
        model_version=dyad.practice.model.version,
    )
