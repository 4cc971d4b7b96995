"""A simulated caseload and what was told of it in, answers of attentive and of careless therapists out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.product_path import JudgedCohort, session_name
from lab.simulator.cohort import Cohort
from lab.training.label_correction import Labelled, with_later
from services.detector.model.recalibration import WRONG, Said

ANSWERED = 0.6
"""Share of what was told that is answered at all."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How a caseload's therapists answer."""

    name: str
    careless: float
    """Share of the therapists who answer without looking, each with a habit of their own."""
    leaning: tuple[float, float]
    """The careless ones say "discussed" with a chance that is drawn from between these."""


ATTENTIVE = Habits("attentive", 0.0, (0.0, 1.0))
HABITS = (
    ATTENTIVE,
    Habits("a third careless", 1 / 3, (0.0, 1.0)),
    Habits("all careless", 1.0, (0.0, 1.0)),
    Habits("all click it away", 1.0, (0.1, 0.3)),
)


def answers(
    rng: np.random.Generator, habits: Habits, cohort: Cohort, judged: JudgedCohort, most: int
) -> Labelled:
    """What is said of the episodes that were told, at most so many answers.

    An attentive therapist says "discussed" where a rupture is under way at the session told of, and is
    wrong once in twenty times.
    """
    client, session = np.nonzero(judged.opened)
    kept = np.nonzero(rng.random(client.size) < ANSWERED)[0]
    kept = rng.permutation(kept)[:most]
    client, session = client[kept], session[kept]
    therapist: NDArray[np.int64] = cohort.therapist[client]
    everybody = int(cohort.therapist.max()) + 1
    careless = rng.random(everybody) < habits.careless
    leaning = rng.uniform(*habits.leaning, everybody)
    seen = cohort.rupture[client, session] ^ (rng.random(client.size) < WRONG)
    clicked = rng.random(client.size) < leaning[therapist]
    said = np.where(careless[therapist], clicked, seen)
    later = {(row, name): risk for row, one in enumerate(judged.judged) for name, _, risk in with_later(one)}
    names = [session_name(row, t) for row, t in zip(client.tolist(), session.tolist(), strict=True)]
    return Labelled(
        Said(judged.risk[client, session], said, [str(number) for number in therapist.tolist()]),
        np.array([later[key] for key in zip(client.tolist(), names, strict=True)], dtype=np.float64),
        [str(number) for number in client.tolist()],
    )
