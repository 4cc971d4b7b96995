"""Guesses how a column of dates is written and reads its cells as moments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from schemas.rating_tables.date_words import has_zone_words, in_english

DateOrder = Literal[
    "year, month, day", "day, month, year", "month, day, year", "days since 1900", "seconds since 1970"
]
"""In which order a column writes the parts of its dates."""
_CLOCK = ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%I:%M:%S%p")
_TIMES = ("", *(f" {time}" for time in _CLOCK), "T%H:%M:%S", *(f", {time}" for time in _CLOCK))
_DAY_FIRST = (
    "%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%y", "%d/%m/%y", "%d %b %Y", "%d %B %Y", "%d-%b-%Y",
    "%d-%b-%y", "%d. %b %Y", "%d. %B %Y", "%d de %b de %Y", "%d %b %y",
)  # fmt: skip
_MONTH_FIRST = ("%m/%d/%Y", "%m-%d-%Y", "%m/%d/%y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y")
_YEAR_FIRST = ("%Y/%m/%d", "%Y.%m.%d", "%Y%m%d")
_ISO = "ISO 8601"
_SERIAL = "days since 1900"
"""How spreadsheets keep dates, and export them where a cell is not formatted as one."""
_EPOCH = "seconds since 1970"
"""How programs keep moments: in seconds, or in milliseconds."""
_EPOCHS = (946_684_800, 4_102_444_800)
"""Those of 2000 to 2099, in seconds."""
_NUMBERS = frozenset({_SERIAL, _EPOCH})
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

    @property
    def is_number(self) -> bool:
        """Whether the cells are numbers, which are dates only where the name of their column says so."""
        return self.written in _NUMBERS


def has_zone(cell: str) -> bool:
    """Return whether a cell is a date with a time zone."""
    try:
        return datetime.fromisoformat(cell).tzinfo is not None
    except ValueError:
        return has_zone_words(cell) or _read(cell, _EPOCH) is not None


def join_time(day: str, time: str) -> str:
    """Return a date and a time of day, which stand in two columns, as one cell."""
    for midnight in (" 00:00:00", "T00:00:00"):
        day = day.removesuffix(midnight)
    return f"{day} {time}".rstrip()


def are_times(cells: Sequence[str]) -> bool:
    """Return whether most cells are times of day without a date."""
    fits = sum(
        _read(f"2000-01-01 {cell}", f"%Y-%m-%d {form}") is not None for cell in cells for form in _CLOCK
    )
    return fits > 0.9 * len(cells)


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
    numbers = (_fit(distinct, (_SERIAL,), "days since 1900"), _fit(distinct, (_EPOCH,), "seconds since 1970"))
    if order is not None:
        return next(known for known in (year, day, month, *numbers) if known.written == order)
    ambiguous = day.fits > 0 and day.fits == month.fits and day.fits > year.fits
    orders = (year, month, day, *numbers) if month_first else (year, day, month, *numbers)
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
        if form == _EPOCH:
            seconds = float(cell) / (1000 if len(cell.partition(".")[0]) > 10 else 1)
            return datetime.fromtimestamp(seconds, UTC) if _EPOCHS[0] <= seconds <= _EPOCHS[1] else None
        if form == _ISO and (moment := _iso(cell)):
            return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        text, zone = in_english(cell)
        # The page states that UTC is assumed.
        moment = _iso(text) if form == _ISO else datetime.strptime(text, form)  # noqa: DTZ007
    except ValueError:
        return None
    return None if moment is None else moment.replace(tzinfo=zone or UTC)


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text[4:5] == "-" else None
    except ValueError:
        return None
