"""Fills in the sentences of a language, and writes dates and numbers as a locale does."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime
from babel.numbers import format_decimal

from schemas.wording.sentences import MINUS

_NO_SHARP_S = {"CH", "LI"}


@dataclass(frozen=True, slots=True)
class Wording:
    """The sentences of one language, with dates and numbers in one of its locales."""

    language: str
    locale: Locale
    texts: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """Return the sentence of a key, with its places filled.

        Raises:
            KeyError: there is no such sentence; a test keeps the keys of all languages the same.
        """
        return self.texts[key].format(**values)

    def moment(self, at: datetime, zone: ZoneInfo) -> str:
        """Return a weekday, a day and a time, such as `Tue 18 Nov, 10:00`; the day does not break."""
        return format_datetime(at, self.texts["format.moment"], tzinfo=zone, locale=self.locale)

    def day(self, at: datetime, zone: ZoneInfo) -> str:
        """Return a day, such as `18 Nov`, with a space between them at which no line breaks."""
        return format_datetime(at, self.texts["format.day"], tzinfo=zone, locale=self.locale)

    def number(self, value: float) -> str:
        """Return a rating with one decimal."""
        return format_decimal(round(value, 1), "0.0", locale=self.locale)

    def signed(self, value: float) -> str:
        """Return a change with one decimal and its sign; one that rounds to zero has none."""
        shown = round(value, 1)
        sign = MINUS if shown < 0 else "+" if shown > 0 else ""
        return f"{sign}{self.number(abs(shown))}"

    def difference(self, mark: float, usual: float) -> str:
        """Return the difference of two ratings as they are shown: a reader who subtracts gets the same."""
        return self.signed(float(self.shown(mark)) - float(self.shown(usual)))

    def spelled(self, text: str) -> str:
        """Return a text as this locale spells it: Switzerland and Liechtenstein write no sharp s."""
        return text.replace("ß", "ss") if self.locale.territory in _NO_SHARP_S else text

    def shown(self, value: float) -> str:
        """Return a rating as it is shown, with a point as in code."""
        return str(format_decimal(round(value, 1), "0.0", locale="en"))
