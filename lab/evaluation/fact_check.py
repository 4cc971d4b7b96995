"""Checks published facts against the marks they speak of, by predicates of its own.

Nothing here uses the code that finds the facts: each statement is stated a second time, as a condition on the
marks, and every condition that does not hold is a violation.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from statistics import median

from schemas.components import Component
from schemas.facts import ComponentFact, Facts, Shape, Standing

_VISIBLE = 0.025
"""Share of the scale that a difference has at least."""
_STEP = 0.05
_CLEAR_IN_RANGE = 0.1
_TINY = 1e-5
"""Published marks have 6 decimals."""


@dataclass(frozen=True, slots=True)
class RatedSession:
    """One session with its marks in instrument units; no marks where no form was given."""

    session_at: datetime
    marks: Mapping[Component, float]


@dataclass(slots=True)
class FactCheck:
    """How many statements were checked, and those that the marks contradict."""

    statements: int = 0
    violations: list[str] = field(default_factory=list)

    def add(self, statements: Iterator[tuple[str, bool]]) -> None:
        """Count statements, and keep the names of those that do not hold."""
        for name, holds in statements:
            self.statements += 1
            if not holds:
                self.violations.append(name)


def check_facts(
    facts: Facts, sessions: Sequence[RatedSession], scale: tuple[float, float], opening: Facts | None = None
) -> FactCheck:
    """Check what is stated of the last of these sessions.

    Args:
        facts: as published, in the units of the instrument.
        sessions: of the dyad up to the one that is described, in order.
        scale: the lowest and the highest mark.
        opening: the facts of the episode's opening, for a later change; None for an opening.
    """
    lowest, highest = scale
    checked = _Checked(facts, sessions, lowest, highest - lowest)
    check = FactCheck()
    check.add(checked.forms())
    for part in facts.components:
        check.add(checked.component(part))
        if opening is None:
            check.add(checked.own_usual(part))
        else:
            check.add(checked.same_usual(part, opening))
    check.add(checked.order())
    check.add(checked.since())
    check.add(checked.shape())
    return check


class _Checked:
    def __init__(
        self,
        facts: Facts,
        sessions: Sequence[RatedSession],
        lowest: float,
        width: float,
    ) -> None:
        self.facts = facts
        self.sessions = sessions
        self.given = [session for session in sessions if session.marks]
        self.lowest = lowest
        self.width = width
        self.fell = [part for part in facts.components if part.standing is Standing.FELL]

    def marks(self, part: Component, before: datetime | None = None) -> list[float]:
        return [
            session.marks[part]
            for session in self.given
            if part in session.marks and (before is None or session.session_at < before)
        ]

    def forms(self) -> Iterator[tuple[str, bool]]:
        facts = self.facts
        yield "forms are those with marks", facts.forms == len(self.given)
        last = self.given[-1].session_at if self.given else None
        yield "the last form is the newest with marks", facts.form_at == last
        marked = {part for session in self.given for part in session.marks}
        yield (
            "each component that was ever marked is named",
            {c.component for c in facts.components} == marked,
        )
        yield "each is named once", len(facts.components) == len(marked)
        newest = self.sessions[-1]
        yield "a form of the newest session is no empty one", (facts.empty is None) == bool(newest.marks)
        if facts.empty is not None:
            counted = self.sessions[max(0, len(self.sessions) - 8) :]
            yield "the newest session is the empty one", facts.empty.last_at == newest.session_at
            yield "last sessions are counted", facts.empty.of == len(counted)
            yield (
                "empty forms are counted",
                facts.empty.count == [bool(s.marks) for s in counted].count(False),
            )

    def component(self, part: ComponentFact) -> Iterator[tuple[str, bool]]:
        name = part.component.value
        yield (
            f"{name}: the mark is that of the last form",
            part.mark == self.given[-1].marks.get(part.component),
        )
        if part.lasting is not None:
            recent = sorted(self.marks(part.component)[-3:])
            yield f"{name}: the lasting level is their middle", abs(part.lasting - median(recent)) < _TINY
        if part.usual is None or part.usual_low is None or part.usual_high is None:
            yield (
                f"{name}: no usual, no standing against it",
                part.standing in {Standing.UNKNOWN, Standing.LOW},
            )
            yield f"{name}: no usual, no range", part.usual_low is None and part.usual_high is None
        else:
            yield f"{name}: usual within its range", part.usual_low <= part.usual <= part.usual_high
            given = self.marks(part.component, self.facts.form_at) or [part.usual]
            yield (
                f"{name}: range within marks given",
                min(given) - _TINY <= part.usual_low and part.usual_high <= max(given) + _TINY,
            )
            if part.mark is not None:
                yield self._standing(part, part.mark, part.usual, part.usual_high)
        if part.mark is None:
            yield f"{name}: no mark, no standing", part.standing is Standing.UNKNOWN
        if part.standing is Standing.LOW:
            yield f"{name}: low from the start", self._is_low_from_start(part.component)

    def _standing(
        self, part: ComponentFact, mark: float, usual: float, high: float
    ) -> tuple[str, bool]:
        visible, clear = _VISIBLE * self.width - _TINY, _CLEAR_IN_RANGE * self.width - _TINY
        falls = [
            depth
            for other in self.facts.components
            if (depth := _depth(other)) >= visible and (_is_under(other) or depth >= clear)
        ]
        deepest = max(falls, default=self.width)
        fall = usual - mark
        much = fall >= deepest / 2 - _TINY and fall >= visible
        under, over = _is_under(part), mark > high + _TINY
        holds = {
            Standing.FELL: much and (under or (fall >= deepest - _TINY and fall >= clear)),
            Standing.SOMEWHAT_LOWER: under and fall >= visible and not much,
            Standing.ROSE: over and -fall >= visible,
            Standing.HELD: not (under and fall >= visible)
            and not (over and -fall >= visible)
            and not (fall >= deepest - _TINY and fall >= clear),
        }
        return f"{part.component.value}: {part.standing.value}", holds.get(part.standing, False)

    def own_usual(self, part: ComponentFact) -> Iterator[tuple[str, bool]]:
        """State what the usual level at an opening is: in the middle of the marks before the fall."""
        name = part.component.value
        before = self.marks(part.component, self.facts.since if self.fell else self.facts.form_at)[-8:]
        if part.standing is Standing.LOW:
            return
        if part.usual is None or part.usual_low is None or part.usual_high is None:
            unknown = len(before) < 2 or not self.fell
            yield f"{name}: usual unknown only with fewer than two marks before", unknown
            return
        yield f"{name}: usual needs two marks before", len(before) >= 2
        usual, low, high = part.usual, part.usual_low, part.usual_high
        quarter = len(before) / 4
        yield f"{name}: marks at or above usual", sum(x >= usual - _TINY for x in before) >= quarter
        yield f"{name}: marks at or under usual", sum(x <= usual + _TINY for x in before) >= quarter
        inside = sum(low - _TINY <= x <= high + _TINY for x in before)
        yield f"{name}: most marks lie in the range", inside >= len(before) / 2
        yield (
            f"{name}: the range is one of marks before the fall",
            min(before) - _TINY <= low and high <= max(before) + _TINY,
        )

    def same_usual(self, part: ComponentFact, opening: Facts) -> Iterator[tuple[str, bool]]:
        """State that the usual level of an episode with a fall is the one at its opening."""
        if not any(each.standing is Standing.FELL for each in opening.components):
            return
        for then in opening.components:
            if then.component is part.component and part.standing is not Standing.LOW:
                yield (
                    f"{part.component.value}: usual is that of the opening",
                    (part.usual, part.usual_high)
                    == (then.usual, then.usual_low, then.usual_high),
                )

    def order(self) -> Iterator[tuple[str, bool]]:
        first = [part.standing in {Standing.FELL, Standing.LOW} for part in self.facts.components]
        yield "those that fell come first", first == sorted(first, reverse=True)
        named = [part for part in self.facts.components if part.standing is Standing.FELL]
        if named:
            others = [part for part in named if part.component is not Component.OVERALL]
            yield "overall does not lead", not others or named[0] is others[0]
            depths = [_depth(part) for part in others]
            yield "the deepest comes first", depths == sorted(depths, reverse=True)

    def since(self) -> Iterator[tuple[str, bool]]:
        since = self.facts.since
        if not self.fell:
            is_low = self.facts.shape is Shape.LOW_FROM_START
            yield "since only of what fell", since == (self.given[0].session_at if is_low else None)
            return
        times = [session.session_at for session in self.given]
        yield "since is a form", since in times
        if since not in times:
            return
        for session in self.given[times.index(since) :]:
            for part in self.fell:
                if part.component in session.marks:
                    is_lower = self._lower(part, session.marks[part.component])
                    yield f"{part.component.value}: lower at every form since", is_lower
        yield (
            "the form of since marks what fell",
            any(part.component in self.given[times.index(since)].marks for part in self.fell),
        )
        before = [
            session
            for session in self.given[: times.index(since)]
            if any(part.component in session.marks for part in self.fell)
        ]
        if before:
            yield (
                "the form before since was not lower",
                not all(
                    self._lower(part, before[-1].marks[part.component])
                    for part in self.fell
                    if part.component in before[-1].marks
                ),
            )

    def _lower(self, part: ComponentFact, mark: float) -> bool:
        if part.usual is None or part.usual_low is None or part.mark is None:
            return False
        enough = part.usual - mark >= max(_VISIBLE * self.width, _depth(part) / 3) - _TINY
        return enough and (mark < part.usual_low - _TINY or part.mark >= part.usual_low - _TINY)

    def shape(self) -> Iterator[tuple[str, bool]]:
        shape = self.facts.shape
        low = [part for part in self.facts.components if part.standing is Standing.LOW]
        yield "low from the start names what is low", (shape is Shape.LOW_FROM_START) == bool(low)
        yield (
            "no form: nothing fell, and none came",
            (shape is Shape.NO_FORM) == (not self.fell and not low and self.facts.empty is not None),
        )
        yield "marks are listed of a slide alone", (shape is Shape.SLIDE) == bool(self.facts.slide)
        if not self.fell:
            yield "no fall, no step and no slide", shape not in {Shape.STEP, Shape.SLIDE}
            return
        is_step = self._is_step()
        yield "a step is named where there is one", (shape is Shape.STEP) == is_step
        lead = self.fell[0]
        marks = self.marks(lead.component)
        runs = [marks[-count:] for count in range(4, 8) if count <= len(marks)]
        slides = [run for run in runs if run[0] - run[-1] >= _depth(lead) / 2 - _TINY and self._slides(run)]
        if shape is Shape.SLIDE:
            yield "the marks of the slide are the last ones", list(self.facts.slide) in runs
            yield "it is a slide", list(self.facts.slide) in slides
        elif not is_step:
            yield "a slide is named where there is one", not slides

    def _is_step(self) -> bool:
        for part in self.fell:
            before = self.marks(part.component, self.facts.since)
            after = self.marks(part.component)[len(before) :]
            if not before:
                return False
            drop = before[-1] - after[0]
            share, least = (2, _STEP) if part is self.fell[0] else (3, _VISIBLE)
            if drop < max(_depth(part) / share, least * self.width) - _TINY:
                return False
        return True

    def _slides(self, run: Sequence[float]) -> bool:
        visible = _VISIBLE * self.width - _TINY
        steps = [before - after for before, after in pairwise(run)]
        whole = sum(steps)
        downward = [step for step in steps if step >= visible]
        return (
            len(run) >= 4
            and len(downward) >= 2
            and whole >= 2 * visible
            and min(steps[0], steps[-1]) >= visible
            and max(steps) <= whole * 2 / 3 + _TINY
            and min(steps) >= -max(0.15 * whole, visible) - _TINY
        )

    def _is_low_from_start(self, part: Component) -> bool:
        quarter = self.lowest + self.width / 4 + _TINY
        return all(part in s.marks and s.marks[part] <= quarter for s in (*self.given[:2], self.given[-1]))


def _is_under(part: ComponentFact) -> bool:
    return part.mark is not None and part.usual_low is not None and part.mark < part.usual_low - _TINY


def _depth(part: ComponentFact) -> float:
    return part.usual - part.mark if part.usual is not None and part.mark is not None else 0.0
