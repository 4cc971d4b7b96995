"""Checks the sentences on how an episode went on against the marks: what is near, lower, or no form."""

import re
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import NamedTuple
from zoneinfo import ZoneInfo

from lab.messages.sentence_check import NUMBER, names
from lab.messages.stated_course import TINY, RatedSession
from schemas.components import Component
from schemas.facts import Facts, Standing
from schemas.instruments.instrument import Instrument
from schemas.wording.message_sentences import later_sentence, repaired_sentences, settled_sentences
from schemas.wording.wording import Wording

_FAR_SHARE = 0.1
"""Share of the scale: a mark farther from its usual level is not near it."""
_SENTENCES = (
    "repaired.near",
    "repaired.lower",
    "repaired.risen",
    "settled.lower",
    "settled.level",
    "others.rose",
    "others.form",
)


class Closing(NamedTuple):
    """How an episode closed."""

    told: Facts
    """What the message was about."""
    facts: Facts
    """What was stated at the session at which it closed."""
    settled: bool
    """Whether it settled lower; otherwise it was repaired."""


class _Said(NamedTuple):
    """One component as a sentence names it."""

    component: Component
    mark: str
    usual: str | None


def check_later(
    told: Facts, later: Sequence[Facts], sessions: Sequence[RatedSession], wording: Wording, zone: ZoneInfo
) -> Iterator[tuple[str, bool]]:
    """Yield what "since then" states about the sessions after the told one, and whether the marks say so.

    Args:
        told: the facts that the message was about.
        later: the facts of each session since.
        sessions: of the dyad up to the newest one, in order.
        wording: the language.
        zone: of the dates.
    """
    sentence = later_sentence(told, later, wording, zone)
    named = _told_marks(told) or set(Component)
    told_at = max(at for at in (told.form_at, told.empty.last_at if told.empty else None) if at is not None)
    after = [
        session
        for session in sessions
        if session.session_at > told_at and (not session.marks or named & set(session.marks))
    ]
    yield "later sessions are told where there are any", (sentence is not None) == bool(after)
    if sentence is None:
        return
    before, behind = wording("fact.later.sentence", entries="|").split("|")
    entries = sentence.removeprefix(before).removesuffix(behind).split(wording("fact.later.separator"))
    newest = after[-3:]
    yield "the newest three later sessions are told", len(entries) == len(newest)
    for entry, session in zip(entries, newest, strict=False):
        yield "a later session is dated", entry.startswith(wording.day(session.session_at, zone))
        marks = {part: mark for part, mark in session.marks.items() if part in named}
        no_form = entry.endswith(wording("fact.later.no_form", day="").removeprefix(":"))
        yield "no form is told of a session without one", no_form == (not session.marks)
        said = {one.component: one.mark for one in _named_in(entry, wording)}
        yield "the later marks are those of the session", said == _shown(marks, wording)
        yield "no other number is told of a later session", len(NUMBER.findall(entry)) == len(marks)


def check_closing(
    closing: Closing, sessions: Sequence[RatedSession], scale: Instrument, wording: Wording, zone: ZoneInfo
) -> Iterator[tuple[str, bool]]:
    """Yield what the sentences on a repaired or settled episode state, and whether the marks say so.

    The usual levels are taken from the facts; `check_facts` checks these. `sessions` ends with the one at
    which the episode closed.
    """
    told, facts, settled = closing
    sentences = (
        settled_sentences(told, facts, wording, zone)
        if settled
        else repaired_sentences(told, facts, scale, wording, zone)
    )
    last = [session for session in sessions if session.marks][-1]
    checked = _ClosingCheck(told, facts, sessions, scale.highest - scale.lowest, wording)
    yield "how it closed is told", bool(sentences)
    kinds = {}
    for sentence in sentences:
        kind = next((key for key in _SENTENCES if _is_of(f"fact.{key}", sentence, wording)), "")
        kinds[kind] = _named_in(sentence, wording)
        dated = "{last}" in wording.texts.get(f"fact.{kind}", "")
        yield "a closing is dated", not dated or wording.day(last.session_at, zone) in sentence
        numbers = sum(2 if one.usual else 1 for one in kinds[kind])
        yield "each number belongs to a name", len(NUMBER.findall(sentence)) == numbers > 0
        for one in kinds[kind]:
            yield from checked.named(kind, one)
    all_named = [one.component for ones in kinds.values() for one in ones]
    yield "each is named once", len(all_named) == len(set(all_named))
    if "others.form" not in kinds:
        yield from checked.complete(set(all_named), settled=settled)


class _ClosingCheck:
    """The marks at a closing, and what was told before."""

    def __init__(
        self, told: Facts, facts: Facts, sessions: Sequence[RatedSession], width: float, wording: Wording
    ) -> None:
        self._wording = wording
        self._far = _FAR_SHARE * width + TINY
        given = [session.marks for session in sessions if session.marks]
        self._last = given[-1]
        self._then = {part.component: part.mark for part in told.components if part.mark is not None}
        self._named = _told_marks(told)
        self._usual = {part.component: part.usual for part in facts.components if part.usual is not None}
        self._lasting = {
            part: median([marks[part] for marks in given if part in marks][-3:]) for part in self._then
        }

    def named(self, kind: str, one: _Said) -> Iterator[tuple[str, bool]]:
        """State what a kind of sentence says of one component."""
        number, part = self._wording.number, one.component
        usual = self._usual.get(part)
        if kind == "others.form":
            yield "the mark is that of the last form", one.mark == number(self._last[part])
            yield "the usual level is told where there is one", (one.usual is None) == (usual is None)
            return
        yield "only what fell is named", part in self._named
        level = self._lasting[part] if kind.startswith("settled") else self._last.get(part)
        if level is None:
            yield "what is named has a mark", False
            return
        yield "the mark is that of the last form", one.mark == number(level)
        yield "the usual level is that of the facts", one.usual == (None if usual is None else number(usual))
        shown, then = _value(one.mark), self._then[part]
        if usual is None:
            higher = kind == "settled.level" or (kind == "repaired.risen" and level > then)
            yield "without a usual level only the first forms are compared", higher
            return
        holds = {
            "repaired.near": abs(usual - level) <= self._far and level > then,
            "repaired.lower": level < usual and shown < _value(one.usual),
            "settled.lower": level < usual and shown < _value(one.usual),
            "others.rose": level > usual and shown > _value(one.usual),
        }
        yield f"{kind} holds", holds.get(kind, False)

    def complete(self, said: set[Component], *, settled: bool) -> Iterator[tuple[str, bool]]:
        """State that nothing which fell, and is lower now, is left out."""
        for part in self._named & set(self._last):
            usual = self._usual.get(part)
            if usual is not None:
                level = self._lasting[part] if settled else self._last[part]
                lower = round(level, 1) < round(usual, 1)
                yield "what is still lower is named", part in said or not lower


def _told_marks(told: Facts) -> set[Component]:
    named = {Standing.FELL, Standing.LOW}
    return {part.component for part in told.components if part.standing in named}


def _shown(marks: Mapping[Component, float], wording: Wording) -> dict[Component, str]:
    return {part: wording.number(mark) for part, mark in marks.items()}


def _value(number: str | None) -> float:
    return float((number or "nan").replace(",", "."))


def _is_of(key: str, sentence: str, wording: Wording) -> bool:
    pattern = re.sub(r"\\{\w+\\}", ".+", re.escape(wording.texts[key]))
    return re.fullmatch(pattern, sentence) is not None


def _named_in(text: str, wording: Wording) -> list[_Said]:
    known = {name: part for part in Component for name in names(part, wording)}
    entry = rf"({'|'.join(map(re.escape, known))}) (?:\w+ )?({NUMBER.pattern})(?: \(\D*({NUMBER.pattern})\))?"
    return [_Said(known[name], mark, usual) for name, mark, usual in _groups(entry, text)]


def _groups(pattern: str, text: str) -> Iterator[tuple[str, str, str | None]]:
    for found in re.finditer(pattern, text, re.IGNORECASE):
        name, mark, usual = found.groups()
        yield name.lower(), mark, usual
