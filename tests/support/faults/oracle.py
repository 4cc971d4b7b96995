"""Says from the log alone what must have become of it: it reads every record, then scores each dyad once.

It is naive on purpose: no batches, no snapshots, no state, no database, each dyad from its first session on.
It shares with the services only pure functions: they decode, make a form, assess it, and fold episodes.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from msgspec.structs import replace

from schemas.events import FORM_STATUSES, Status
from schemas.ids import Dyad, DyadId, PracticeId, dyad_id
from schemas.instruments.catalogue import Catalogue
from schemas.rating_order import dyad, session_order
from schemas.validation_errors import InvalidInput
from services.detector.domain.dated_rows import default_threshold
from services.detector.domain.detector import Detector
from services.detector.domain.dyad_work import LANE_OF, DyadWork, LogPosition, RatingVersion, SessionWork
from services.detector.domain.episode_state import NO_SESSIONS
from services.detector.domain.episodes import as_of, fold_episodes
from services.detector.domain.form import form_of
from services.detector.domain.practice import Practice
from services.detector.domain.session_scoring import apply_threshold, assess_dyads
from services.detector.published.events import (
    components_in_units,
    numbers_without_risk,
    pack_numbers,
    rated_numbers,
)
from services.detector.received import Rated, RatedEvent
from services.detector.stream.stages.decode import read
from services.runtime.kafka.record import Record
from services.runtime.process.errors import Reject

GONE = 1_000
"""Added to the partition of records that are not in Kafka any more, whose places others may have taken."""


class Place(NamedTuple):
    """Where a record stands in the logs of ratings; `lane` is the number of its topic in `LANES`."""

    lane: int
    partition: int
    offset: int

    @property
    def is_gone(self) -> bool:
        """Whether the log has lost the record that stood here."""
        return self.partition >= GONE


class RatingKey(NamedTuple):
    """One session of one client with one therapist: whatever is sent for it is a version of one rating."""

    dyad: Dyad
    session_id: str
    instrument: str


class ExpectedAssessment(NamedTuple):
    """What is stored of one rating, to the last digit; `numbers` packs all that is published."""

    rating_id: str
    risk: float | None
    threshold: float | None
    level: float | None
    flagged: bool
    step: str
    numbers: bytes


class ExpectedEpisode(NamedTuple):
    """One episode, without its id and revision, which depend on the order of arrival."""

    dyad: DyadId
    opened_session: str
    opened_at: datetime
    closed_at: datetime | None
    state: str


@dataclass(slots=True)
class Expectation:
    """What must have become of a log."""

    outcomes: dict[Place, str] = field(default_factory=dict)
    """Each record that is no heartbeat: `rating` (assessed or superseded), `duplicate` or `rejected`."""
    assessments: dict[RatingKey, ExpectedAssessment] = field(default_factory=dict)
    episodes: list[ExpectedEpisode] = field(default_factory=list)
    episodes_by_silence: list[ExpectedEpisode] = field(default_factory=list)
    """The same, with those closed that are silent today: the daily sweep may have come by."""


class _Delivered(NamedTuple):
    place: Place
    rating: Rated


def expect(records: Iterable[Record], model: Detector, catalogue: Catalogue, today: date) -> Expectation:
    """Return what must become of the records of the log of ratings, all of its partitions in order.

    Raises:
        ValueError: the outcome depends on the order in which partitions were read: one session is held by two
            dyads at the end, or one id was used in two partitions.
    """
    expected = Expectation()
    deliveries = _deliveries(records, expected)
    versions = _versions(deliveries, catalogue, expected)
    _check_sessions(versions)
    of_dyad: defaultdict[Dyad, dict[RatingKey, Rated]] = defaultdict(dict)
    for key, rating in versions.items():
        of_dyad[key.dyad][key] = rating
    for who, current in of_dyad.items():
        _score(who, current, model, catalogue, expected, today)
    return expected


def _deliveries(records: Iterable[Record], expected: Expectation) -> list[_Delivered]:
    deliveries = []
    for record in records:
        place = Place(LANE_OF[record.topic], record.partition, record.offset)
        try:
            event = read(record)
        except Reject:
            expected.outcomes[place] = "rejected"
            continue
        if isinstance(event, RatedEvent):
            deliveries.append(_Delivered(place, event.data))
    return deliveries


def _versions(
    deliveries: Sequence[_Delivered], catalogue: Catalogue, expected: Expectation
) -> dict[RatingKey, Rated]:
    """Return the current version of each rating, and note the outcome of each delivery."""
    of_id: defaultdict[tuple[str, str], list[_Delivered]] = defaultdict(list)
    for one in deliveries:
        of_id[one.rating.practice_id, one.rating.rating_id].append(one)
    versions: dict[RatingKey, Rated] = {}
    for same in of_id.values():
        if len({_key(one.rating).dyad for one in same}) > 1 and len({one.place[:2] for one in same}) > 1:
            raise ValueError("one id was used in two partitions: which was read first is not known")
        if (rating := _kept(same, catalogue, expected)) is not None:
            key = _key(rating)
            versions[key] = max(versions.get(key, rating), rating, key=_order_of_versions)
    return versions


def _kept(same: Sequence[_Delivered], catalogue: Catalogue, expected: Expectation) -> Rated | None:
    """Return the version that has the id at the end: the first one, or one that says it was changed later.

    A delivery that stands where a lost one of the same rating stood is taken for that one, read once more.
    """
    kept: Rated | None = None
    claimed: set[Place] = set()
    for place, rating in same:
        if not _is_usable(rating, catalogue):
            expected.outcomes[place] = "rejected"
        elif kept is None:
            expected.outcomes[place], kept = "rating", rating
            claimed.add(place)
        elif _key(rating) != _key(kept):
            expected.outcomes[place] = "rejected"
        elif rating.recorded_at != kept.recorded_at:
            expected.outcomes[place] = "rating"
            claimed.add(place)
            if kept.recorded_at is None or (rating.recorded_at and rating.recorded_at > kept.recorded_at):
                kept = rating
        elif rating.content_hash != kept.content_hash:
            expected.outcomes[place] = "rejected"
        else:
            is_read_again = place._replace(partition=place.partition + GONE) in claimed
            expected.outcomes[place] = "rating" if is_read_again else "duplicate"
            kept = _accepted_at(kept, min(kept.accepted_at, rating.accepted_at))
    return kept


def _is_usable(rating: Rated, catalogue: Catalogue) -> bool:
    if rating.status not in FORM_STATUSES:
        return True
    try:
        form_of(rating, catalogue.get(rating.instrument))
    except (Reject, InvalidInput):
        return False
    return True


def _key(rating: Rated) -> RatingKey:
    return RatingKey(dyad(PracticeId(rating.practice_id), rating), rating.session_id, rating.instrument)


def _accepted_at(rating: Rated, at: datetime) -> Rated:
    return replace(rating, accepted_at=at)


def _order_of_versions(rating: Rated) -> tuple[datetime, datetime, str]:
    return (rating.recorded_at or rating.accepted_at, rating.accepted_at, rating.rating_id)


def _check_sessions(versions: dict[RatingKey, Rated]) -> None:
    holders: defaultdict[tuple[str, str, str, str], set[Dyad]] = defaultdict(set)
    for key, rating in versions.items():
        if rating.status is not Status.WITHDRAWN:
            holders[key.dyad.practice_id, key.dyad.client_id, key.session_id, key.instrument].add(key.dyad)
    if any(len(dyads) > 1 for dyads in holders.values()):
        raise ValueError("two dyads hold one session at the end: which has to wait is not known")


def _score(
    who: Dyad,
    current: dict[RatingKey, Rated],
    model: Detector,
    catalogue: Catalogue,
    expected: Expectation,
    today: date,
) -> None:
    default = default_threshold(model.version, model.threshold)
    work = DyadWork(dyad_id(who), who, b"", 0)
    work.practice = Practice(who.practice_id, None, None, model, (), default)
    for key, rating in current.items():
        place = LogPosition("", 0, 0, 0)
        order = session_order(rating)
        version = RatingVersion(rating, order, work.id, rating.accepted_at, place, current=True)
        if version.has_form:
            version.form = form_of(rating, catalogue.get(rating.instrument))
            work.sessions.append(SessionWork(version, version.form))
        else:
            packed = pack_numbers(numbers_without_risk(version, work.practice))
            expected.assessments[key] = ExpectedAssessment(
                rating.rating_id, None, None, None, flagged=False, step="", numbers=packed
            )
    if not work.sessions:
        return
    work.sort_sessions()
    assess_dyads(model, [work])
    for session in work.sessions:
        apply_threshold(session, work.practice)
    risks = [session.session_risk for session in work.sessions if session.session_risk is not None]
    state, steps = fold_episodes(NO_SESSIONS, risks)
    for session, risk, step in zip(work.sessions, risks, steps, strict=True):
        rating = session.version.rating
        assert session.assessment is not None
        assert session.threshold is not None
        instrument = catalogue.get(rating.instrument)
        (units,) = components_in_units([(session.assessment.components, instrument)])
        numbers = rated_numbers(session.version, session.assessment, session.threshold, units, model.version)
        expected.assessments[_key(rating)] = ExpectedAssessment(
            rating.rating_id,
            risk.risk,
            risk.threshold,
            risk.level,
            flagged=step.flagged,
            step=step.step,
            numbers=pack_numbers(numbers),
        )
    for day, found in ((None, expected.episodes), (today, expected.episodes_by_silence)):
        for episode in as_of(state, day):
            closed_at = None if episode.closed is None else episode.closed.session_at
            state_name = "open" if episode.end is None else episode.end.value
            opened = episode.opened
            found.append(
                ExpectedEpisode(work.id, opened.session_id, opened.session_at, closed_at, state_name)
            )


def rated_event(record: Record) -> RatedEvent | None:
    """Return the rating in a record of the log; None if it holds none that can be decoded."""
    try:
        event = read(record)
    except Reject:
        return None
    return event if isinstance(event, RatedEvent) else None


def is_of(record: Record, practices: frozenset[str]) -> bool:
    """Return whether a record of the log is of these practices, or of nobody that can be told."""
    try:
        event = read(record)
    except Reject:
        return True
    return isinstance(event, RatedEvent) and event.data.practice_id in practices
