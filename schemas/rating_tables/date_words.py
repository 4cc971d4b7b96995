"""Rewrites the words of a written date in English, and takes its time zone away."""

import re
from datetime import timedelta, timezone
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
_PLAIN = re.compile(r"[\d\-/.:T ]+")
_WORD = re.compile(r"[^\W\d_]+\.?")
_ZONE = re.compile(
    r"(?:\s*(?:UTC|GMT|(?<=\d)Z)\s*([+-]\d{1,2})?(?::?(\d{2}))?|(?<=:\d\d)\s*([+-]\d{2}):?(\d{2}))"
    r"(?:\s*\([^)]*\))?$"
)
_FRACTION = re.compile(r"(?<=:\d\d)[.,]\d+")
_HALF_OF_DAY = re.compile(r"(?i)\b([ap])\.\s?m\.?")
_WEEKDAY = re.compile(r"([^\W\d_]+)\.?,?\s+(?=\S)")


class WrittenDate(NamedTuple):
    """A date whose words `strptime` knows."""

    text: str
    zone: timezone | None
    """None: the cell names none, or `text` still holds it, in ISO 8601."""


def has_zone_words(cell: str) -> bool:
    """Return whether a cell ends with a time zone."""
    return _ZONE.search(cell) is not None


def in_english(cell: str) -> WrittenDate:
    """Return a cell without its zone, its weekday and fractions of seconds, and its month in English."""
    if _PLAIN.fullmatch(cell) and not _FRACTION.search(cell):
        return WrittenDate(cell, None)
    zone = None
    if found := _ZONE.search(cell):
        hours, minutes = found[1] or found[3] or "0", found[2] or found[4] or "0"
        ahead = timedelta(hours=abs(int(hours)), minutes=int(minutes))
        if ahead < timedelta(days=1):
            zone = timezone(-ahead if hours.startswith("-") else ahead)
            cell = cell[: found.start()]
    text = _FRACTION.sub("", _HALF_OF_DAY.sub(r"\1m", cell)).removesuffix("Uhr").rstrip()
    if (weekday := _WEEKDAY.match(text)) and not _is_month(weekday[1]):
        text = text[weekday.end() :]
    return WrittenDate(_WORD.sub(_month, text), zone)


def _is_month(word: str) -> bool:
    plain = word.casefold()
    return plain in _ENGLISH or (len(plain) > 2 and any(month.startswith(plain) for month in _IN_ENGLISH))


def _month(word: re.Match[str]) -> str:
    plain = word[0].rstrip(".")
    return _ENGLISH.get(plain.casefold(), plain if _is_month(plain) else word[0])
