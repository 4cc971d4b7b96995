"""Guesses how a column of dates is written and reads its cells as moments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Literal

from schemas.rating_tables.written_date import WrittenDate, take_apart

DateOrder = Literal[
    "year, month, day", "day, month, year", "month, day, year", "days since 1900", "seconds since 1970"
]
"""In which order a column writes the parts of its dates."""
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
_LEAST_MIXED = 2
_SLIPS = 0.05
"""Share of dates with day and month exchanged up to which they are slips."""
_MAX_CELLS = 2_000
"""Distinct cells that a guess is made from."""


@dataclass(frozen=True, slots=True)
class DateFormat:
    """How a column of dates is written."""

    formats: tuple[str, ...]
    """Formats of the day, for `strptime`, tried in turn."""
    written: DateOrder
    fits: float
    """Share of the filled cells that can be read."""
    ambiguous: bool
    """Every cell could be read with day and month exchanged."""

    def read(self, cell: str) -> datetime | None:
        """Return the moment, in UTC where the cell names no zone; None for a cell that is no date."""
        written = take_apart(cell)
        for form in self.formats:
            moment = _read(written, form)
            if moment is not None:
                return moment
        return None

    @property
    def is_number(self) -> bool:
        """Whether the cells are numbers, which are dates only where the name of their column says so."""
        return self.written in _NUMBERS


def has_zone(cell: str) -> bool:
    """Return whether a cell is a date with a time zone."""
    written = take_apart(cell)
    return written.zone is not None or _read(written, _EPOCH) is not None


def join_time(day: str, clock: str) -> str:
    """Return a date and a time of day, which stand in two columns, as one cell.

    A time of day in the first counts, and so does its zone unless the second has one.
    """
    written = take_apart(day)
    if written.clock not in {None, time()}:
        return day
    zone = written.zone if take_apart(clock).zone is None else None
    return f"{written.day} {clock} {zone or ''}".rstrip()


def are_times(cells: Sequence[str]) -> bool:
    """Return whether most cells are times of day without a date."""
    parts = map(take_apart, cells)
    return sum(one.clock is not None and not one.day for one in parts) > 0.9 * len(cells)


def are_mixed(cells: Sequence[str]) -> bool:
    """Return whether some cells are dates only with the day first, and others only with the month first.

    Few of the one among many of the other are slips, which no order reads.
    """
    written = [take_apart(cell) for cell in list(dict.fromkeys(cells))[:_MAX_CELLS]]
    only_day = only_month = 0
    for cell in written:
        if any(map(str.isalpha, cell.day)):
            continue  # a month in words is told from the day
        by_day, by_month = (
            any(_read(cell, form) is not None for form in forms) for forms in (_DAY_FIRST, _MONTH_FIRST)
        )
        only_day += by_day and not by_month
        only_month += by_month and not by_day
    fewer = min(only_day, only_month)
    return fewer >= _LEAST_MIXED and fewer > _SLIPS * (only_day + only_month)


def guess_dates(
    cells: Sequence[str], *, month_first: bool = False, order: DateOrder | None = None
) -> DateFormat:
    """Return the order of day, month and year that reads most cells, or `order` if it is known.

    Where day first and month first read equally many, the day comes first unless `month_first` is set.
    """
    written = [take_apart(cell) for cell in list(dict.fromkeys(cells))[:_MAX_CELLS]]
    year, day, month = (
        _fit(written, (_ISO, *_YEAR_FIRST), "year, month, day"),
        _fit(written, _DAY_FIRST, "day, month, year"),
        _fit(written, _MONTH_FIRST, "month, day, year"),
    )
    numbers = (_fit(written, (_SERIAL,), "days since 1900"), _fit(written, (_EPOCH,), "seconds since 1970"))
    if order is not None:
        return next(known for known in (year, day, month, *numbers) if known.written == order)
    ambiguous = day.fits > 0 and day.fits == month.fits and day.fits > year.fits
    orders = (year, month, day, *numbers) if month_first else (year, day, month, *numbers)
    best = max(orders, key=lambda one: one.fits)
    return DateFormat(best.formats, best.written, best.fits, ambiguous)


def _fit(cells: Sequence[WrittenDate], formats: Sequence[str], order: DateOrder) -> DateFormat:
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
    return DateFormat(formats_used, order, fits / max(len(cells), 1), ambiguous=False)


def _most_used_first(used: dict[str, int]) -> list[str]:
    return sorted(used, key=lambda form: -used[form])


def _read(written: WrittenDate, form: str) -> datetime | None:
    try:
        if form == _SERIAL:
            days = float(written.cell)
            return _FIRST_DAY + timedelta(days=days) if _SERIALS[0] <= days <= _SERIALS[1] else None
        if form == _EPOCH:
            seconds = float(written.cell) / (1000 if len(written.cell.partition(".")[0]) > 10 else 1)
            return datetime.fromtimestamp(seconds, UTC) if _EPOCHS[0] <= seconds <= _EPOCHS[1] else None
        if form == _ISO:
            return _read_iso(written)
        day = datetime.strptime(written.day, form)  # noqa: DTZ007 - the page states that UTC is assumed
    except ValueError:
        return None
    return datetime.combine(day, written.clock or time(), written.zone or UTC)


def _read_iso(written: WrittenDate) -> datetime | None:
    """Return the moment of a cell in ISO 8601, or of one whose day is; None for a day of another form.

    Raises:
        ValueError: it is no date.
    """
    if written.day[4:5] != "-":
        return None
    try:
        moment = datetime.fromisoformat(written.cell)
    except ValueError:
        day = datetime.fromisoformat(written.day)
        moment = datetime.combine(day, written.clock or day.time(), written.zone)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
