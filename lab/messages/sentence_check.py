"""Checks the sentences about an episode's facts against the marks: each number, date and name in them."""

import re
from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

from lab.messages.stated_course import TINY, RatedSession, depth, is_under
from schemas.components import Component
from schemas.facts import ComponentFact, Facts, Standing
from schemas.wording.message_sentences import fact_sentences
from schemas.wording.wording import Wording

NUMBER = re.compile(r"\d+[.,]\d")
"""A mark as a sentence shows it."""
_CLEAR_DROP = 0.05


def check_sentences(
    facts: Facts,
    sessions: Sequence[RatedSession],
    scale: tuple[float, float],
    wording: Wording,
    zone: ZoneInfo,
) -> Iterator[tuple[str, bool]]:
    """Yield what the sentences state about the last of these sessions, and whether the marks say so.

    The usual levels are taken from the facts; `check_facts` checks these.
    """
    sentences = fact_sentences(facts, wording, zone)
    text = " ".join(sentences)
    wording = wording.with_decimals(facts.decimals)
    given = [session for session in sessions if session.marks]
    if not given:
        return
    last = given[-1]
    marks = {part: wording.number(mark) for part, mark in last.marks.items()}
    earlier = {wording.number(mark) for session in given for mark in session.marks.values()}
    usuals = {wording.number(part.usual) for part in facts.components if part.usual is not None}
    slide = {wording.number(mark) for mark in facts.slide}
    first = {wording.number(part.first) for part in facts.components if part.first is not None}
    first |= {wording.number(mark) for mark in facts.began}
    for number in NUMBER.findall(text):
        known = {*marks.values(), *usuals, *((slide | first) & earlier)}
        yield "a number is a mark or a usual level", number in known
    fell = [part for part in facts.components if part.standing in {Standing.FELL, Standing.LOW}]
    for part in fell:
        everything = len(fell) == len(last.marks)
        yield (
            "what fell is named",
            everything or any(name in text.lower() for name in names(part.component, wording)),
        )
        yield "the mark of what fell is told", marks[part.component] in text
        if part.usual is not None:
            differs = wording.number(part.usual) != marks[part.component]
            yield "what fell is shown as lower than usual", differs
    if fell:
        days = {wording.day(at, zone) for at in (last.session_at, facts.since) if at is not None}
        yield "a fall is dated", bool(facts.slide) or any(day in text for day in days)
    yield from _beside_what_fell(facts, sentences, wording)
    if not sessions[-1].marks:
        day = wording.day(sessions[-1].session_at, zone)
        yield "the newest session without a form is dated", day in text
        clear = any(_is_clear(part, scale[1] - scale[0]) for part in facts.components)
        leads = day in sentences[0]
        yield "empty forms are told first, unless a clear fall is", leads == (not clear)


def _beside_what_fell(facts: Facts, sentences: Sequence[str], wording: Wording) -> Iterator[tuple[str, bool]]:
    """State what stayed as usual or is near it again, what rose, and what fell since the first form."""

    def told(key: str, part: ComponentFact) -> bool:
        # The words of a sentence that stand outside of its places tell it from the other ones.
        said = re.split(r"\{\w+\}", wording.texts[f"fact.{key}"])
        return any(
            sentence.startswith(said[0]) and sentence.endswith(said[-1])
            for sentence in sentences
            if any(name in sentence.lower() for name in names(part.component, wording))
        )

    for part in facts.components:
        if told("others.held_singular", part) or told("others.held_plural", part):
            yield "what stayed as usual did at each form", part.standing is Standing.HELD and not part.back
        if told("others.back_singular", part) or told("others.back_plural", part):
            yield "what is near usual again was away from it", part.standing is Standing.HELD and part.back
        if part.standing is Standing.ROSE:
            beside = {"others.rose", "others.form", "empty.before"}
            yield "what rose is told", any(told(key, part) for key in beside)
        if part.first is not None and part.mark is not None:
            shown = {wording.number(part.first), wording.number(part.mark)}
            fall = any(
                all(number in sentence for number in shown)
                for sentence in sentences
                if any(name in sentence.lower() for name in names(part.component, wording))
            )
            yield "what is lower than in the first form is told with both marks", fall and len(shown) == 2


def _is_clear(part: ComponentFact, width: float) -> bool:
    """Return whether a component fell by more than noise, is low, or is lower than in the first form."""
    if part.first is not None or part.standing is Standing.LOW:
        return part.mark is not None
    fell = part.standing is Standing.FELL and is_under(part)
    return fell and depth(part) >= _CLEAR_DROP * width - TINY


def names(part: Component, wording: Wording) -> set[str]:
    """Return what a component is called within a sentence, in small letters."""
    return {wording(f"name.{key}.{part.value}").lower() for key in ("one", "many")}
