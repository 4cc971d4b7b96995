"""Reads cells of a table as marks or as a session's status, in the ways in which practices write them."""

from math import isfinite

from schemas.events import Status

_NOT_MARKED = frozenset(
    {
        "",
        "-",
        "\N{EN DASH}",
        ".",
        "?",
        "na",
        "n/a",
        "#n/a",
        "nan",
        "null",
        "#null!",
        "none",
        "k.a.",
        "missing",
    }
    | {f"-{code}{end}" for code in (9, 99, 999, 9999, 8, 88, 77) for end in ("", ".0", ".00", ",0", ",00")}
)
"""How tables write that nothing was marked; statistics programs write a negative number."""

_NOT_HELD = frozenset(
    {
        "cancelled",
        "canceled",
        "no show",
        "noshow",
        "did not attend",
        "dna",
        "late cancelled",
        "late canceled",
        "cancelled late",
        "canceled late",
        "late cancellation",
        "late cancel",
        "missed",
        "rescheduled",
        "abgesagt",
        "nicht erschienen",
        "ausgefallen",
        "kurzfristig abgesagt",
        "verschoben",
        "nicht wahrgenommen",
    }
)
"""How tables say that an appointment did not take place, hyphens and underscores read as blanks."""
_HELD = frozenset(
    {
        "show", "shown", "attended", "held", "kept", "present", "arrived", "seen", "complete", "completed",
        "done", "erschienen", "stattgefunden", "wahrgenommen", "durchgeführt", "abgeschlossen",
    }
)  # fmt: skip
"""How tables say that it did."""


def mark_of(cell: str) -> float | str | None:
    """Return a number, None where nothing was marked, or else the cell unchanged for the validation."""
    if cell.casefold() in _NOT_MARKED:
        return None
    if "_" in cell:  # Python reads 1_0 as 10, and nobody else does
        return cell
    try:
        mark = float(cell.replace(",", ".") if cell.count(",") == 1 and "." not in cell else cell)
    except ValueError:
        return cell
    return mark if isfinite(mark) else cell


def is_mark(cell: str) -> bool:
    """Return whether a cell is a number or means that nothing was marked."""
    return not isinstance(mark_of(cell), str)


def status_of(cell: str, *, has_marks: bool) -> Status | None:
    """Return the status that a cell names; None where it names none, or where marks say otherwise."""
    word = _words(cell)
    if word in _NOT_HELD:
        return None if has_marks else Status.CANCELLED
    return Status(word) if word in set(Status) else None


def is_known_status(cell: str) -> bool:
    """Return whether a cell is empty or says in a known word whether an appointment took place."""
    return not cell or _words(cell) in {*_NOT_HELD, *_HELD, *Status}


def _words(cell: str) -> str:
    return " ".join(cell.casefold().replace("-", " ").replace("_", " ").split())
