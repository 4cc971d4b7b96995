"""A detector and a cohort in, how often lowering the last form lowers the risk out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace

from services.detector.core import Detector, DyadForms
from services.detector.history import Form
from services.detector.model.flow import forms_of
from services.detector.model.shapes import WAI_SR
from services.detector.model.simulate import Cohort, simulate
from services.detector.model.world import typical_world

NOTABLE = 0.01
LOWERING_SEED = 31
WHOLE = ("bond", "goal", "task", "overall")


@dataclass(frozen=True, slots=True)
class Lowered:
    """What became of the risk when some components of the last form were lowered by `by`."""

    components: tuple[str, ...]
    by: float
    stopping: bool
    """Marks stop at the lowest one; otherwise forms that would pass it are left out."""
    forms: int
    notably_less: int
    """Forms whose risk fell by more than `NOTABLE`."""
    worst: float
    """The greatest fall of a risk."""

    def sentence(self) -> str:
        """The figure in words."""
        what = "the whole form" if len(self.components) > 1 else f"{self.components[0]} alone"
        what += ", marks stopping at the lowest," if self.stopping else ""
        share = 100 * self.notably_less / max(self.forms, 1)
        return (
            f"Lowering {what} by {self.by:g} of the scale lowered the risk by more than {NOTABLE:g} for "
            f"{share:.1f} of 100 forms (of {self.forms}; worst {self.worst:.2f})."
        )


def measure_all(detector: Detector, clients: int = 2000) -> list[Lowered]:
    """What the model card says: whole forms and single components, on one simulated cohort of 12 items."""
    rng = np.random.default_rng(LOWERING_SEED)
    cohort = simulate(rng, clients, typical_world(WAI_SR, rng))
    ways = (WHOLE, *((name,) for name in WHOLE[:3]))
    exact = [measure_lowering(detector, cohort, way, 0.125, stopping=False) for way in ways]
    return [*exact, measure_lowering(detector, cohort, WHOLE, 0.625, stopping=True)]


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
    risks = [
        np.array([result.assessments[-1].risk for result in detector.assess(dyads)])
        for dyads in (before, after)
    ]
    fell = risks[0] - risks[1]
    return Lowered(
        tuple(components), by, stopping, fell.size, int((fell > NOTABLE).sum()), float(fell.max(initial=0.0))
    )
