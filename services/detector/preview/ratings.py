"""The cells of a table in, ratings out; and the rows that are none, named without their values."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from schemas.error_messages import words_for
from schemas.events import Scores
from schemas.instruments.instrument import Instrument
from schemas.instruments.scoring import score
from schemas.rating import RatingBody
from schemas.ratings_csv import Row
from schemas.validation_errors import Complaint, Refused, complaints_of
from services.detector.preview.columns import SCORES, Columns
from services.detector.preview.date_cells import Dates, guess_dates, has_zone
from services.detector.preview.mark_cells import mark_of
from services.detector.preview.questionnaire import Questionnaire
from services.detector.preview.table import Line, Table

_ITEM = re.compile(r"item (\d+) ")
_BARRED = re.compile(r"[\s@/\\?#%]|^\.")
_IN_A_TABLE = (("null", "an empty cell"), ("status declined", "no mark at all"))
"""How what is expected of a sent rating is said of a table."""
ONE_THERAPIST = "all"
_REFERENCES = ("client_id", "therapist_id", "session_id", "case_id", "id")


@dataclass(frozen=True, slots=True)
class BadCell:
    """What is wrong in one row: the column as the file calls it, and what is expected; never the value."""

    row: int
    column: str
    message: str
    expected: str


@dataclass(frozen=True, slots=True)
class Rows:
    """A table as ratings."""

    rows: tuple[Row, ...]
    bad: tuple[BadCell, ...]
    moments: dict[int, datetime]
    """When the session of each row took place, as the file writes it."""
    dates: Dates
    zone_assumed: bool
    """Some dates carry no time zone."""
    replaced: bool
    """Some references cannot be sent as they stand."""


def read(table: Table, columns: Columns, asked: Questionnaire, *, month_first: bool) -> Rows:
    """Every row as the body of a rating, or what is wrong with it."""
    dated = columns.get("session_at") or ""
    cells = table.column(dated)
    dates = guess_dates(cells, month_first=month_first)
    reader = _Reader(columns, asked, dates)
    rows: list[Row] = []
    bad: list[BadCell] = []
    for line in table.lines:
        found = reader.row(line)
        if isinstance(found, Row):
            rows.append(found)
        else:
            bad += found
    return Rows(
        rows=tuple(rows),
        bad=tuple(bad),
        moments=reader.moments,
        dates=dates,
        zone_assumed=any(not has_zone(cell) for cell in cells),
        replaced=reader.replaced,
    )


class _Reader:
    def __init__(self, columns: Columns, asked: Questionnaire, dates: Dates) -> None:
        self._columns = columns
        self._asked = asked
        self._dates = dates
        self.moments: dict[int, datetime] = {}
        self.replaced = False

    def row(self, line: Line) -> Row | list[BadCell]:
        at = self._dates.read(self._cell(line, "session_at"))
        if at is None:
            expected = f"a date written as most of this column ({self._dates.written})"
            return [self._bad(line, Complaint("session_at", "is no date", expected))]
        instrument = self._asked.of(self._cell(line, "instrument"))
        if instrument is None:
            known = ", ".join(sorted({str(one.id) for one in self._asked.by_name.values()}))
            return [self._bad(line, Complaint("instrument", "is not one we know", f"one of {known}"))]
        body = self._body(line, at, instrument)
        try:
            rating = RatingBody.model_validate(body)
            marks = rating.items if rating.scores is None else _as_scores(rating)
            if marks is not None:
                score(instrument, marks)
        except ValidationError as error:
            return [self._bad(line, one) for one in complaints_of(error, words_for)]
        except Refused as refused:
            return [self._bad(line, one) for one in refused.complaints]
        self.moments[line.number] = at
        return Row(line.number, self._reference(line, "practice_id") or None, body)

    def _cell(self, line: Line, role: str) -> str:
        column = self._columns.get(role)
        return line.cells[column] if column else ""

    def _reference(self, line: Line, role: str) -> str:
        cell = self._cell(line, role)
        if not _BARRED.search(cell):
            return cell
        # Names and addresses have no place in Rapport; here they only have to stay apart from one another.
        self.replaced = True
        return hashlib.sha256(cell.encode()).hexdigest()[:16]

    def _body(self, line: Line, at: datetime, instrument: Instrument) -> dict[str, object]:
        moment = at.isoformat()
        body: dict[str, object] = {"session_at": moment, "instrument": str(instrument.id)}
        body |= {role: text for role in _REFERENCES if (text := self._reference(line, role))}
        body.setdefault("client_id", "")
        body.setdefault("session_id", moment)
        if self._columns.get("therapist_id") is None:
            body["therapist_id"] = ONE_THERAPIST
        body.setdefault("therapist_id", "")
        for role in ("recorded_at", "next_session_at"):
            if moved := self._dates.read(self._cell(line, role)):
                body[role] = moved.isoformat()
        status = self._cell(line, "status").casefold()
        items = [mark_of(line.cells[name]) for name in self._columns.items]
        while len(items) > instrument.items and items[-1] is None:
            items.pop()
        scores = {name: mark_of(self._cell(line, name)) for name in SCORES}
        if any(mark is not None for mark in items):
            body["items"] = items
        elif any(mark is not None for mark in scores.values()):
            body["scores"] = scores
        else:
            body["status"] = "declined"
        if status in {"declined", "withdrawn", "rated"}:
            body["status"] = status
        return body

    def _bad(self, line: Line, complaint: Complaint) -> BadCell:
        item = _ITEM.match(complaint.message)
        role = complaint.field.split(".")[-1]
        column = self._columns.get(role) or role
        message = complaint.message
        if complaint.field == "items":
            place = int(item[1]) if item else 0
            named = 0 < place <= len(self._columns.items)
            column = self._columns.items[place - 1] if named else "the marks"
            message = message[item.end() :] if item else message
        expected = complaint.expected
        for sent, written in _IN_A_TABLE:
            expected = expected.replace(sent, written)
        return BadCell(line.number, column, message, expected)


def _as_scores(rating: RatingBody) -> Scores | None:
    sent = rating.scores
    return None if sent is None else Scores(bond=sent.bond, goal=sent.goal, task=sent.task)
