"""Guesses which columns of a table hold the marks, one for each item of the alliance questionnaire."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import product, takewhile

from schemas.rating_tables.mark_cells import is_mark, mark_of
from schemas.rating_tables.table import Certainty, Table, normalize
from schemas.rating_tables.table_errors import UnclearTable

_SRS_LINES = (
    ("relationship", "beziehung", "relation", "relacion", "relatie", "relazione"),
    (
        "goalsandtopics", "goals", "ziele", "zieleundthemen", "objectifs", "objetivos", "goal", "doelen",
        "objectifsetsujets", "objectifsetthemes", "butsetsujets", "butsetthemes", "buts", "objetivosytemas",
        "metasytemas", "metas", "doelenenonderwerpen", "doelenenthemas", "obiettivi", "obiettivietemi",
    ),
    (
        "approachormethod", "approach", "method", "methode", "ansatz", "vorgehen", "approche", "enfoque",
        "ansatzodermethode", "vorgehenodermethode", "methodeodervorgehen", "approcheoumethode",
        "enfoqueometodo", "metodo", "aanpak", "aanpakofmethode", "werkwijze", "werkwijzeofmethode",
        "approccio", "approcciometodo",
    ),
    (
        "overall", "gesamt", "gesamteindruck", "insgesamt", "global", "general", "algeheel", "algemeen",
        "totaal", "impressiongenerale", "impressionglobale", "globalement", "ingeneral", "generale",
    ),
)  # fmt: skip
_ALLIANCE = ("srs", "wai", "alliance", "allianz", "alianza")
_ANY_FORM = frozenset({"", "item", "items", "i", "q", "question", "frage", "f", "pregunta", "mark", "answer"})
"""Prefixes of items that name no questionnaire."""
_OTHER_FORMS = (
    "ors", "phq", "gad", "oq", "core", "bdi", "bsi", "who", "dass", "hads", "scl", "madrs", "pcl", "sf12",
    "sf36", "eq5d", "k10", "k6", "wemwbs", "outcome", "symptom",
)  # fmt: skip
"""How the names of questionnaires about something else begin."""
_TOTALS = ("total", "sum", "score", "mean", "gesamt", "mittel")
"""What the names of columns with one number for a session hold."""
RESHAPE = (
    "Write one row for each session, with its date; spreadsheets call it unpivoting, or from wide to long. Or"
    " give each session a column with its date beside those with its marks, such as date_v1, srs1_v1 …"
    " srs4_v1, date_v2, srs1_v2 …: such a table is read as it is."
)
"""What to do with a table whose rows hold several sessions."""
_NOT_THE_CLIENTS = ("therapist", "therapeut", "clinician", "observer", "staff", "behandler", "supervisor")
"""Words for forms that somebody else than the client fills in."""
_HIGHEST = 10
"""The highest mark of any known scale."""
_FORMS = frozenset({"srs", "wai", "waisr", "wais"})
"""Names of columns that hold one number for a whole form."""
_ONE_ITEM = frozenset(
    {
        "item", "itemid", "itemno", "itemnr", "itemnumber", "question", "questionid", "questionno",
        "questionnumber", "frage", "fragenr", "pregunta", "vraag",
    }
)  # fmt: skip
"""Names of the column that says which item a row answers."""
_PERCENT = re.compile(r"\d+(?:[.,]\d+)?\s*%")
_FARTHEST_LINES = 6
"""Columns from the first to the last line of a form: a comment may stand between them."""
_NO_FORM = frozenset({"age", "total", "sum", "score", "visit", "session"})


def is_item(role: str) -> bool:
    """Return whether a role of `--map` is that of an item, such as `item_3`."""
    return re.fullmatch(r"item_\d{1,3}", role) is not None


def given_items(given: Mapping[str, str]) -> tuple[str, ...]:
    """Return the columns that are named for items, in the order of the items."""
    numbered = sorted((int(role[5:]), column) for role, column in given.items() if is_item(role))
    return tuple(column for _, column in numbered)


def guess_items(table: Table, given: Mapping[str, str], taken: set[str]) -> tuple[tuple[str, ...], Certainty]:
    """Return the columns with the marks in the order of the items, none when there are none.

    Raises:
        UnclearTable: a row holds the marks of several sessions.
    """
    if items := given_items(given):
        return items, "given"
    rows = _clients_own(_numbered_columns(table, taken))
    if rows:
        _refuse_totals(table, rows)
        _refuse_several_sessions(rows)
        prefix = max(rows, key=lambda name: (name == "item", names_alliance(name), len(rows[name])))
        rivals = [other for other in rows if names_alliance(other) == names_alliance(prefix)]
        only = prefix == "item" or (
            (names_alliance(prefix) or (len(rows) == 1 and prefix in _ANY_FORM)) and len(rivals) == 1
        )
        return tuple(name for _, name in rows[prefix]), "sure" if only else "guess"
    lines = named_lines(table, _SRS_LINES, taken, "srs")
    places = [table.header.index(name) for name in lines]
    # A line of another form may have taken the place of one of this.
    together = places == sorted(places) and max(places, default=0) - min(places, default=0) <= _FARTHEST_LINES
    return lines, "likely" if together else "guess"


def therapists_columns(table: Table) -> list[str]:
    """Return the columns of marks of the alliance whose names say that the therapist gave them."""
    rows = _numbered_columns(table, set())
    own = _clients_own(rows)
    return [
        name
        for prefix, numbered in rows.items()
        if prefix not in own and names_alliance(prefix)
        for _, name in numbered
    ]


def _clients_own(rows: Mapping[str, list[tuple[int, str]]]) -> dict[str, list[tuple[int, str]]]:
    """Return the columns without those of forms that somebody else than the client fills in."""

    def is_therapists(prefix: str) -> bool:
        if is_of_somebody_else(prefix):
            return True
        # `WAI_T_1` is the therapist's beside `WAI_C_1` or `WAI_1`; alone, T may stand for a time.
        rivals = [prefix[:-1] + letter for letter in ("", "c", "p", "k")]
        numbers = {number for number, _ in rows[prefix]}
        return prefix.endswith("t") and any(
            {number for number, _ in rows.get(rival, ())} == numbers for rival in rivals
        )

    return {prefix: numbered for prefix, numbered in rows.items() if not is_therapists(prefix)}


def is_of_somebody_else(spelled: str) -> bool:
    """Return whether a normalized name speaks of somebody else than the client who fills a form in."""
    return any(word in spelled for word in _NOT_THE_CLIENTS)


def names_alliance(prefix: str) -> bool:
    """Return whether a normalized name speaks of the alliance."""
    return any(word in prefix for word in _ALLIANCE)


def _numbered_columns(table: Table, taken: set[str]) -> dict[str, list[tuple[int, str]]]:
    """Return columns of marks whose names differ by a number at their end, by what is before it."""
    found: dict[str, list[tuple[int, str]]] = {}
    for prefix, columns in numbered_names(table).items():
        if prefix in _NO_FORM or prefix.startswith(_OTHER_FORMS):
            continue
        free = sorted(one for one in columns if one[1] not in taken)
        with_marks = [one for one in free if holds_marks(table, one[1])]
        if len(with_marks) > 1:
            # An item that nobody answered, between others, is one of the form.
            span = range(with_marks[0][0], with_marks[-1][0])
            found[prefix] = [
                one for one in free if one in with_marks or (one[0] in span and not table.column(one[1]))
            ]
    return found


def numbered_names(table: Table) -> dict[str, list[tuple[int, str]]]:
    """Return the columns whose names end in a number, with it, by what is before it, normalized."""
    by_prefix: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for name in table.header:
        match = re.fullmatch(r"(.*?)[\s_.\-]*(\d{1,3})", name)
        if match:
            by_prefix[normalize(match[1])].append((int(match[2]), name))
    return by_prefix


def why_no_marks(table: Table) -> str:
    """Return what columns hold that look like marks and are none, and what to do; empty where none does."""
    for prefix, numbered in numbered_names(table).items():
        names = [name for _, name in sorted(numbered)]
        cells = [cell for name in names for cell in table.column(name)[:500]]
        if len(names) > 1 and (line := _describing_line(table, names)):
            return (
                f"Line {line} holds words where the rows under it hold numbers: if it describes the columns,"
                " remove it. "
            )
        words = sum(not is_mark(cell) for cell in cells)
        if len(names) > 1 and names_alliance(prefix) and words > len(cells) / 2:
            return (
                f"The columns {names[0]} … {names[-1]} hold words instead of numbers. Export the codes"
                " instead of the labels, or replace each word by its number on the questionnaire's scale. "
            )
    if (percent := [name for name in table.header if name and _holds(table, name, _PERCENT)])[1:]:
        return (
            f"The columns {percent[0]} … {percent[-1]} hold percentages. Write the marks on the"
            " questionnaire's own scale, such as 8.6 for 86 %. "
        )
    if single := next((name for name in table.header if normalize(name) in _ONE_ITEM), None):
        return (
            f"Each row seems to hold one answer, to the item that {single} names. Write one row for each"
            " form, with a column for each item; spreadsheets call it pivoting, or from long to wide. "
        )
    for name in table.header:
        spelled = normalize(name)
        is_total = spelled in _FORMS or (names_alliance(spelled) and any(word in spelled for word in _TOTALS))
        if is_total and holds_marks(table, name):
            return (
                f"The column {name} seems to hold one total for a session. A total does not say which of"
                " bond, goal and task has changed: export the marks of the items, or the three component"
                " scores. "
            )
    return ""


def _holds(table: Table, name: str, form: re.Pattern[str]) -> bool:
    cells = table.column(name)[:500]
    return bool(cells) and sum(form.fullmatch(cell) is not None for cell in cells) >= 0.8 * len(cells)


def _describing_line(table: Table, names: Sequence[str]) -> int | None:
    """Return the last of the first lines that hold words in all these columns, when all later hold marks."""
    kinds = [[is_mark(line.cells[name]) for name in names] for line in table.lines]
    first = len(list(takewhile(lambda kind: not any(kind), kinds)))
    is_above = 0 < first < len(kinds) and all(map(all, kinds[first:]))
    return table.lines[first - 1].file_row if is_above else None


def _refuse_totals(table: Table, rows: Mapping[str, list[tuple[int, str]]]) -> None:
    for prefix, numbered in rows.items():
        names = [name for _, name in numbered]
        marks = [mark_of(cell) for name in names for cell in table.column(name)[:500]]
        numbers = [mark for mark in marks if isinstance(mark, float)]
        beyond = sum(mark > _HIGHEST for mark in numbers)
        if names_alliance(prefix) and beyond > len(numbers) / 2:
            raise UnclearTable(
                f"The columns {names[0]} … {names[-1]} seem to hold one total for each session. A total does"
                " not say which of bond, goal and task has changed: export one row for each session, with its"
                " date and the marks of the items, or the three component scores. If they are items"
                " measured in millimetres or per cent, write them on the questionnaire's own scale, such as"
                " 8.6 for 86. If they are items, name them with --map item_1=COLUMN …"
            )


def _refuse_several_sessions(rows: Mapping[str, list[tuple[int, str]]]) -> None:
    by_form: defaultdict[str, list[str]] = defaultdict(list)
    for prefix in rows:
        numbered = re.fullmatch(r"(.*?)\d{1,3}", prefix)
        if numbered and names_alliance(prefix):
            by_form[numbered[1]].append(prefix)
    for prefixes in by_form.values():
        if len(prefixes) > 1 and len({len(rows[prefix]) for prefix in prefixes}) == 1:
            first, last = rows[prefixes[0]][0][1], rows[prefixes[-1]][0][1]
            raise UnclearTable(
                f"Each row holds the marks of {len(prefixes)} sessions ({first} …, {last} …). {RESHAPE} If"
                " only one of them is meant, name its columns with --map item_1=COLUMN …"
            )


def named_lines(
    table: Table, lines_in_words: Sequence[Sequence[str]], taken: set[str], form: str
) -> tuple[str, ...]:
    """Return the columns of marks that are named after the lines of a questionnaire, or none.

    Other questionnaires have a line called "overall", too: those that stand together in this order are meant.

    Args:
        table: the table.
        lines_in_words: for each line what it is called, normalized.
        taken: columns that hold something else.
        form: the questionnaire's id, which may stand before or after the name of a line.
    """
    places = {name: place for place, name in enumerate(table.header)}
    found = [
        [
            name for name in table.header
            if name and name not in taken and holds_marks(table, name)
            and re.sub(r"\d+$", "", normalize(name)).removeprefix(form).removesuffix(form) in words
        ]
        for words in lines_in_words
    ]  # fmt: skip
    chosen = [lines for lines in product(*(names[:5] for names in found)) if len(set(lines)) == len(lines)]
    if not chosen:
        return ()

    def disorder(lines: tuple[str, ...]) -> tuple[bool, int]:
        order = [places[name] for name in lines]
        return order != sorted(order), max(order) - min(order)

    return min(chosen, key=disorder)


def holds_marks(table: Table, name: str) -> bool:
    """Return whether most filled cells of a column are numbers or say that nothing was marked."""
    cells = table.column(name)[:500]
    return bool(cells) and sum(map(is_mark, cells)) >= 0.8 * len(cells)
