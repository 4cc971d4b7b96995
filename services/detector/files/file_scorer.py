"""Rows of a table in, their sessions as the stream would judge them out, client by client.

The rows of a client go through the very stages that a batch goes through: the desk that takes ratings up, the
model, the thresholds, the fold. In a file the row number stands for the moment of acceptance.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isnan

from pydantic import ValidationError

from schemas import topics
from schemas.error_messages import words_for
from schemas.events import Scores
from schemas.ids import PracticeId, dyad_id
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.scoring import score
from schemas.rating import LATEST, RatingBody, content_hash, rating_id
from schemas.rating_order import dyad
from schemas.ratings_csv import Row
from schemas.validation_errors import Refused, complaints_of
from services.detector import contracts
from services.detector.contracts import Rated
from services.detector.domain.detector import Detector
from services.detector.domain.episodes import EMPTY, fold
from services.detector.domain.rating_versions import Desk
from services.detector.domain.thresholds import Threshold, default_threshold
from services.detector.storage.practices import Practice
from services.detector.storage.ratings import Known
from services.detector.stream.batch import Arrival, DyadWork, Session
from services.detector.stream.stages.assess import assess_dyads, weigh_session
from services.detector.stream.stages.load import in_order, take_new
from services.runtime.kafka.record import Record
from services.runtime.process.errors import Reject

COLUMNS = (
    "session_id", "client_id", "risk", "alert", "leading_component", "bond", "goal", "task", "episode",
    "model_version",
)  # fmt: skip
NO_PRACTICE = "file"
Client = tuple[str, str]
Thresholds = Mapping[str, tuple[Threshold, ...]]


class BadRow(ValueError):
    """A row cannot be scored; the message names it and says what is expected."""


@dataclass(slots=True)
class Group:
    """All rows of one client: the widest circle in which ratings have to do with one another."""

    dyads: dict[object, DyadWork] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)


def client_of(row: Row) -> Client:
    """Whose row it is: practice and client."""
    return row.practice_id or NO_PRACTICE, str(row.body["client_id"])


def add(group: Group, row: Row) -> None:
    """Put a row to those of its client.

    Raises:
        BadRow: it is no rating.
    """
    practice = PracticeId(row.practice_id or NO_PRACTICE)
    try:
        body = RatingBody.model_validate(row.body)
    except ValidationError as error:
        raise _bad(row.number, Refused(complaints_of(error, words_for))) from None
    # Later than any moment that a rating may name, and in the order of the rows.
    accepted_at = LATEST + timedelta(microseconds=row.number)
    rating = rated_of(practice, body, accepted_at)
    who = dyad(practice, body)
    work = group.dyads.get(who)
    if work is None:
        work = group.dyads[who] = DyadWork(dyad_id(who), who, b"file", 0)
    record = Record(topics.SESSION_RATED.name, 0, row.number, 0, b"file", None)
    group.arrivals.append(Arrival(record, rating, work))


def rated_of(practice: PracticeId, body: RatingBody, accepted_at: datetime) -> Rated:
    """What the stream's event of this body would be read as."""
    hashed = content_hash(body)
    sent = body.scores
    return Rated(
        rating_id=rating_id(practice, body, hashed),
        practice_id=practice,
        therapist_id=body.therapist_id,
        client_id=body.client_id,
        session_id=body.session_id,
        session_at=body.session_at,
        instrument=body.instrument,
        status=body.status,
        accepted_at=accepted_at,
        content_hash=hashed,
        case_id=body.case_id or "",
        items=body.items,
        scores=None if sent is None else contracts.Scores(sent.bond, sent.goal, sent.task),
        next_session_at=body.next_session_at,
        recorded_at=body.recorded_at,
    )


def _bad(number: int, why: Refused) -> BadRow:
    said = "; ".join(f"{one.field} {one.message}, expected {one.expected}" for one in why.complaints)
    return BadRow(f"row {number}: {said}")


class Shop:
    """Takes the rows of clients through the stages of the stream."""

    def __init__(self, model: Detector, catalogue: Catalogue, thresholds: Thresholds) -> None:
        self._model = model
        self._catalogue = catalogue
        self._thresholds = thresholds
        self._default = default_threshold(model.version, model.threshold)

    def score(self, groups: Iterable[Group]) -> Iterator[tuple[int, str]]:
        """The lines of these clients, each with the number of its row.

        Raises:
            BadRow: a row cannot be scored.
        """
        kept = _Kept()
        writer = csv.writer(kept, lineterminator="\n")
        for one in self.judge(groups, _ignore, _stop):
            for session in one.sessions:
                writer.writerow(self._line(session))
                yield session.version.log[2], kept.line

    def judge(
        self, groups: Iterable[Group], left_out: Callable[[int], None], refused: Callable[[int, BadRow], None]
    ) -> list[DyadWork]:
        """The dyads of these clients, their sessions in order, each with what was found and decided.

        `left_out` hears of rows that are no session of their own (doubled, corrected, withdrawn), `refused`
        of rows that the stream would reject.
        """
        dyads = [dyad for group in groups for dyad in self._taken_up(group, left_out, refused)]
        assess_dyads(self._model, dyads)
        for one in dyads:
            practice = self._practice(one.who.practice_id)
            for session in one.sessions:
                weigh_session(session, practice)
            _, seen = fold(EMPTY, [s.scored for s in one.sessions if s.scored is not None])
            for session, what in zip(one.sessions, seen, strict=True):
                session.seen = what
        return dyads

    def _taken_up(
        self, group: Group, left_out: Callable[[int], None], refused: Callable[[int, BadRow], None]
    ) -> Iterator[DyadWork]:
        known = Known()
        desk = Desk("file", {dyad.id: dyad for dyad in group.dyads.values()}, known, self._catalogue)
        desk.take(group.arrivals, lambda one, why: refused(one.record.offset, self._explained(one, why)))
        kept: set[int] = set()
        for work in group.dyads.values():
            take_new(work, self._catalogue)
            in_order(work)
            kept.update(session.version.log[2] for session in work.sessions)
            if work.sessions:
                yield work
        for arrival in group.arrivals:
            if arrival.record.offset not in kept:
                left_out(arrival.record.offset)

    def _explained(self, arrival: Arrival, reject: Reject) -> BadRow:
        # The stream only says that the marks do not fit; whoever has the file may know which.
        rating, number = arrival.rating, arrival.record.offset
        try:
            sent = rating.scores
            given = rating.items or ()
            marks = given if sent is None else Scores(bond=sent.bond, goal=sent.goal, task=sent.task)
            score(self._catalogue.get(rating.instrument), marks)
        except Refused as why:
            return _bad(number, why)
        return BadRow(f"row {number}: {reject.detail}")

    def _practice(self, id_: str) -> Practice:
        own = self._thresholds.get(id_, ())
        return Practice(id_, None, None, self._model, own, self._default)

    def _line(self, session: Session) -> tuple[str, ...]:
        found, seen, rating, form = session.found, session.seen, session.version.rating, session.form
        if found is None or seen is None or form is None:
            raise AssertionError("a session of a file is always assessed")
        return (
            rating.session_id,
            rating.client_id,
            _number(found.risk),
            str(int(seen.flagged)),
            found.leading.value if found.leading is not None else "",
            _number(form.bond),
            _number(form.goal),
            _number(form.task),
            seen.step,
            self._model.version,
        )


class _Kept:
    """Stands where a csv writer expects a file, and keeps the last line."""

    line = ""

    def write(self, line: str) -> None:
        self.line = line


def _ignore(_row: int) -> None:
    """A row that is no session of its own has no line."""


def _stop(_row: int, bad: BadRow) -> None:
    raise bad


def _number(value: float) -> str:
    return "" if isnan(value) else f"{value:.6f}".rstrip("0").rstrip(".")
