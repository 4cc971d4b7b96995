"""Checks the sentences about an episode's facts against the marks: each number, date and name in them."""

import re
from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

from lab.evaluation.stated_course import RatedSession
from schemas.components import Component
from schemas.facts import Facts, Standing
from schemas.wording.message_sentences import fact_sentences
from schemas.wording.wording import Wording

NUMBER = re.compile(r"\d+[.,]\d")
"""A mark as a sentence shows it."""


def check_sentences(
    facts: Facts, sessions: Sequence[RatedSession], wording: Wording, zone: ZoneInfo
) -> Iterator[tuple[str, bool]]:
    """Yield what the sentences state about the last of these sessions, and whether the marks say so.

    The usual levels are taken from the facts; `check_facts` checks these.
    """
    text = " ".join(fact_sentences(facts, wording, zone))
    given = [session for session in sessions if session.marks]
    if not given:
        return
    last = given[-1]
    marks = {part: wording.number(mark) for part, mark in last.marks.items()}
    earlier = {wording.number(mark) for session in given for mark in session.marks.values()}
    usuals = {wording.number(part.usual) for part in facts.components if part.usual is not None}
    slide = {wording.number(mark) for mark in facts.slide}
    for number in NUMBER.findall(text):
        yield "a number is a mark or a usual level", number in {*marks.values(), *usuals, *(slide & earlier)}
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
    if not sessions[-1].marks:
        yield "the newest session without a form is dated", wording.day(sessions[-1].session_at, zone) in text


def names(part: Component, wording: Wording) -> set[str]:
    """Return what a component is called within a sentence, in small letters."""
    return {wording(f"name.{key}.{part.value}").lower() for key in ("one", "many")}
