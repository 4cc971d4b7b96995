"""A detector and a cohort in, how often lowering the last form lowers the risk out."""

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace as with_

import numpy as np
from msgspec.structs import replace

from lab.product_path import forms_of
from lab.simulator.cohort import Cohort, simulate
from lab.simulator.instruments import WAI_SR
from lab.simulator.item_responses import score
from lab.simulator.world import typical_world
from services.detector.domain.detector import Detector, DyadForms
from services.detector.domain.form import Form

NOTABLE = 0.01
LOWERING_SEED = 31
WHOLE = ("bond", "goal", "task", "overall")


STEP = 0.25
"""Of the instrument it is measured on: marks from 1 to 5."""


@dataclass(frozen=True, slots=True)
class Lowered:
    """What became of the risk when the last form was lowered by `by`."""

    what: str
    """What was lowered, in words."""
    by: float
    forms: int
    notably_less: int
    """Forms whose risk fell by more than `NOTABLE`."""
    worst: float
    """The greatest fall of a risk."""

    def sentence(self) -> str:
        """The figure in words."""
        share = 100 * self.notably_less / max(self.forms, 1)
        return (
            f"Lowering {self.what} by {self.by:g} of the scale lowered the risk by more than {NOTABLE:g} for "
            f"{share:.1f} of 100 forms (of {self.forms}; worst {self.worst:.3f})."
        )


def measure_all(detector: Detector, clients: int = 2000) -> list[Lowered]:
    """What the model card says: whole forms and single components, on one simulated cohort of 12 items."""
    rng = np.random.default_rng(LOWERING_SEED)
    cohort = simulate(rng, clients, typical_world(WAI_SR, rng))
    ways = (WHOLE, *((name,) for name in WHOLE[:3]))
    return [
        *(measure_lowering(detector, cohort, way, 0.125, stopping=False) for way in ways),
        *(measure_lowering(detector, cohort, WHOLE, by, stopping=True) for by in (STEP, 2 * STEP, 0.625)),
        *(measure_items(detector, cohort, steps * STEP) for steps in (1, 2, 3)),
    ]


def lower(form: Form, components: Sequence[str], by: float, *, stopping: bool) -> Form | None:
    """The form with some components lowered; None where one would pass the lowest mark and may not stop."""
    marks = {name: float(getattr(form, name)) - by for name in components}
    if any(mark < 0 for mark in marks.values()) and not stopping:
        return None
    marks = {name: 0.0 if mark < 0 else mark for name, mark in marks.items()}
    bond, goal, task, overall = (marks.get(name, float(getattr(form, name))) for name in WHOLE)
    return replace(form, bond=bond, goal=goal, task=task, overall=overall, top=0.0)


def measure_lowering(
    detector: Detector, cohort: Cohort, components: Sequence[str], by: float, *, stopping: bool
) -> Lowered:
    """Lower the last form of each client that can be lowered so far, and compare the risks."""
    before, after = [], []
    for client in range(cohort.present.shape[0]):
        forms = forms_of(cohort, client)
        if forms and forms[-1].answered:
            lowered = lower(forms[-1], components, by, stopping=stopping)
            if lowered is not None:
                before.append(DyadForms(None, forms))
                after.append(DyadForms(None, [*forms[:-1], lowered]))
    what = "the whole form" if len(components) > 1 else f"{components[0]} alone"
    return _compared(detector, what + ", components stopping at the lowest," * stopping, by, before, after)


def measure_items(detector: Detector, cohort: Cohort, by: float) -> Lowered:
    """Lower every mark of each client's last form, each stopping at the lowest, and compare the risks."""
    n = cohort.present.shape[0]
    last = cohort.present.shape[1] - 1 - np.argmax(cohort.present[:, ::-1], axis=1)
    marks = cohort.marks.copy()
    marks[np.arange(n), last] = np.maximum(marks[np.arange(n), last] - by, 0.0)
    lowered = with_(cohort, marks=marks, forms=score(cohort.world.shape, marks, cohort.declined))
    some = [i for i in range(n) if cohort.present[i].any() and not cohort.declined[i, last[i]]]
    before, after = ([DyadForms(None, forms_of(one, i)) for i in some] for one in (cohort, lowered))
    return _compared(detector, "each mark, stopping at the lowest,", by, before, after)


def _compared(
    detector: Detector, what: str, by: float, before: Sequence[DyadForms], after: Sequence[DyadForms]
) -> Lowered:
    risks = [
        np.array([result.assessments[-1].risk for result in detector.assess(dyads)])
        for dyads in (before, after)
    ]
    fell = risks[0] - risks[1]
    return Lowered(what, by, fell.size, int((fell > NOTABLE).sum()), float(fell.max(initial=0.0)))
