"""Reads the sentences that services share, fills them in, and writes dates and numbers as a locale does."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any, Self
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime
from babel.numbers import format_decimal

LANGUAGES = ("en", "de")
MINUS = "\N{MINUS SIGN}"


@cache
def shared_sentences(language: str) -> Mapping[str, str]:
    """Return the sentences of a language by key; places in braces are filled by the caller.

    Raises:
        FileNotFoundError: `language` is none of `LANGUAGES`.

    >>> shared_sentences("en")["fact.others.rose"]
    'Higher than usual: {marks}.'
    """
    text = (resources.files(__package__) / f"{language}.toml").read_text("utf-8")
    return dict(flatten(tomllib.loads(text)))


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the sentences of nested tables, with keys joined by dots.

    >>> dict(flatten({"question": {"goal": "Which?"}}))
    {'question.goal': 'Which?'}
    """
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)


_NO_SHARP_S = {"CH", "LI"}


@dataclass(frozen=True, slots=True)
class Wording:
    """The sentences of one language, with dates and numbers in one of its locales."""

    language: str
    locale: Locale
    texts: Mapping[str, str]
    decimals: int = 1
    """Decimals of ratings."""

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
        """Return a rating."""
        return self._written(value, self.locale)

    def signed(self, value: float) -> str:
        """Return a change with its sign; one that rounds to zero has none."""
        shown = round(value, self.decimals)
        sign = MINUS if shown < 0 else "+" if shown > 0 else ""
        return f"{sign}{self.number(abs(shown))}"

    def difference(self, mark: float, usual: float) -> str:
        """Return the difference of two ratings as they are shown: a reader who subtracts gets the same."""
        return self.signed(self.value(mark) - self.value(usual))

    def value(self, value: float) -> float:
        """Return the number that a reader sees."""
        return float(self.shown(value))

    def spelled(self, text: str) -> str:
        """Return a text as this locale spells it: Switzerland and Liechtenstein write no sharp s."""
        return text.replace("ß", "ss") if self.locale.territory in _NO_SHARP_S else text

    def shown(self, value: float) -> str:
        """Return a rating as it is shown, with a point as in code."""
        return self._written(value, Locale("en"))

    def with_decimals(self, decimals: int) -> Self:
        """Return the same wording for ratings with this number of decimals."""
        return replace(self, decimals=decimals)

    def _written(self, value: float, locale: Locale) -> str:
        pattern = f"{0:.{self.decimals}f}"
        return str(format_decimal(round(value, self.decimals), pattern, locale=locale))
