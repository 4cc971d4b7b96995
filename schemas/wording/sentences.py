"""Reads the sentences about an episode that the therapist's pages and the preview of a table share."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

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
