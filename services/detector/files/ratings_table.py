"""Reads a table of ratings into the sessions of its dyads, by the stream's own rules of versions.

`rapport score`, `rapport try` and the lab all read tables here. In a table the row number stands for the
moment of acceptance, so of two versions of one rating the later row is current unless `recorded_at` says
otherwise.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from schemas import topics
from schemas.csv_table import TableReader
from schemas.error_messages import rating_message
from schemas.ids import PracticeId, dyad_id
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.scoring import check_marks
from schemas.rating import LATEST, RatingBody, content_hash, rating_id
from schemas.rating_order import dyad
from schemas.ratings_csv import RatingRow, read_rows
from schemas.validation_errors import InvalidInput, violations_of
from services.detector import received
from services.detector.domain.dyad_work import Arrival, DyadWork, LogPosition, SessionWork
from services.detector.domain.form import forms_of, is_measure, marks_as_sent
from services.detector.domain.rating_versions import MOST_SESSIONS_OF_DYAD, RatingVersions
from services.detector.received import Rated
from services.runtime.kafka.record import Record
from services.runtime.process.errors import Reject

UNNAMED_PRACTICE = "file"
"""The practice of rows that name none."""

_BLOCKED = "the session is rated under another therapist or case: withdraw that rating"

ClientKey = tuple[str, str]
"""Practice and client."""


class InvalidRow(ValueError):
    """A row is no rating that the stream would accept; the message says what is expected."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(number, reason)
        self.number = number
        self.reason = reason

    def __str__(self) -> str:
        return f"row {self.number}: {self.reason}"


@dataclass(slots=True)
class ClientRows:
    """All rows of one client: ratings of different clients never affect one another."""

    dyads: dict[object, DyadWork] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)

    def add(self, row: RatingRow) -> None:
        """Add a row of this client.

        Raises:
            InvalidRow: the row is not a rating.
        """
        practice = PracticeId(row.practice_id or UNNAMED_PRACTICE)
        try:
            body = RatingBody.model_validate(row.body)
        except ValidationError as error:
            raise _invalid(row.number, InvalidInput(violations_of(error, rating_message))) from None
        # Later than any moment that a rating may name, and in the order of the rows.
        accepted_at = LATEST + timedelta(microseconds=row.number)
        who = dyad(practice, body)
        work = self.dyads.get(who)
        if work is None:
            work = self.dyads[who] = DyadWork(dyad_id(who), who, b"file", 0)
        record = Record(topics.SESSION_RATED.name, 0, row.number, 0, b"file", None)
        log = LogPosition("file", 0, 0, row.number)
        self.arrivals.append(Arrival(record, log, rated_of(practice, body, accepted_at), work))


def client_of(row: RatingRow) -> ClientKey:
    """Return the practice and the client of a row."""
    return row.practice_id or UNNAMED_PRACTICE, str(row.body["client_id"])


def row_number(session: SessionWork) -> int:
    """Return the number of the row that holds a session's current rating; the header is row 1."""
    return session.version.log.offset


def read_dyads(file: Path, catalogue: Catalogue, on_invalid: Callable[[InvalidRow], None]) -> list[DyadWork]:
    """Read a whole table (CSV in UTF-8): every dyad with its sessions in order, by its first row.

    Rows that the stream would reject go to `on_invalid`. The table is held in memory.

    Raises:
        UnreadableTable: a column is missing, or a row does not fit under the header.
    """
    clients: dict[ClientKey, ClientRows] = {}
    for row in read_rows(TableReader(file), catalogue.item_counts()):
        try:
            clients.setdefault(client_of(row), ClientRows()).add(row)
        except InvalidRow as invalid:
            on_invalid(invalid)
    dyads = current_sessions(clients.values(), catalogue, on_invalid)
    return sorted(dyads, key=lambda dyad: min(map(row_number, dyad.sessions)))


def current_sessions(
    clients: Iterable[ClientRows],
    catalogue: Catalogue,
    on_invalid: Callable[[InvalidRow], None],
) -> Iterator[DyadWork]:
    """Yield the dyads of these clients that have sessions, with their current, unassessed sessions in order.

    Repeated, corrected, withdrawn and cancelled rows are no sessions, nor are those of other questionnaires
    than the client's on the alliance. Rows that the stream would reject go to
    `on_invalid`.
    """
    for client in clients:
        forms = forms_of([arrival.rating for arrival in client.arrivals], catalogue)
        for arrival, form in zip(client.arrivals, forms, strict=True):
            arrival.form = form
            arrival.is_measure = form is None and is_measure(arrival.rating, catalogue)
        dyads = {dyad.id: dyad for dyad in client.dyads.values()}
        is_long = len(client.arrivals) > MOST_SESSIONS_OF_DYAD
        sessions = dict.fromkeys(dyads, 0) if is_long else {}
        changes = RatingVersions(sessions=sessions).claim(client.arrivals, dyads)
        for arrival, reject in changes.rejected:
            on_invalid(_explained(arrival, reject, catalogue))
        for arrival in changes.blocked:
            on_invalid(InvalidRow(arrival.log.offset, _BLOCKED))
        for work in client.dyads.values():
            work.add_touched()
            work.sort_sessions()
            if work.sessions:
                yield work


def rated_of(practice: PracticeId, body: RatingBody, accepted_at: datetime) -> Rated:
    """Return what the detector decodes from the stream's event of this rating."""
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
        scores=None if sent is None else received.DecodedScores(sent.bond, sent.goal, sent.task),
        total=body.total,
        next_session_at=body.next_session_at,
        recorded_at=body.recorded_at,
    )


def _explained(arrival: Arrival, reject: Reject, catalogue: Catalogue) -> InvalidRow:
    # The stream's reason names no item, because reasons are published. The owner of the file may read it.
    rating, number = arrival.rating, arrival.log.offset
    try:
        check_marks(catalogue.get(rating.instrument), marks_as_sent(rating) or ())
    except InvalidInput as refused:
        return _invalid(number, refused)
    return InvalidRow(number, reject.detail)


def _invalid(number: int, refused: InvalidInput) -> InvalidRow:
    return InvalidRow(
        number,
        "; ".join(f"{c.field} {c.message}, expected {c.expected}" for c in refused.violations),
    )
