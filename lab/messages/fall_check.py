"""Checks since when facts say that something fell, and how: a step, a slide, or neither."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from lab.messages.stated_course import TINY, VISIBLE, StatedCourse, depth, is_under
from schemas.facts import ComponentFact, Shape, Standing

_STEP = 0.05


class FallCheck(StatedCourse):
    """States the conditions on the marks that follow from `since`, `shape` and `slide`."""

    def since(self) -> Iterator[tuple[str, bool]]:
        """State that what fell has been lower since that form, and was not at the form before."""
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
        enough = part.usual - mark >= max(VISIBLE * self.width, depth(part) / 3) - TINY
        return enough and (mark < part.usual_low - TINY or part.mark >= part.usual_low - TINY)

    def shape(self) -> Iterator[tuple[str, bool]]:
        """State that a shape is named where the marks show it, and only there."""
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
            yield "no fall, nothing beside it", not self.facts.began
            leads = self.facts.empty is not None and self.facts.empty.lead
            yield "no fall, none that is slight", not leads
            return
        is_step = self._is_step()
        yield "a step is named where there is one", (shape is Shape.STEP) == is_step
        if self.facts.empty is not None:
            slight = all(depth(part) < _STEP * self.width - TINY or not is_under(part) for part in self.fell)
            known = all(part.first is None for part in self.facts.components)
            yield "empty forms lead where the fall is slight", self.facts.empty.lead == (slight and known)
        lead = self.fell[0]
        marks = self.marks(lead.component)
        runs = [marks[-count:] for count in range(4, 8) if count <= len(marks)]
        slides = [run for run in runs if run[0] - run[-1] >= depth(lead) / 2 - TINY and self._slides(run)]
        first = marks[:2]
        is_back = all(abs(mark - marks[-1]) <= _STEP * self.width + TINY for mark in first)
        told = bool(slides) and is_back and not is_step
        yield (
            "the first marks are told where a slide comes back to them",
            self.facts.began == (tuple(first) if told else ()),
        )
        if shape is Shape.SLIDE:
            yield "the marks of the slide are the last ones", list(self.facts.slide) in runs
            yield "it is a slide", list(self.facts.slide) in slides
            yield "a slide does not end where the client began", not is_back
        elif not is_step:
            yield "a slide is named where there is one", not slides or is_back

    def _is_step(self) -> bool:
        for part in self.fell:
            before = self.marks(part.component, self.facts.since)
            after = self.marks(part.component)[len(before) :]
            if not before:
                return False
            drop = before[-1] - after[0]
            share, least = (2, _STEP) if part is self.fell[0] else (3, VISIBLE)
            if drop < max(depth(part) / share, least * self.width) - TINY:
                return False
        return True

    def _slides(self, run: Sequence[float]) -> bool:
        visible = VISIBLE * self.width - TINY
        steps = [before - after for before, after in pairwise(run)]
        whole = sum(steps)
        downward = [step for step in steps if step >= visible]
        return (
            len(run) >= 4
            and len(downward) >= 2
            and whole >= 2 * visible
            and min(steps[0], steps[-1]) >= visible
            and max(steps) <= whole * 2 / 3 + TINY
            and min(steps) >= -max(0.15 * whole, visible) - TINY
        )
