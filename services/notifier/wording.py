"""Wording: a locale and a key in, a sentence out; dates and numbers as that locale writes them."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_datetime
from babel.numbers import format_decimal

DEFAULT_LANGUAGE = "en"
LANGUAGES = ("en", "de")
_NO_SHARP_S = {"CH", "LI"}
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Wording:
    """The sentences of one language, with the habits of one locale of it."""

    language: str
    locale: Locale
    texts: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """The sentence of that key, its places filled.

        Raises:
            KeyError: there is no such sentence; a test holds the languages to the same keys.
        """
        return self.texts[key].format(**values)

    def moment(self, at: datetime, zone: ZoneInfo) -> str:
        """A weekday, a day and a time, as `Tue 18 Nov, 10:00`."""
        return format_datetime(at, self.texts["format.moment"], tzinfo=zone, locale=self.locale)

    def day(self, at: datetime, zone: ZoneInfo) -> str:
        """A day, as `18 Nov`."""
        return format_datetime(at, self.texts["format.day"], tzinfo=zone, locale=self.locale)

    def number(self, value: float) -> str:
        """A mark with one decimal."""
        return format_decimal(value, "0.0", locale=self.locale)

    def signed(self, value: float) -> str:
        """A change with its sign."""
        text = format_decimal(abs(value), "0.0", locale=self.locale)
        return f"{MINUS if value < 0 else '+'}{text}"


class Wordings:
    """The sentences of all languages."""

    def __init__(self, texts: Mapping[str, Mapping[str, str]]) -> None:
        self._texts = texts

    @classmethod
    def load(cls) -> "Wordings":
        """Read the files in `texts/`."""
        folder = resources.files("services.notifier") / "texts"
        read = {
            language: tomllib.loads((folder / f"{language}.toml").read_text("utf-8"))
            for language in LANGUAGES
        }
        return cls({language: dict(_flat(tree)) for language, tree in read.items()})

    def of(self, locale: str) -> Wording:
        """The wording for a locale such as `de-AT`; English where we have no texts in its language."""
        try:
            wanted = Locale.parse(locale, sep="-")
        except (UnknownLocaleError, ValueError):
            wanted = Locale(DEFAULT_LANGUAGE)
        if wanted.language not in self._texts:
            wanted = Locale(DEFAULT_LANGUAGE)
        texts = self._texts[wanted.language]
        if wanted.territory in _NO_SHARP_S:
            texts = {key: text.replace("ß", "ss") for key, text in texts.items()}
        return Wording(wanted.language, wanted, texts)

    def best(self, accept_language: str) -> Wording:
        """The wording for what a browser asks for, before anyone has signed in."""
        for part in accept_language.split(","):
            language = part.split(";")[0].strip().partition("-")[0].lower()
            if language in self._texts:
                return self.of(language)
        return self.of(DEFAULT_LANGUAGE)

    @property
    def texts(self) -> Mapping[str, Mapping[str, str]]:
        """All sentences by language and key."""
        return self._texts


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)
