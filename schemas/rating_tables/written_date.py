"""Takes a written date apart: the day, with its month in English, the time of day and the time zone."""

import re
from datetime import time, timedelta, timezone
from typing import NamedTuple

_MONTHS = {
    "jan": "januar jänner jän janvier janv enero ene gennaio gen januari",
    "feb": "februar feber février févr fév febrero febbraio februari",
    "mar": "märz mär mrz mars marzo maart mrt",
    "apr": "avril avr abril abr aprile",
    "may": "mai mayo maggio mag mei",
    "jun": "juni juin junio giugno giu",
    "jul": "juli juillet juil julio luglio lug",
    "aug": "août aout agosto ago augustus",
    "sep": "sept septembre septiembre settembre set",
    "oct": "oktober okt octobre octubre ottobre ott",
    "nov": "novembre noviembre",
    "dec": "dezember dez décembre déc diciembre dic dicembre",
}
"""How German, French, Spanish, Italian and Dutch name the months, where English does not."""
_ENGLISH = {name: month for month, names in _MONTHS.items() for name in names.split()}
_IN_ENGLISH = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+\.?")
_ZONE = re.compile(
    r"(?:\s*(?:UTC|GMT|(?<=\d)Z)\s*([+-]\d{1,2})?(?::?(\d{2}))?|(?<=:\d\d)\s*([+-]\d{2}):?(\d{2}))"
    r"(?:\s*\([^)]*\))?$"
)
_FARTHEST = timedelta(hours=14)
"""The farthest time zone from UTC."""
_CLOCK = re.compile(
    r"(?i)(?:^|[ T,]+)(?:à\s+|um\s+)?(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?"
    r"\s*(?:(a|p)(?:m|\.\s?m\.?)|Uhr)?$"
)
_CLOCKS_IN_WORDS = (
    re.compile(r"(?i)(?:^|[ T,]+)(?:à\s+)?(\d{1,2})\s?h(?:\s?(\d{2}))?$"),
    re.compile(r"(?i)(?:^|[ T,]+)(?:um\s+)?(\d{1,2})(?:\.(\d{2}))?\s*Uhr$"),
)
"""`14h30` and `14h` as in French, `14.30 Uhr` and `14 Uhr` as in German."""
_WEEKDAY = re.compile(r"([^\W\d_]+)\.?,?\s+(?=\S)")


class WrittenDate(NamedTuple):
    """The parts of a cell; what is no part of a time or zone is left in `day`."""

    cell: str
    day: str
    """With the month as `strptime` knows it, without the weekday."""
    clock: time | None
    """None: the cell names no time of day."""
    zone: timezone | None
    """None: the cell names none."""


def take_apart(cell: str) -> WrittenDate:
    """Return the parts of a cell."""
    text, zone = _without_zone(cell)
    text, clock = _without_clock(text)
    if _WORD.search(text) is None:
        return WrittenDate(cell, text, clock, zone)
    if (weekday := _WEEKDAY.match(text)) and not _is_month(weekday[1]):
        text = text[weekday.end() :]
    return WrittenDate(cell, _WORD.sub(_month, text), clock, zone)


def _without_zone(text: str) -> tuple[str, timezone | None]:
    found = _ZONE.search(text)
    if found is None:
        return text, None
    hours, minutes = int(found[1] or found[3] or 0), int(found[2] or found[4] or 0)
    offset = timedelta(hours=abs(hours), minutes=minutes)
    if minutes > 59 or offset > _FARTHEST:
        return text, None
    return text[: found.start()], timezone(
        -offset if (found[1] or found[3] or "").startswith("-") else offset
    )


def _without_clock(text: str) -> tuple[str, time | None]:
    found = _CLOCK.search(text)
    if found is None:
        return _without_clock_in_words(text)
    hour, half = int(found[1]), (found[4] or "").casefold()
    if half and not 1 <= hour <= 12:
        return text, None
    try:
        clock = time(hour % 12 + 12 * (half == "p") if half else hour, int(found[2]), int(found[3] or 0))
    except ValueError:
        return text, None
    return text[: found.start()], clock


def _without_clock_in_words(text: str) -> tuple[str, time | None]:
    found = next(filter(None, (clock.search(text) for clock in _CLOCKS_IN_WORDS)), None)
    if found is None or int(found[1]) > 23 or int(found[2] or 0) > 59:
        return text, None
    return text[: found.start()], time(int(found[1]), int(found[2] or 0))


def _is_month(word: str) -> bool:
    plain = word.casefold()
    return plain in _ENGLISH or (len(plain) > 2 and any(month.startswith(plain) for month in _IN_ENGLISH))


def _month(word: re.Match[str]) -> str:
    plain = word[0].rstrip(".")
    return _ENGLISH.get(plain.casefold(), plain if _is_month(plain) else word[0])
