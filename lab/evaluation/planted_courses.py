"""Makes a yardstick of a practice's own ratings by planting ruptures into copies of its courses."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from lab.evaluation.course_group import CourseGroup, CourseTruth
from lab.evaluation.planting import RupturePlan, draw_plan, lower_rating
from lab.evaluation.yardsticks import Yardstick
from lab.practice_histories import DyadHistory, PracticeHistories
from lab.statistics_of_others import statistics_of_others
from schemas.components import Component
from schemas.instruments.catalogue import Catalogue
from services.detector.domain.form import Form, form_of

COPIES = 20
FOLDS = 5
"""Groups of clients that are measured one by one, which shows how much depends on the clients."""
PLANTED_SHARE = 0.6
NAME = "planted into own ratings"
_SEED = 51


def planted(
    histories: PracticeHistories, catalogue: Catalogue, copies: int = COPIES, folds: int = FOLDS
) -> Yardstick:
    """Return the yardstick; a client's copies all belong to one fold, and are resampled together.

    Every course is scored with the statistics of other clients' ratings as they were given.

    Args:
        histories: of `lab.practice_histories.read_histories`.
        catalogue: the instruments of the ratings.
        copies: of each client's course; `PLANTED_SHARE` of them get a rupture.
        folds: number of groups of clients.

    Raises:
        ValueError: no client has two rated sessions.
    """
    dyads = histories.dyads
    if not any(sum(form.answered > 0 for form in dyad.forms) > 1 for dyad in dyads):
        raise ValueError("no client in the table has two rated sessions: there is nothing to plant into")
    statistics = statistics_of_others([dyad.forms for dyad in dyads], [dyad.practice_id for dyad in dyads])
    folds = min(folds, len(dyads))

    def fold_of(members: Sequence[int], kind: str) -> CourseGroup:
        courses = [
            planted_copy(np.random.default_rng([_SEED, client, copy]), dyads[client], catalogue)
            if copy < round(PLANTED_SHARE * copies)
            else (dyads[client].forms, None)
            for client in members
            for copy in range(copies)
        ]
        client = np.repeat(np.array(members), copies)
        histories = [forms for forms, _ in courses]
        truth = _truth(histories, [plan for _, plan in courses], client)
        return CourseGroup(kind, truth, histories, [statistics[number] for number in client.tolist()])

    def groups() -> Iterator[CourseGroup]:
        for fold in range(folds):
            yield fold_of(range(fold, len(dyads), folds), f"clients {fold + 1} of {folds}")

    return Yardstick(NAME, folds, groups, one_practice=True)


def planted_copy(
    rng: np.random.Generator, dyad: DyadHistory, catalogue: Catalogue
) -> tuple[Sequence[Form], RupturePlan | None]:
    """Return a copy of a course with a rupture planted, and the rupture; None where none can be planted."""
    rated = np.array([form.answered > 0 for form in dyad.forms])
    plan = draw_plan(rng, rated, _components(dyad, catalogue))
    if plan is None:
        return dyad.forms, None
    forms = list(dyad.forms)
    for session in np.nonzero(rated & (plan.shares > 0))[0].tolist():
        rating = dyad.ratings[session]
        instrument = catalogue.get(rating.instrument)
        forms[session] = form_of(lower_rating(rng, rating, instrument, plan.falls(session)), instrument)
    return forms, plan


def _components(dyad: DyadHistory, catalogue: Catalogue) -> list[Component]:
    """Return the components that every instrument of the course has items for."""
    instruments = {rating.instrument for rating in dyad.ratings}
    return [
        component
        for component in Component
        if all(component in catalogue.get(instrument).components for instrument in instruments)
    ]


def _truth(
    histories: Sequence[Sequence[Form]], plans: Sequence[RupturePlan | None], client: NDArray[np.int64]
) -> CourseTruth:
    shape = len(histories), max(map(len, histories))
    present, rated, rupture = (np.zeros(shape, dtype=np.bool_) for _ in range(3))
    for course, (forms, plan) in enumerate(zip(histories, plans, strict=True)):
        sessions = slice(0, len(forms))
        present[course, sessions] = True
        rated[course, sessions] = [form.answered > 0 for form in forms]
        if plan is not None:
            rupture[course, sessions] = plan.under_way
    return CourseTruth(present, rated, rupture, client)
