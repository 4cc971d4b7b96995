"""A table of ratings in, the same numbers that the stream would give out; no broker, no database.

The rows of a client go through the very stages that a batch goes through: the desk that takes ratings up, the
model, the thresholds, the fold. In a file the row number stands for the moment of acceptance.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from heapq import heappop, heappush
from math import isnan
from pathlib import Path
from typing import NamedTuple, TextIO

from pydantic import ValidationError

from schemas import topics
from schemas.complaints import Refused, complaints_of
from schemas.events import Scores
from schemas.ids import PracticeId, dyad_id
from schemas.instruments.loader import Catalogue
from schemas.instruments.scoring import score
from schemas.rated import session_rated_value
from schemas.rating import LATEST, RatingBody, dyad
from schemas.rating_words import words_for
from schemas.ratings_csv import Row, read_rows
from services.detector.assess import assess_dyads, weigh_session
from services.detector.core import Detector
from services.detector.decide import EMPTY, fold
from services.detector.desk import Desk
from services.detector.load import in_order, take_new
from services.detector.practices import Practice
from services.detector.ratings import Known
from services.detector.thresholds import Threshold, default_threshold
from services.detector.wire import RatedEvent, arriving
from services.detector.work import Arrival, DyadWork, Session
from services.runtime.errors import Reject
from services.runtime.record import Record

COLUMNS = (
    "session_id", "client_id", "risk", "alert", "leading_component", "bond", "goal", "task", "episode",
    "model_version",
)  # fmt: skip
NO_PRACTICE = "file"
_AT_ONCE = 2_000
"""Sessions that are scored together: enough to keep the model busy, few enough to keep memory small."""

Client = tuple[str, str]
Thresholds = Mapping[str, tuple[Threshold, ...]]


class BadRow(ValueError):
    """A row cannot be scored; the message names it and says what is expected."""


class _Line(NamedTuple):
    row: int
    values: tuple[str, ...]


@dataclass(slots=True)
class Group:
    """All rows of one client: the widest circle in which ratings have to do with one another."""

    dyads: dict[object, DyadWork] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)


def score_file(
    source: Path,
    target: TextIO,
    model: Detector,
    catalogue: Catalogue,
    *,
    thresholds: Thresholds | None = None,
    progress: Callable[[int], None] = lambda _rows: None,
) -> int:
    """Write one line per distinct rating, in the order of the file; the number of lines.

    The file is read twice: a client is scored as soon as its last row was read, so that a file sorted by
    client needs little memory whatever its size. `thresholds` are a practice's own, by practice.

    Raises:
        BadRow: a row cannot be scored.
        ValueError: a column is missing.
    """
    items_of = {str(instrument.id): instrument.items for instrument in catalogue}
    left = _rows_by_client(source, items_of)
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(COLUMNS)
    order = _InOrder(writer.writerow)
    shop = Shop(model, catalogue, thresholds or {})
    groups: dict[Client, Group] = {}
    ready: list[Group] = []
    with source.open(encoding="utf-8-sig", newline="") as lines:
        for row in read_rows(lines, items_of):
            client = client_of(row)
            order.expect(row.number)
            add(groups.setdefault(client, Group()), row)
            left[client] -= 1
            if not left[client]:
                ready.append(groups.pop(client))
            if sum(len(group.arrivals) for group in ready) >= _AT_ONCE:
                shop.score(ready, order)
                ready.clear()
            progress(row.number)
    shop.score(ready, order)
    return order.written


def _rows_by_client(source: Path, items_of: Mapping[str, int]) -> Counter[Client]:
    with source.open(encoding="utf-8-sig", newline="") as lines:
        return Counter(client_of(row) for row in read_rows(lines, items_of))


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
    value = session_rated_value(practice, body, accepted_at=accepted_at, key=b"file")
    event = arriving.decode(value)
    if isinstance(event, RatedEvent):
        who = dyad(practice, body)
        work = group.dyads.setdefault(who, DyadWork(dyad_id(who), who, b"file", 0))
        record = Record(topics.SESSION_RATED.name, 0, row.number, 0, b"file", None)
        group.arrivals.append(Arrival(record, event.data, work))


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

    def score(self, groups: Iterable[Group], order: "_InOrder") -> None:
        """Write the lines of these clients.

        Raises:
            BadRow: a row cannot be scored.
        """
        for one in self.judge(groups, order.leave_out, _stop):
            for session in one.sessions:
                order.give(self._line(session))

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
        for arrival in group.arrivals:
            try:
                desk.take(arrival)
            except Reject as reject:
                refused(arrival.record.offset, self._explained(arrival, reject))
        desk.settle()
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

    def _line(self, session: Session) -> _Line:
        found, seen, rating, form = session.found, session.seen, session.version.rating, session.form
        if found is None or seen is None or form is None:
            raise AssertionError("a session of a file is always assessed")
        return _Line(
            session.version.log[2],
            (
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
            ),
        )


def _stop(_row: int, bad: BadRow) -> None:
    raise bad


def _number(value: float) -> str:
    return "" if isnan(value) else f"{value:.6f}".rstrip("0").rstrip(".")


class _InOrder:
    """Writes lines in the order of the rows, whichever client is done first."""

    def __init__(self, write: Callable[[tuple[str, ...]], object]) -> None:
        self._write = write
        self._expected: list[int] = []
        self._given: dict[int, tuple[str, ...] | None] = {}
        self.written = 0

    def expect(self, row: int) -> None:
        heappush(self._expected, row)

    def give(self, line: _Line) -> None:
        self._given[line.row] = line.values
        self._flush()

    def leave_out(self, row: int) -> None:
        self._given[row] = None
        self._flush()

    def _flush(self) -> None:
        while self._expected and self._expected[0] in self._given:
            values = self._given.pop(heappop(self._expected))
            if values is not None:
                self._write(values)
                self.written += 1
