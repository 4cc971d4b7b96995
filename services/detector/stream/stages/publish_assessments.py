"""Publishes `AllianceAssessed` for each session whose numbers changed, with its next revision."""

from hashlib import sha256

from schemas import topics
from schemas.envelope import HEADERS
from schemas.ids import assessment_id
from schemas.rating_order import identity
from services.detector.contracts import Numbers, envelope, pack
from services.detector.domain.counts import Count
from services.detector.domain.dyad_work import DyadWork, SessionWork
from services.detector.domain.published_assessment import (
    components_in_units,
    numbers_without_risk,
    pack_numbers,
    published_assessment,
    rated_numbers,
)
from services.detector.stream.batch import Batch, Tools
from services.runtime.kafka.record import Outgoing

TYPE = topics.ASSESSED.name


async def publish_assessments(batch: Batch, tools: Tools) -> None:
    """Publish every assessment that is new or differs from the one that was published."""
    rated = [
        (dyad, session, session.assessment, session.threshold)
        for dyad in batch.dyads.values()
        for session in dyad.sessions
        if session.assessment is not None and session.threshold is not None
    ]
    catalogue = tools.catalogue
    units = components_in_units(
        [(found.components, catalogue.get(s.version.rating.instrument)) for _, s, found, _ in rated]
    )
    for (dyad, session, assessment, threshold), components in zip(rated, units, strict=True):
        model = dyad.practice.model.version
        numbers = rated_numbers(
            session.version, assessment, threshold, components, model, statistics=session.statistics
        )
        _publish(batch, dyad, session, numbers)
    for dyad in batch.dyads.values():
        for session in dyad.without_form:
            _publish(batch, dyad, session, numbers_without_risk(session.version, dyad.practice))


def _publish(batch: Batch, dyad: DyadWork, session: SessionWork, numbers: Numbers) -> None:
    packed = pack_numbers(numbers)
    if packed == session.numbers:
        return
    session.numbers = packed
    session.revision += 1
    at = dyad.caused_at or batch.tx.now
    # The hash covers all that varies, so equal ids mean equal bytes, also after a restored backup.
    hashed = sha256(packed + pack(at)).hexdigest()
    of_rating = identity(dyad.who.practice_id, session.version.rating)
    event_id = assessment_id(dyad.id, of_rating, session.revision, hashed)
    data = published_assessment(dyad.who, of_rating, session.revision, numbers)
    value = envelope(TYPE, event_id, at, dyad.key, data)
    batch.tx.publish(Outgoing(topics.ASSESSED.name, dyad.key, value, dyad.partition, HEADERS))
    batch.counts[Count.PUBLISHED] += 1
