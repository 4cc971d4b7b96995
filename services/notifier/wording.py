"""Looks up the sentences of a language, and writes dates and numbers as a locale does."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_datetime
from babel.numbers import format_decimal

from schemas.wording.sentences import LANGUAGES, MINUS, flatten, shared_sentences

DEFAULT_LANGUAGE = "en"
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
        """Return a weekday, a day and a time, such as `Tue 18 Nov, 10:00`."""
        return format_datetime(at, self.texts["format.moment"], tzinfo=zone, locale=self.locale)

    def day(self, at: datetime, zone: ZoneInfo) -> str:
        """Return a day, such as `18 Nov`."""
        return format_datetime(at, self.texts["format.day"], tzinfo=zone, locale=self.locale)

    def number(self, value: float) -> str:
        """Return a rating with one decimal."""
        return format_decimal(value, "0.0", locale=self.locale)

    def signed(self, value: float) -> str:
        """Return a change with one decimal and its sign."""
        text = format_decimal(abs(value), "0.0", locale=self.locale)
        return f"{MINUS if value < 0 else '+'}{text}"


class Wordings:
    """The sentences of all languages."""

    def __init__(self, texts: Mapping[str, Mapping[str, str]]) -> None:
        self._texts = texts

    @classmethod
    def load(cls) -> "Wordings":
        """Read the files in `texts/`, and the sentences that other services share."""
        folder = resources.files("services.notifier") / "texts"
        read = {
            language: tomllib.loads((folder / f"{language}.toml").read_text("utf-8"))
            for language in LANGUAGES
        }
        return cls(
            {
                language: {**shared_sentences(language), **dict(flatten(tree))}
                for language, tree in read.items()
            }
        )

    def of(self, locale: str) -> Wording:
        """Return the wording for a locale such as `de-AT`; English when its language has no texts."""
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
        """Return the wording for the `Accept-Language` header of a browser that nobody has signed in with."""
        for part in accept_language.split(","):
            language = part.split(";")[0].strip().partition("-")[0].lower()
            if language in self._texts:
                return self.of(language)
        return self.of(DEFAULT_LANGUAGE)

    @property
    def texts(self) -> Mapping[str, Mapping[str, str]]:
        """All sentences, by language and key."""
        return self._texts
