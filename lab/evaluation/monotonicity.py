"""Measures how often lowering a client's last form lowers the risk, which should never happen."""

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace as with_

import numpy as np
from msgspec.structs import replace

from lab.product_path import forms_of
from lab.simulator.cohort import Cohort, simulate
from lab.simulator.item_responses import score_cohort
from lab.simulator.world import typical_world
from schemas.instruments.catalogue import Catalogue
from services.detector.domain.detector import Detector, DyadForms
from services.detector.domain.form import Form

NOTABLE = 0.01
"""A risk that falls by more than this has fallen notably."""
SEED = 31
INSTRUMENT = "wai-sr"
WHOLE_FORM = ("bond", "goal", "task", "overall")
STEP = 0.25
"""The instrument's step on the scale 0 to 1."""


@dataclass(frozen=True, slots=True)
class LoweringResult:
    """How the risk changed when the last form was lowered by `by`."""

    what: str
    """What was lowered, as a phrase."""
    by: float
    forms: int
    notably_less: int
    """Forms whose risk fell by more than `NOTABLE`."""
    worst: float
    """The largest decrease of a risk."""

    def sentence(self) -> str:
        """Return the result as a sentence of the model card."""
        share = 100 * self.notably_less / max(self.forms, 1)
        return (
            f"Lowering {self.what} by {self.by:g} of the scale lowered the risk by more than {NOTABLE:g} for "
            f"{share:.1f} of 100 forms (of {self.forms}; worst {self.worst:.3f})."
        )


def measure_all(detector: Detector, clients: int = 2000) -> list[LoweringResult]:
    """Lower whole forms, single components and items, on one simulated cohort; for the model card."""
    rng = np.random.default_rng(SEED)
    cohort = simulate(rng, clients, typical_world(Catalogue.load().get(INSTRUMENT), rng))
    ways = (WHOLE_FORM, *((name,) for name in WHOLE_FORM[:3]))
    return [
        *(measure_lowering(detector, cohort, way, 0.125, stopping=False) for way in ways),
        *(
            measure_lowering(detector, cohort, WHOLE_FORM, by, stopping=True)
            for by in (STEP, 2 * STEP, 0.625)
        ),
        *(measure_items(detector, cohort, steps * STEP) for steps in (1, 2, 3)),
    ]


def lower(form: Form, components: Sequence[str], by: float, *, stopping: bool) -> Form | None:
    """Return the form with some components lowered by `by` on the scale 0 to 1.

    A component that would pass the lowest mark stops there; without `stopping` the result is None instead.
    """
    marks = {name: float(getattr(form, name)) - by for name in components}
    if any(mark < 0 for mark in marks.values()) and not stopping:
        return None
    marks = {name: 0.0 if mark < 0 else mark for name, mark in marks.items()}
    bond, goal, task, overall = (marks.get(name, float(getattr(form, name))) for name in WHOLE_FORM)
    return replace(form, bond=bond, goal=goal, task=task, overall=overall, top=0.0)


def measure_lowering(
    detector: Detector, cohort: Cohort, components: Sequence[str], by: float, *, stopping: bool
) -> LoweringResult:
    """Lower the last form of each client whose form allows it, and compare the risks."""
    before, after = [], []
    for client in range(cohort.present.shape[0]):
        forms = forms_of(cohort, client)
        if forms and forms[-1].answered:
            lowered = lower(forms[-1], components, by, stopping=stopping)
            if lowered is not None:
                before.append(DyadForms(None, forms))
                after.append(DyadForms(None, [*forms[:-1], lowered]))
    what = "the whole form" if len(components) > 1 else f"{components[0]} alone"
    return _compare(detector, what + ", components stopping at the lowest," * stopping, by, before, after)


def measure_items(detector: Detector, cohort: Cohort, by: float) -> LoweringResult:
    """Lower every mark of each client's last form, stopping at the lowest mark, and compare the risks."""
    n = cohort.present.shape[0]
    last = cohort.present.shape[1] - 1 - np.argmax(cohort.present[:, ::-1], axis=1)
    marks = cohort.marks.copy()
    marks[np.arange(n), last] = np.maximum(marks[np.arange(n), last] - by, 0.0)
    lowered = with_(cohort, marks=marks, forms=score_cohort(cohort.world.instrument, marks, cohort.declined))
    clients = [i for i in range(n) if cohort.present[i].any() and not cohort.declined[i, last[i]]]
    before, after = (
        [DyadForms(None, forms_of(version, i)) for i in clients] for version in (cohort, lowered)
    )
    return _compare(detector, "each mark, stopping at the lowest,", by, before, after)


def _compare(
    detector: Detector, what: str, by: float, before: Sequence[DyadForms], after: Sequence[DyadForms]
) -> LoweringResult:
    risks = [
        np.array([result.assessments[-1].risk for result in detector.assess(dyads)])
        for dyads in (before, after)
    ]
    decrease = risks[0] - risks[1]
    return LoweringResult(
        what, by, decrease.size, int((decrease > NOTABLE).sum()), float(decrease.max(initial=0.0))
    )
