"""Checks published facts against the marks they speak of, by predicates of its own.

Nothing here uses the code that finds the facts: each statement is stated a second time, as a condition on the
marks, and every condition that does not hold is a violation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from lab.messages.fall_check import FallCheck
from lab.messages.stated_course import TINY, VISIBLE, RatedSession, StatedCourse, depth, is_under
from schemas.components import Component
from schemas.facts import ComponentFact, Facts, Standing

_CLEAR_IN_RANGE = 0.1


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
    checked = _FactsCheck(facts, sessions, scale)
    fall = FallCheck(facts, sessions, scale)
    check = FactCheck()
    check.add(checked.forms())
    for part in facts.components:
        check.add(checked.component(part))
        check.add(checked.beside_the_last_form(part))
        if opening is None:
            check.add(checked.own_usual(part))
        else:
            check.add(checked.same_usual(part, opening))
    check.add(checked.order())
    check.add(fall.since())
    check.add(fall.shape())
    return check


class _FactsCheck(StatedCourse):
    def forms(self) -> Iterator[tuple[str, bool]]:
        facts = self.facts
        yield "forms are those with marks", facts.forms == len(self.given)
        yield "a wide scale is shown without decimals", facts.decimals == (self.width < 50)
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
            yield f"{name}: the lasting level is their middle", abs(part.lasting - median(recent)) < TINY
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
                min(given) - TINY <= part.usual_low and part.usual_high <= max(given) + TINY,
            )
            if part.mark is not None:
                yield self._standing(part, part.mark, part.usual, part.usual_high)
        if part.mark is None:
            yield f"{name}: no mark, no standing", part.standing is Standing.UNKNOWN
        if part.standing is Standing.LOW:
            yield f"{name}: low from the start", self._is_low_from_start(part.component)

    def beside_the_last_form(self, part: ComponentFact) -> Iterator[tuple[str, bool]]:
        """State what was clearly higher in the first form, and what held only in the last one."""
        name, since = part.component.value, self.facts.since
        first, last = (self.given[at].marks.get(part.component) if self.given else None for at in (0, -1))
        fell = first is not None and last is not None and first - last >= self.width / 10 - TINY
        known = part.usual is not None or part.standing is Standing.LOW
        yield (
            f"{name}: first where no usual shows the fall",
            part.first == (None if known or not fell else first),
        )
        outside = [
            mark
            for session in self.given
            if since is not None and session.session_at >= since and part.usual is not None
            for mark in [session.marks.get(part.component, part.usual)]
            if not self._held(part, mark)
        ]
        held = part.standing is Standing.HELD and bool(self.fell)
        yield f"{name}: back near usual, or always there", part.back == (held and bool(outside))

    def _held(self, part: ComponentFact, mark: float) -> bool:
        if part.usual is None or part.usual_low is None or part.usual_high is None:
            return False
        in_range = part.usual_low - TINY <= mark <= part.usual_high + TINY
        return in_range or abs(mark - part.usual) < VISIBLE * self.width - TINY

    def _standing(self, part: ComponentFact, mark: float, usual: float, high: float) -> tuple[str, bool]:
        visible, clear = VISIBLE * self.width - TINY, _CLEAR_IN_RANGE * self.width - TINY
        falls = [
            below
            for other in self.facts.components
            if (below := depth(other)) >= visible and (is_under(other) or below >= clear)
        ]
        deepest = max(falls, default=self.width)
        fall = usual - mark
        much = fall >= deepest / 2 - TINY and fall >= visible
        under, over = is_under(part), mark > high + TINY
        holds = {
            Standing.FELL: much and (under or (fall >= deepest - TINY and fall >= clear)),
            Standing.SOMEWHAT_LOWER: under and fall >= visible and not much,
            Standing.ROSE: over and -fall >= visible,
            Standing.HELD: not (under and fall >= visible)
            and not (over and -fall >= visible)
            and not (fall >= deepest - TINY and fall >= clear),
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
        yield f"{name}: marks at or above usual", sum(x >= usual - TINY for x in before) >= quarter
        yield f"{name}: marks at or under usual", sum(x <= usual + TINY for x in before) >= quarter
        inside = sum(low - TINY <= x <= high + TINY for x in before)
        yield f"{name}: most marks lie in the range", inside >= len(before) / 2
        yield (
            f"{name}: the range is one of marks before the fall",
            min(before) - TINY <= low and high <= max(before) + TINY,
        )

    def same_usual(self, part: ComponentFact, opening: Facts) -> Iterator[tuple[str, bool]]:
        """State that the usual level of an episode with a fall is the one at its opening."""
        if not any(each.standing is Standing.FELL for each in opening.components):
            return
        for then in opening.components:
            if then.component is part.component and part.standing is not Standing.LOW:
                yield (
                    f"{part.component.value}: usual is that of the opening",
                    (part.usual, part.usual_low, part.usual_high)
                    == (then.usual, then.usual_low, then.usual_high),
                )

    def order(self) -> Iterator[tuple[str, bool]]:
        first = [part.standing in {Standing.FELL, Standing.LOW} for part in self.facts.components]
        yield "those that fell come first", first == sorted(first, reverse=True)
        named = [part for part in self.facts.components if part.standing is Standing.FELL]
        if named:
            others = [part for part in named if part.component is not Component.OVERALL]
            yield "overall does not lead", not others or named[0] is others[0]
            depths = [depth(part) for part in others]
            yield "the deepest comes first", all(a >= b - TINY for a, b in pairwise(depths))

    def _is_low_from_start(self, part: Component) -> bool:
        quarter = self.lowest + self.width / 4 + TINY
        return all(part in s.marks and s.marks[part] <= quarter for s in (*self.given[:2], self.given[-1]))
