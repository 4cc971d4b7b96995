"""Reads the sentences of all languages, and finds those of a locale."""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources

from babel import Locale, UnknownLocaleError

from schemas.wording.wording import LANGUAGES, Wording, flatten, shared_sentences

DEFAULT_LANGUAGE = "en"


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
        wording = Wording(wanted.language, wanted, self._texts[wanted.language])
        return replace(wording, texts={key: wording.spelled(text) for key, text in wording.texts.items()})

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
