"""Guesses how a column of dates is written and reads its cells as moments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

DateOrder = Literal["year, month, day", "day, month, year", "month, day, year", "days since 1900"]
"""In which order a column writes the parts of its dates."""
_TIMES = ("", " %H:%M", " %H:%M:%S", "T%H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_DAY_FIRST = (
    "%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%y", "%d/%m/%y", "%d %b %Y", "%d %B %Y", "%d-%b-%Y",
    "%d-%b-%y", "%d. %B %Y", "%A, %d %B %Y",
)  # fmt: skip
_MONTH_FIRST = ("%m/%d/%Y", "%m-%d-%Y", "%m/%d/%y", "%b %d, %Y", "%B %d, %Y", "%A, %B %d, %Y")
_YEAR_FIRST = ("%Y/%m/%d", "%Y.%m.%d", "%Y%m%d")
_ISO = "ISO 8601"
_SERIAL = "days since 1900"
"""How spreadsheets keep dates, and export them where a cell is not formatted as one."""
_FIRST_DAY = datetime(1899, 12, 30, tzinfo=UTC)
_SERIALS = (36_526, 73_050)
"""Those of 2000 to 2099."""
_MAX_CELLS = 2_000
"""Distinct cells that a guess is made from."""


@dataclass(frozen=True, slots=True)
class DateFormat:
    """How a column of dates is written."""

    formats: tuple[str, ...]
    """Formats of `strptime`, tried in turn."""
    written: DateOrder
    fits: float
    """Share of the filled cells that can be read."""
    ambiguous: bool
    """Every cell could be read with day and month exchanged."""

    def read(self, cell: str) -> datetime | None:
        """Return the moment, in UTC where the cell names no zone; None for a cell that is no date."""
        for form in self.formats:
            moment = _read(cell, form)
            if moment is not None:
                return moment
        return None


def has_zone(cell: str) -> bool:
    """Return whether a cell is a date with a time zone."""
    try:
        return datetime.fromisoformat(cell).tzinfo is not None
    except ValueError:
        return False


def guess_dates(
    cells: Sequence[str], *, month_first: bool = False, order: DateOrder | None = None
) -> DateFormat:
    """Return the order of day, month and year that reads most cells, or `order` if it is known.

    Where day first and month first read equally many, the day comes first unless `month_first` is set.
    """
    distinct = list(dict.fromkeys(cells))[:_MAX_CELLS]
    year, day, month = (
        _fit(distinct, (_ISO, *_with_times(_YEAR_FIRST)), "year, month, day"),
        _fit(distinct, _with_times(_DAY_FIRST), "day, month, year"),
        _fit(distinct, _with_times(_MONTH_FIRST), "month, day, year"),
    )
    days = _fit(distinct, (_SERIAL,), "days since 1900")
    if order is not None:
        return next(known for known in (year, day, month, days) if known.written == order)
    ambiguous = day.fits > 0 and day.fits == month.fits and day.fits > year.fits
    orders = (year, month, day, days) if month_first else (year, day, month, days)
    best = max(orders, key=lambda one: one.fits)
    return DateFormat(best.formats, best.written, best.fits, ambiguous)


def _fit(cells: Sequence[str], formats: Sequence[str], written: DateOrder) -> DateFormat:
    used = dict.fromkeys(formats, 0)
    fits = 0
    for cell in cells:
        # Most cells of a column are written alike, so the format used most is tried first.
        for form in _most_used_first(used):
            if _read(cell, form) is not None:
                used[form] += 1
                fits += 1
                break
    formats_used = tuple(form for form in _most_used_first(used) if used[form])
    return DateFormat(formats_used, written, fits / max(len(cells), 1), ambiguous=False)


def _most_used_first(used: dict[str, int]) -> list[str]:
    return sorted(used, key=lambda form: -used[form])


def _with_times(days: Sequence[str]) -> tuple[str, ...]:
    return tuple(day + time for day in days for time in _TIMES)


def _read(cell: str, form: str) -> datetime | None:
    try:
        if form == _SERIAL:
            days = float(cell)
            return _FIRST_DAY + timedelta(days=days) if _SERIALS[0] <= days <= _SERIALS[1] else None
        if form == _ISO:
            moment = datetime.fromisoformat(cell) if cell[4:5] == "-" else None
        else:
            moment = datetime.strptime(cell, form)  # noqa: DTZ007 - the page states that UTC is assumed
    except ValueError:
        return None
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=UTC)
