"""Reads the sentences about an episode that the therapist's pages and the preview of a table share."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from schemas.components import Component
from schemas.events import Movement

LANGUAGES = ("en", "de")
MINUS = "\N{MINUS SIGN}"

_TOPIC_OF_MOVEMENT = {
    Movement.SLOW_SLIDE: "withdrawal",
    Movement.DECLINED_FORMS: "withdrawal",
    Movement.EVERYTHING: "everything",
    Movement.LOW_FROM_START: "low",
}
_MOST_LIKELY = 9
"""The highest number of cases in ten that is stated: ratings alone cannot make it certain."""


@cache
def shared_sentences(language: str) -> Mapping[str, str]:
    """Return the sentences of a language by key; places in braces are filled by the caller.

    Raises:
        FileNotFoundError: `language` is none of `LANGUAGES`.

    >>> shared_sentences("en")["certainty.basis"]
    'This is based on {ratings} rated sessions.'
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


def topic(movement: Movement | None, leading: Component | None) -> str:
    """Return what a conversation should be about: the key of the meaning, question and action that fit.

    Some movements have a topic of their own; for the others it is the component that fell most.

    >>> topic(Movement.SLOW_SLIDE, Component.GOAL), topic(Movement.SUDDEN_FALL, Component.GOAL)
    ('withdrawal', 'goal')
    """
    if movement in _TOPIC_OF_MOVEMENT:
        return _TOPIC_OF_MOVEMENT[movement]
    return (leading or Component.OVERALL).value


def likely_of_ten(risk: float) -> int:
    """Return the risk as a number of cases in ten, 0 to 9.

    >>> likely_of_ten(0.34), likely_of_ten(0.999)
    (3, 9)
    """
    return min(_MOST_LIKELY, round(10 * risk))


def certainty(sentences: Mapping[str, str], risk: float) -> str:
    """Return the sentence that states the risk as a natural frequency."""
    likely = likely_of_ten(risk)
    if likely == 0:
        return sentences["certainty.hardly_any"]
    return sentences["certainty.likely"].format(likely=likely, unlikely=10 - likely)


def basis(sentences: Mapping[str, str], ratings: int) -> str:
    """Return the sentence that states on how many rated sessions an assessment is based."""
    if ratings == 1:
        return sentences["certainty.basis_one"]
    return sentences["certainty.basis"].format(ratings=ratings)
