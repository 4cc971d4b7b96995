"""Simulates therapists' answers to alerts, given attentively or without looking."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.product_path import AssessedCohort, simulated_session_id
from lab.simulator.cohort import Cohort
from lab.training.label_correction import LabelledSessions, risks_with_next
from lab.training.recalibration_fit import WRONG_ANSWER, TherapistAnswers

ANSWERED = 0.6
"""Share of alerts that are answered."""


@dataclass(frozen=True, slots=True)
class AnswerHabits:
    """How a caseload's therapists answer."""

    name: str
    careless: float
    """Share of therapists who answer without looking."""
    yes_rates: tuple[float, float]
    """Each careless therapist says "discussed" at a rate of their own, drawn uniformly between these."""


ATTENTIVE = AnswerHabits("attentive", 0.0, (0.0, 1.0))
HABITS = (
    ATTENTIVE,
    AnswerHabits("a third careless", 1 / 3, (0.0, 1.0)),
    AnswerHabits("all careless", 1.0, (0.0, 1.0)),
    AnswerHabits("all click it away", 1.0, (0.1, 0.3)),
)


def simulate_answers(
    rng: np.random.Generator, habits: AnswerHabits, cohort: Cohort, assessed: AssessedCohort, at_most: int
) -> LabelledSessions:
    """Simulate the answers to opened episodes, at most `at_most` of them.

    An attentive therapist says "discussed" where a rupture is under way at the session of the alert, and is
    wrong once in twenty times.
    """
    client, session = np.nonzero(assessed.opened)
    answered = np.nonzero(rng.random(client.size) < ANSWERED)[0]
    answered = rng.permutation(answered)[:at_most]
    client, session = client[answered], session[answered]
    therapist: NDArray[np.int64] = cohort.therapist[client]
    therapists = int(cohort.therapist.max()) + 1
    careless = rng.random(therapists) < habits.careless
    yes_rate = rng.uniform(*habits.yes_rates, therapists)
    attentive_yes = cohort.rupture[client, session] ^ (rng.random(client.size) < WRONG_ANSWER)
    careless_yes = rng.random(client.size) < yes_rate[therapist]
    yes = np.where(careless[therapist], careless_yes, attentive_yes)
    next_risk = {
        (row, name): risk
        for row, dyad in enumerate(assessed.dyads)
        for name, _, risk in risks_with_next(dyad)
    }
    names = [simulated_session_id(row, t) for row, t in zip(client.tolist(), session.tolist(), strict=True)]
    return LabelledSessions(
        TherapistAnswers(assessed.risk[client, session], yes, [str(number) for number in therapist.tolist()]),
        np.array([next_risk[key] for key in zip(client.tolist(), names, strict=True)], dtype=np.float64),
        [str(number) for number in client.tolist()],
    )
