"""Turns one row of a table into the body of a rating, or names its invalid cells without repeating values."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, time

from pydantic import ValidationError

from schemas.error_messages import rating_message
from schemas.events import Status
from schemas.instruments.instrument import Instrument
from schemas.instruments.scoring import check_marks
from schemas.rating import RatingBody
from schemas.rating_tables.column_names import SCORES
from schemas.rating_tables.columns import ColumnLayout
from schemas.rating_tables.date_cells import DateFormat
from schemas.rating_tables.mark_cells import is_known_status, mark_of, status_of
from schemas.rating_tables.questionnaire import Questionnaire, other_form
from schemas.rating_tables.side_forms import SideForm
from schemas.rating_tables.table import InvalidCell, TableLine, normalize
from schemas.ratings_csv import RatingRow
from schemas.validation_errors import InvalidInput, Violation, violations_of

_ITEM = re.compile(r"item (\d+) ")
_NOT_ALLOWED = re.compile(r"[\s@/\\?#%]|^\.")


_TABLE_WORDS = (
    ("null", "an empty cell"),
    ("status declined", "no mark at all"),
    ("send a pseudonymous", "a pseudonymous"),
)
"""Words of error messages about sent ratings, and their counterparts for tables."""
_NO_DATE = frozenset({"", "[not completed]"})
"""What stands in place of a date where no form was given; REDCap writes the second."""
_OF_MANY = frozenset(
    {
        "total", "totals", "sum", "average", "avg", "mean", "median", "summe", "gesamt", "gesamtsumme",
        "mittelwert", "durchschnitt", "somme", "moyenne", "promedio", "media", "suma", "gemiddelde", "totaal",
    }
)  # fmt: skip
"""Words in place of a client where a row sums up others."""
_REFERENCES = ("client_id", "therapist_id", "session_id", "case_id", "id")


class RowParser:
    """Parses the rows of one table one after the other, and counts what it leaves out."""

    def __init__(
        self,
        columns: ColumnLayout,
        questionnaire: Questionnaire,
        dates: DateFormat,
        *,
        therapist: str,
        replaces: bool,
        side_forms: Sequence[SideForm],
    ) -> None:
        self._columns = columns
        self._questionnaire = questionnaire
        self._dates = dates
        self._therapist = therapist
        self._replaces = replaces
        self._marks = [
            *columns.items,
            *filter(None, map(columns.get, (*SCORES, "total"))),
            *(name for form in side_forms for name in form.columns),
        ]
        """The columns of all marks."""
        self.moments: dict[int, datetime] = {}
        self.replaced = False
        self.other_forms: Counter[str] = Counter()
        self.stored: Counter[str] = Counter()
        self.unknown_statuses: Counter[str] = Counter()
        self.without_form = 0
        self._forms: defaultdict[tuple[object, ...], list[dict[str, object]]] = defaultdict(list)
        self.same_day = 0

    def is_of_another_form(self, line: TableLine) -> bool:
        """Return whether a row names a questionnaire about something else that is not known; count it."""
        cell = self._cell(line, "instrument")
        name = other_form(cell)
        known = self._questionnaire.by_name.get(normalize(cell))
        if name is None or known is not None:
            return False
        self.other_forms[name] += 1
        return True

    def is_without_form(self, line: TableLine) -> bool:
        """Return whether a row says neither when a session was nor anything about it; count it."""
        if not is_no_date(self._columns.session_cell(line)):
            return False
        if self._cell(line, "status").strip() or any(line.cells[name].strip() for name in self._marks):
            return False
        self.without_form += 1
        return True

    def parse(self, line: TableLine) -> RatingRow | list[InvalidCell]:
        """Return the rating in a row, or what is wrong with it."""
        if not _OF_MANY.isdisjoint(self._cell(line, "client_id").casefold().replace(":", " ").split()):
            expected = "a client's reference; remove rows of totals and means"
            return [self._invalid(line, Violation("client_id", "names a total of several rows", expected))]
        at = self._dates.read(self._columns.session_cell(line))
        if at is None:
            expected = f"a date written like most of this column ({self._dates.written})"
            return [self._invalid(line, Violation("session_at", "is not a date", expected))]
        instrument = self._questionnaire.of(self._cell(line, "instrument"))
        if instrument is None:
            known = ", ".join(sorted({str(one.id) for one in self._questionnaire.by_name.values()}))
            return [self._invalid(line, Violation("instrument", "is unknown", f"one of {known}"))]
        body = self._body(line, at, instrument)
        if violations := _violations(body, instrument):
            return [self._invalid(line, one) for one in violations]
        self.moments[line.number] = at
        if not instrument.is_alliance:
            self.stored[str(instrument.id)] += 1
        if not is_known_status(status := self._cell(line, "status")):
            self.unknown_statuses[status] += 1
        practice = self._reference(line, "practice_id") or None
        if not self._cell(line, "session_id") and at.time() == time():
            self._tell_apart(practice, body)
        return RatingRow(line.number, practice, body)

    def parse_side_form(
        self, line: TableLine, form: SideForm, beside: RatingRow
    ) -> RatingRow | list[InvalidCell] | None:
        """Return the rating of another form in the row of `beside`; None where it was not filled in."""
        marks = [mark_of(line.cells[name]) for name in form.columns]
        status = status_of(self._cell(line, "status"), has_marks=any(mark is not None for mark in marks))
        body = {
            name: value
            for name, value in beside.body.items()
            if name not in {"items", "scores", "total", "status", "next_session_at"}
        }
        body["instrument"] = str(form.instrument.id)
        if "id" in body:
            # An id is that of one rating, and the row has several.
            body["id"] = f"{body['id']}-{form.instrument.id}"
        if any(mark is not None for mark in marks):
            body |= {"total": marks[0]} if form.has_total else {"items": marks}
        elif status is not Status.WITHDRAWN:
            return None
        if status is not None:
            body["status"] = status
        if violations := _violations(body, form.instrument):
            return [self._invalid(line, one, form.columns) for one in violations]
        self.moments[line.number] = self.moments[beside.number]
        self.stored[str(form.instrument.id)] += 1
        return RatingRow(line.number, beside.practice_id, body)

    def _tell_apart(self, practice: str | None, body: dict[str, object]) -> None:
        """Make a second form of a client on a day without time a session of its own; a copy stays a copy.

        A second form at the same time of day corrects the first, as does one with a time of change.
        """
        if "recorded_at" in body or body.get("status") == Status.WITHDRAWN:
            return
        forms = self._forms[practice, body["client_id"], body["session_id"], body["instrument"]]
        if body not in forms:
            forms.append(dict(body))
            self.same_day += len(forms) > 1
        if place := forms.index(body):
            body["session_id"] = f"{body['session_id']}-{place + 1}"

    def _cell(self, line: TableLine, role: str) -> str:
        column = self._columns.get(role)
        return line.cells[column] if column else ""

    def _reference(self, line: TableLine, role: str) -> str:
        cell = self._cell(line, role)
        if not self._replaces or not _NOT_ALLOWED.search(cell):
            return cell
        # Rapport accepts no names or addresses; for a preview it is enough to tell references apart.
        self.replaced = True
        return hashlib.sha256(cell.encode()).hexdigest()[:16]

    def _body(self, line: TableLine, at: datetime, instrument: Instrument) -> dict[str, object]:
        moment = at.isoformat()
        body: dict[str, object] = {"session_at": moment, "instrument": str(instrument.id)}
        body |= {role: text for role in _REFERENCES if (text := self._reference(line, role))}
        body.setdefault("client_id", "")
        body.setdefault("session_id", moment)
        if self._columns.get("therapist_id") is None:
            body["therapist_id"] = self._therapist
        body.setdefault("therapist_id", "")
        for role in ("recorded_at", "next_session_at"):
            if time := self._dates.read(self._cell(line, role)):
                body[role] = time.isoformat()
        items = [mark_of(line.cells[name]) for name in self._columns.items]
        while len(items) > instrument.items and items[-1] is None:
            items.pop()
        scores = {name: mark_of(self._cell(line, name)) for name in SCORES}
        if any(mark is not None for mark in items):
            body["items"] = items
        elif any(mark is not None for mark in scores.values()):
            body["scores"] = scores
        elif not instrument.components and (total := mark_of(self._cell(line, "total"))) is not None:
            body["total"] = total
        else:
            body["status"] = "declined"
        if status := status_of(self._cell(line, "status"), has_marks="status" not in body):
            body["status"] = status
        return body

    def _invalid(
        self, line: TableLine, violation: Violation, items: Sequence[str] | None = None
    ) -> InvalidCell:
        item = _ITEM.match(violation.message)
        role = violation.field.split(".")[-1]
        column = self._columns.get(role) or role
        message = violation.message
        if violation.field == "items":
            place = int(item[1]) if item else 0
            items = self._columns.items if items is None else items
            named = 0 < place <= len(items)
            span = " … ".join(dict.fromkeys((items[0], items[-1]))) if items else "the marks"
            column = items[place - 1] if named else span
            message = message[item.end() :] if item else message
        expected = violation.expected
        for sent, written in _TABLE_WORDS:
            expected = expected.replace(sent, written)
        return InvalidCell(line.file_row, line.origin.get(column, column), message, expected)


def _violations(body: dict[str, object], instrument: Instrument) -> Sequence[Violation]:
    """Return what is wrong with a rating; nothing where it is valid."""
    try:
        rating = RatingBody.model_validate(body)
        if rating.marks is not None:
            check_marks(instrument, rating.marks)
    except ValidationError as error:
        return violations_of(error, rating_message)
    except InvalidInput as refused:
        return refused.violations
    return ()


def is_no_date(cell: str) -> bool:
    return cell.strip().lower() in _NO_DATE
