"""A column of dates as people write them in, the format that reads it out; and each cell as a moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

_TIMES = ("", " %H:%M", " %H:%M:%S", "T%H:%M:%S", " %I:%M %p")
_DAY_FIRST = ("%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%y", "%d/%m/%y", "%d %b %Y", "%d %B %Y")
_MONTH_FIRST = ("%m/%d/%Y", "%m-%d-%Y", "%m/%d/%y", "%b %d, %Y", "%B %d, %Y")
_YEAR_FIRST = ("%Y/%m/%d", "%Y.%m.%d", "%Y%m%d")
_ISO = "ISO 8601"
_LOOKED_AT = 2_000


@dataclass(frozen=True, slots=True)
class Dates:
    """How a column of dates is read."""

    formats: tuple[str, ...]
    """Tried in turn."""
    written: str
    """The order of its parts, in words."""
    fits: float
    """Share of the filled cells that read so."""
    ambiguous: bool
    """Day and month could be exchanged in every cell."""

    def read(self, cell: str) -> datetime | None:
        """The moment, in UTC where the cell names no zone; None when it is none."""
        for form in self.formats:
            found = _read(cell, form)
            if found is not None:
                return found
        return None


def has_zone(cell: str) -> bool:
    """Whether a cell that is a date says in which time zone."""
    try:
        return datetime.fromisoformat(cell).tzinfo is not None
    except ValueError:
        return False


def guess_dates(cells: Sequence[str], *, month_first: bool = False) -> Dates:
    """The order of day, month and year that reads most cells; of equals the day first, unless asked."""
    looked = list(dict.fromkeys(cells))[:_LOOKED_AT]
    found = [
        _weigh(looked, (_ISO, *_with_times(_YEAR_FIRST)), "year, month, day"),
        _weigh(looked, _with_times(_DAY_FIRST), "day, month, year"),
        _weigh(looked, _with_times(_MONTH_FIRST), "month, day, year"),
    ]
    year, day, month = found
    ambiguous = day.fits > 0 and day.fits == month.fits and day.fits > year.fits
    best = max((year, month, day) if month_first else (year, day, month), key=lambda one: one.fits)
    return Dates(best.formats, best.written, best.fits, ambiguous)


def _weigh(cells: Sequence[str], formats: Sequence[str], written: str) -> Dates:
    used = dict.fromkeys(formats, 0)
    fits = 0
    for cell in cells:
        # Most cells of a column are written alike: what read the last one is tried first.
        for form in _first(used):
            if _read(cell, form) is not None:
                used[form] += 1
                fits += 1
                break
    kept = tuple(form for form in _first(used) if used[form])
    return Dates(kept, written, fits / max(len(cells), 1), ambiguous=False)


def _first(used: dict[str, int]) -> list[str]:
    return sorted(used, key=lambda form: -used[form])


def _with_times(days: Sequence[str]) -> tuple[str, ...]:
    return tuple(day + time for day in days for time in _TIMES)


def _read(cell: str, form: str) -> datetime | None:
    try:
        if form == _ISO:
            found = datetime.fromisoformat(cell) if cell[4:5] == "-" else None
        else:
            found = datetime.strptime(cell, form)  # noqa: DTZ007 - the zone is said to be assumed
    except ValueError:
        return None
    if found is None or found.tzinfo is not None:
        return found
    return found.replace(tzinfo=UTC)
