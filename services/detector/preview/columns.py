"""Guesses from the names and cells of a table which column holds which field, and how certain that is."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from services.detector.preview.date_cells import guess_dates
from services.detector.preview.mark_cells import is_mark
from services.detector.preview.table import Table, UnusableTable

Certainty = Literal["given", "sure", "likely", "guess"]

REQUIRED = ("client_id", "session_at")
SCORES = ("bond", "goal", "task")
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "next_session_at": ("nextsession", "nextappointment", "naechstesitzung", "nachstesitzung", "nexttermin"),
    "recorded_at": ("recordedat", "modified", "updated", "lastchange", "geandert"),
    "session_at": (
        "sessionat", "date", "datum", "fecha", "data", "datetime", "timestamp", "zeitpunkt", "termin",
        "dateseance", "dateofsession", "datumdersitzung", "fechasesion", "dataseduta",
    ),
    "therapist_id": (
        "therapist", "therapeut", "behandler", "clinician", "counsellor", "counselor", "provider",
        "practitioner", "psychologist", "psychologe", "terapeuta", "terapeut", "behandelaar",
    ),
    "case_id": ("caseid", "case", "fallid", "fallnr", "fallnummer", "fall", "treatment", "behandlung"),
    "client_id": (
        "client", "patient", "klient", "paziente", "paciente", "cliente", "pat", "pid", "usager", "pseudonym",
        "chiffre", "participant", "subject", "teilnehmer",
    ),
    "session_id": (
        "session", "sitzung", "seance", "sesion", "seduta", "sessie", "appointment", "encounter", "visit",
    ),
    "instrument": ("instrument", "questionnaire", "fragebogen", "measure", "scale", "skala", "cuestionario"),
    "status": ("status", "formstatus"),
    "practice_id": ("practice", "praxis", "clinic", "klinik", "standort", "site", "cabinet"),
    "id": ("ratingid", "ratinguuid"),
    "bond": ("bond", "bondscore", "bindung"),
    "goal": ("goal", "goalscore", "goals"),
    "task": ("task", "taskscore", "tasks"),
}  # fmt: skip
_SUFFIXES = (
    "",
    "id",
    "no",
    "nr",
    "num",
    "number",
    "nummer",
    "code",
    "ref",
    "key",
    "uuid",
    "in",
    "en",
    "s",
    "e",
)
_DATE_SUFFIXES = ("date", "datum", "fecha", "time", "zeit")
_PERSONAL = (
    "name",
    "birth",
    "geburt",
    "mail",
    "phone",
    "telefon",
    "note",
    "comment",
    "bemerkung",
    "gender",
    "alter",
)
_SRS_LINES = (
    ("relationship", "beziehung", "relation", "relacion"),
    ("goalsandtopics", "goals", "ziele", "zieleundthemen", "objectifs", "objetivos", "goal"),
    ("approachormethod", "approach", "method", "methode", "ansatz", "vorgehen", "approche", "enfoque"),
    ("overall", "gesamt", "gesamteindruck", "insgesamt", "global", "general"),
)
_OTHER_INSTRUMENTS = ("ors", "phq", "gad", "oq", "core", "bdi", "bsi", "who", "age")
"""Prefixes of items that belong to questionnaires about something else."""


@dataclass(frozen=True, slots=True)
class ColumnMatch:
    """One column and the field that it holds."""

    role: str
    column: str
    certainty: Certainty


@dataclass(frozen=True, slots=True)
class ColumnLayout:
    """Which column holds which field."""

    matches: tuple[ColumnMatch, ...]
    items: tuple[str, ...]
    """The columns with the marks, in the order of the items."""
    items_certainty: Certainty

    def get(self, role: str) -> str | None:
        """Return the column of a role, or None."""
        return next((match.column for match in self.matches if match.role == role), None)

    @property
    def scores(self) -> bool:
        """Whether the table has component scores instead of items."""
        return not self.items and all(self.get(name) for name in SCORES)


def normalize(name: str) -> str:
    """Return a name in lower case without accents, blanks and punctuation."""
    name = name.replace("ß", "ss")
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().casefold()
    return re.sub(r"[^a-z0-9]", "", ascii_name)


def guess_columns(table: Table, given: Mapping[str, str]) -> ColumnLayout:
    """Return what each column holds; the fields in `given` (role to column) are not guessed.

    Raises:
        UnusableTable: a given role or column does not exist, or a required column was not found.
    """
    _check(table, given)
    matches = [ColumnMatch(role, column, "given") for role, column in given.items() if not _is_item(role)]
    items, items_certainty = _items(table, given, {match.column for match in matches})
    free = [name for name in table.header if name and name not in items]
    ranked = sorted(
        (
            (_likeness(name, role), -place, role, name)
            for place, name in enumerate(free)
            for role in _SYNONYMS
        ),
        reverse=True,
    )
    for likeness, _, role, name in ranked:
        if likeness and not any(role == match.role or name == match.column for match in matches):
            matches.append(ColumnMatch(role, name, "sure" if likeness == 3 else "likely"))
    if not any(match.role == "session_at" for match in matches):
        taken = {match.column for match in matches}
        matches += [
            ColumnMatch("session_at", name, "guess")
            for name in free
            if name not in taken and _holds_dates(table, name)
        ][:1]
    columns = ColumnLayout(tuple(matches), items, items_certainty)
    _complete(table, columns)
    return columns


def _check(table: Table, given: Mapping[str, str]) -> None:
    for role, column in given.items():
        if role not in _SYNONYMS and not _is_item(role):
            known = ", ".join(sorted(_SYNONYMS))
            raise UnusableTable(
                f"--map {role}=…: there is no field {role}. The fields are {known}, item_1, item_2 …"
            )
        if column not in table.header:
            raise UnusableTable(f"--map {role}={column}: the file has no such column. {_header(table)}")


def _complete(table: Table, columns: ColumnLayout) -> None:
    for role in REQUIRED:
        if columns.get(role) is None:
            raise UnusableTable(
                f"No column was found for {role}. Name it with --map {role}=COLUMN. {_header(table)}"
            )
    if not columns.items and not columns.scores:
        raise UnusableTable(
            "No columns with marks were found. Name them with --map item_1=COLUMN --map item_2=COLUMN … "
            f"{_header(table)}"
        )


def _header(table: Table) -> str:
    return f"Its columns: {', '.join(name for name in table.header if name)}."


def _is_item(role: str) -> bool:
    return re.fullmatch(r"item_\d{1,3}", role) is not None


def _likeness(name: str, role: str) -> int:
    """Return how well a name fits a role.

    3: the field's name or a synonym; 2: a synonym with an ending such as `id`; 1: begins with a synonym;
    0: it does not fit.
    """
    spelled = normalize(name)
    if spelled == normalize(role) or name == role:
        return 3
    if any(word in spelled for word in _PERSONAL):
        return 0
    spelled = spelled.removeprefix("id") or spelled
    if not role.endswith("_at") and spelled.endswith(_DATE_SUFFIXES):
        return 0
    best = 0
    for stem in _SYNONYMS[role]:
        if spelled == stem:
            return 3
        if role == "session_at" and spelled.endswith(stem) and len(stem) > 3:
            best = max(best, 2)
        if role in SCORES or not spelled.startswith(stem):
            continue
        rest = spelled[len(stem) :]
        best = max(
            best, 2 if rest in _SUFFIXES or rest.removeprefix("en") in _SUFFIXES else (len(stem) > 4) * 1
        )
    return best


def _items(table: Table, given: Mapping[str, str], taken: set[str]) -> tuple[tuple[str, ...], Certainty]:
    numbered = sorted((int(role[5:]), column) for role, column in given.items() if _is_item(role))
    if numbered:
        return tuple(column for _, column in numbered), "given"
    by_prefix: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for name in table.header:
        match = re.fullmatch(r"(.*?)[\s_.\-]*(\d{1,3})", name)
        if match and name not in taken and _holds_marks(table, name):
            by_prefix[normalize(match[1])].append((int(match[2]), name))
    rows = {
        prefix: sorted(rest)
        for prefix, rest in by_prefix.items()
        if len(rest) > 1 and prefix not in _OTHER_INSTRUMENTS
    }
    if rows:
        prefix = max(rows, key=lambda name: (name == "item", _names_alliance(name), len(rows[name])))
        only = len(rows) == 1 or prefix == "item" or _names_alliance(prefix)
        return tuple(name for _, name in rows[prefix]), "sure" if only else "guess"
    return _srs_columns(table, taken), "likely"


def _names_alliance(prefix: str) -> bool:
    return any(word in prefix for word in ("srs", "wai", "alliance", "allianz", "alianza"))


def _srs_columns(table: Table, taken: set[str]) -> tuple[str, ...]:
    """Return the four columns that are named after the lines of the Session Rating Scale, or none."""
    lines = []
    for words in _SRS_LINES:
        free = [
            name for name in table.header
            if name not in taken and name not in lines and _holds_marks(table, name)
            and any(normalize(name).removeprefix("srs") == word for word in words)
        ]  # fmt: skip
        lines += free[:1]
    return tuple(lines) if len(lines) == len(_SRS_LINES) else ()


def _holds_marks(table: Table, name: str) -> bool:
    cells = table.column(name)[:500]
    return bool(cells) and sum(map(is_mark, cells)) >= 0.8 * len(cells)


def _holds_dates(table: Table, name: str) -> bool:
    cells: Sequence[str] = table.column(name)
    return bool(cells) and guess_dates(cells[:200]).fits >= 0.9
