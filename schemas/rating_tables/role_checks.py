"""Says which cells speak against the field that the name of their column speaks for."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from schemas.rating_tables.date_cells import are_times, guess_dates
from schemas.rating_tables.table import Table, normalize

_OTHER_DATES = (
    "birth", "geburt", "dob", "intake", "admission", "aufnahme", "referral", "discharge", "entlass", "enrol",
    "registration", "case", "fall", "first", "erst", "baseline", "treatmentstart", "therapiebeginn",
    "behandlungsbeginn", "due", "expir",
)  # fmt: skip
"""What the names of dates that are not those of sessions hold."""
_OTHER_KINDS = frozenset(
    {
        "age", "sex", "type", "typ", "art", "group", "gruppe", "status", "complete", "skip", "count", "total",
        "sum", "score", "duration", "length", "fee", "reason", "location", "format", "mode", "week", "woche",
    }
)  # fmt: skip
"""Words in the names of columns that describe something and identify nothing."""
_REFERENCES = frozenset({"client_id", "session_id", "case_id", "therapist_id", "id"})
_FIRST_YEAR = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A column, the field that its name speaks for, and what speaks against it."""

    column: str
    role: str
    why: str


class RoleChecks:
    """Checks the columns of one table."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._checks: dict[str, Callable[[str, str | None], str | None]] = {
            "session_at": self._session_at,
            "session_time": self._session_time,
            "session_id": self._session_id,
            "case_id": self._case_id,
            "id": self._rating_id,
        }

    def doubt(self, role: str, column: str, client: str | None) -> Doubt | None:
        """Return what speaks against a field, if anything; `client` is the column of the clients."""
        if role in _REFERENCES and _words(column) & _OTHER_KINDS:
            return Doubt(column, role, "its name says that it describes and does not identify")
        check = self._checks.get(role)
        why = check(column, client) if check else None
        return None if why is None else Doubt(column, role, why)

    def _session_at(self, column: str, client: str | None) -> str | None:
        spelled = normalize(column)
        if any(word in spelled for word in _OTHER_DATES):
            return "its name speaks of another date than that of a session"
        dates = guess_dates(self._table.column(column)[:200])
        moments = [dates.read(cell) for cell in self._table.column(column)[:200]]
        read = [moment for moment in moments if moment is not None]
        if read and sum(moment < _FIRST_YEAR for moment in read) > len(read) / 2:
            return "most of its dates are before 2000"
        courses = [cells for cells in self._by_client(column, client) if len(cells) > 1]
        are_most = sum(map(len, courses)) > len(self._table.lines) / 2
        if are_most and sum(len(set(cells)) > 1 for cells in courses) < len(courses) / 2:
            return "it is the same in all rows of most clients"
        return None

    def _session_time(self, column: str, _client: str | None) -> str | None:
        cells = self._table.column(column)[:200]
        return None if are_times(cells) else "its cells are no times of day"

    def _session_id(self, column: str, client: str | None) -> str | None:
        courses = list(self._by_client(column, client))
        rows, different = sum(map(len, courses)), sum(len(set(cells)) for cells in courses)
        return "it is the same in many rows of a client" if rows > 1 and different < 0.8 * rows else None

    def _case_id(self, column: str, client: str | None) -> str | None:
        courses = [cells for cells in self._by_client(column, client) if len(cells) > 1]
        rows, different = sum(map(len, courses)), sum(len(set(cells)) for cells in courses)
        return "it changes with nearly every row of a client" if rows and different > 0.5 * rows else None

    def _rating_id(self, column: str, _client: str | None) -> str | None:
        cells = self._table.column(column)
        return "it is the same in several rows" if len(set(cells)) < 0.8 * len(cells) else None

    def _by_client(self, column: str, client: str | None) -> Iterable[list[str]]:
        if client is None:
            return []
        cells: defaultdict[str, list[str]] = defaultdict(list)
        for line in self._table.lines:
            if line.cells[column]:
                cells[line.cells[client]].append(line.cells[column])
        return cells.values()


def _words(name: str) -> set[str]:
    """Return the words of a column's name, in lower case: `Session_Type` and `sessionType` have two."""
    apart = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    return {normalize(word) for word in re.split(r"[^A-Za-z0-9\u00c0-\u024f]+", apart)} - {""}
