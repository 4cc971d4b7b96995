"""The names and cells of a table in, which column holds what out; each with how sure that is."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from services.detector.preview.date_cells import guess_dates
from services.detector.preview.mark_cells import is_mark
from services.detector.preview.table import Table, Unreadable

Sure = Literal["told", "sure", "likely", "guess"]

NEEDED = ("client_id", "session_at")
SCORES = ("bond", "goal", "task")
_STEMS: dict[str, tuple[str, ...]] = {
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
_TAILS = ("", "id", "no", "nr", "num", "number", "nummer", "code", "ref", "key", "uuid", "in", "en", "s", "e")
_MOMENTS = ("date", "datum", "fecha", "time", "zeit")
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
_OTHERS = ("ors", "phq", "gad", "oq", "core", "bdi", "bsi", "who", "age")
"""Questionnaires about something else, whose items often stand in the same file."""


@dataclass(frozen=True, slots=True)
class Found:
    """One column and what it holds."""

    role: str
    column: str
    sure: Sure


@dataclass(frozen=True, slots=True)
class Columns:
    """What stands where."""

    found: tuple[Found, ...]
    items: tuple[str, ...]
    """The columns of marks, in the order of the items."""
    items_sure: Sure

    def get(self, role: str) -> str | None:
        """The column of a role; None when there is none."""
        return next((one.column for one in self.found if one.role == role), None)

    @property
    def scores(self) -> bool:
        """Whether there are component scores instead of items."""
        return not self.items and all(self.get(name) for name in SCORES)


def plain(name: str) -> str:
    """A name without accents, case, blanks and marks."""
    name = name.replace("ß", "ss")
    spelled = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().casefold()
    return re.sub(r"[^a-z0-9]", "", spelled)


def guess_columns(table: Table, told: Mapping[str, str]) -> Columns:
    """What each column holds; `told` (role to column) is not guessed.

    Raises:
        Unreadable: a told role or column does not exist, or a needed column was not found.
    """
    _check(table, told)
    found = [Found(role, column, "told") for role, column in told.items() if not _is_item(role)]
    items, items_sure = _items(table, told, {one.column for one in found})
    free = [name for name in table.header if name and name not in items]
    ranked = sorted(
        ((_likeness(name, role), -place, role, name) for place, name in enumerate(free) for role in _STEMS),
        reverse=True,
    )
    for likeness, _, role, name in ranked:
        if likeness and not any(role == one.role or name == one.column for one in found):
            found.append(Found(role, name, "sure" if likeness == 3 else "likely"))
    if not any(one.role == "session_at" for one in found):
        taken = {one.column for one in found}
        found += [
            Found("session_at", name, "guess") for name in free if name not in taken and _dates(table, name)
        ][:1]
    columns = Columns(tuple(found), items, items_sure)
    _complete(table, columns)
    return columns


def _check(table: Table, told: Mapping[str, str]) -> None:
    for role, column in told.items():
        if role not in _STEMS and not _is_item(role):
            known = ", ".join(sorted(_STEMS))
            raise Unreadable(
                f"--map {role}=…: there is no field {role}. Fields are {known}, item_1, item_2 …"
            )
        if column not in table.header:
            raise Unreadable(f"--map {role}={column}: the file has no such column. {_header(table)}")


def _complete(table: Table, columns: Columns) -> None:
    for role in NEEDED:
        if columns.get(role) is None:
            raise Unreadable(f"Which column is {role}? Say it with --map {role}=COLUMN. {_header(table)}")
    if not columns.items and not columns.scores:
        raise Unreadable(
            "Which columns hold the marks? Say it with --map item_1=COLUMN --map item_2=COLUMN … "
            f"{_header(table)}"
        )


def _header(table: Table) -> str:
    return f"Its columns: {', '.join(name for name in table.header if name)}."


def _is_item(role: str) -> bool:
    return re.fullmatch(r"item_\d{1,3}", role) is not None


def _likeness(name: str, role: str) -> int:
    """3: the field's own name or a synonym; 2: with an ending as ids have; 1: begins with one; 0: no."""
    spelled = plain(name)
    if spelled == plain(role) or name == role:
        return 3
    if any(word in spelled for word in _PERSONAL):
        return 0
    spelled = spelled.removeprefix("id") or spelled
    if not role.endswith("_at") and spelled.endswith(_MOMENTS):
        return 0
    best = 0
    for stem in _STEMS[role]:
        if spelled == stem:
            return 3
        if role == "session_at" and spelled.endswith(stem) and len(stem) > 3:
            best = max(best, 2)
        if role in SCORES or not spelled.startswith(stem):
            continue
        rest = spelled[len(stem) :]
        best = max(best, 2 if rest in _TAILS or rest.removeprefix("en") in _TAILS else (len(stem) > 4) * 1)
    return best


def _items(table: Table, told: Mapping[str, str], taken: set[str]) -> tuple[tuple[str, ...], Sure]:
    given = sorted((int(role[5:]), column) for role, column in told.items() if _is_item(role))
    if given:
        return tuple(column for _, column in given), "told"
    by_prefix: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for name in table.header:
        numbered = re.fullmatch(r"(.*?)[\s_.\-]*(\d{1,3})", name)
        if numbered and name not in taken and _holds_marks(table, name):
            by_prefix[plain(numbered[1])].append((int(numbered[2]), name))
    rows = {
        prefix: sorted(rest) for prefix, rest in by_prefix.items() if len(rest) > 1 and prefix not in _OTHERS
    }
    if rows:
        prefix = max(rows, key=lambda one: (one == "item", _names_alliance(one), len(rows[one])))
        only = len(rows) == 1 or prefix == "item" or _names_alliance(prefix)
        return tuple(name for _, name in rows[prefix]), "sure" if only else "guess"
    return _named_lines(table, taken), "likely"


def _names_alliance(prefix: str) -> bool:
    return any(word in prefix for word in ("srs", "wai", "alliance", "allianz", "alianza"))


def _named_lines(table: Table, taken: set[str]) -> tuple[str, ...]:
    """The four lines of a session rating, where the columns are named after them."""
    lines = []
    for words in _SRS_LINES:
        free = [
            name for name in table.header
            if name not in taken and name not in lines and _holds_marks(table, name)
            and any(plain(name).removeprefix("srs") == word for word in words)
        ]  # fmt: skip
        lines += free[:1]
    return tuple(lines) if len(lines) == len(_SRS_LINES) else ()


def _holds_marks(table: Table, name: str) -> bool:
    cells = table.column(name)[:500]
    return bool(cells) and sum(map(is_mark, cells)) >= 0.8 * len(cells)


def _dates(table: Table, name: str) -> bool:
    cells: Sequence[str] = table.column(name)
    return bool(cells) and guess_dates(cells[:200]).fits >= 0.9
