"""Makes the data of `MeasureStored`: a form beside the alliance, which is never scored."""

from collections.abc import Sequence

from schemas.components import Component
from schemas.events import FORM_STATUSES, Mark, Scores
from schemas.ids import Dyad, RatingIdentity
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.instrument import Instrument
from schemas.instruments.scoring import score, to_units, total_of
from services.detector.contracts import MeasureNumbers, StoredMeasure
from services.detector.domain.dyad_work import RatingVersion
from services.detector.domain.form import instrument_of_stored, marks_as_sent


def measure_numbers(version: RatingVersion, catalogue: Catalogue) -> MeasureNumbers:
    """Return what is published of a measure: its total, and its components where it has them.

    Single answers are left out: nothing but the stored rating has them.

    Raises:
        Halt: no file describes its instrument any more.
    """
    rating = version.rating
    instrument = instrument_of_stored(rating.instrument, catalogue)
    marks = marks_as_sent(rating) if rating.status in FORM_STATUSES else None
    numbers = MeasureNumbers(rating.rating_id, version.order.session_at, rating.status, instrument.kind)
    if marks is None:
        return numbers
    components = {} if isinstance(marks, float) else _components(instrument, marks)
    return MeasureNumbers(
        numbers.rating_id,
        numbers.session_at,
        numbers.status,
        numbers.kind,
        total_of(instrument, marks),
        components,
    )


def _components(instrument: Instrument, marks: Sequence[Mark] | Scores) -> dict[Component, float]:
    if not instrument.components:
        return {}
    scores = score(instrument, marks)
    return {
        part: to_units(instrument, mark)
        for part in Component
        if (mark := getattr(scores, part.value)) is not None
    }


def published_measure(
    who: Dyad, identity: RatingIdentity, revision: int, numbers: MeasureNumbers
) -> StoredMeasure:
    """Return the data of `MeasureStored`, from what is stored of it."""
    return StoredMeasure(
        rating_id=numbers.rating_id,
        practice_id=who.practice_id,
        therapist_id=who.therapist_id,
        client_id=who.client_id,
        case_id=who.case_id,
        session_id=identity.session_id,
        session_at=numbers.session_at,
        instrument=identity.instrument,
        kind=numbers.kind,
        status=numbers.status,
        revision=revision,
        total=numbers.total,
        components=numbers.components,
    )
