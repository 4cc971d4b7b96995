"""Collects the forms of a practice's dyads as numbers, and computes the practice's statistics of them."""

import numpy as np
from numpy.typing import NDArray

from schemas.ids import DyadId
from services.detector.domain.form import FORM_COLUMNS
from services.detector.features.practice_statistics import practice_statistics

Floats = NDArray[np.float64]

MOST_FORMS = 100
"""The newest forms of a dyad that count: those of almost two years of weekly sessions."""
_MARKS = slice(0, FORM_COLUMNS.index("overall") + 1)


class PracticeForms:
    """The forms of one practice, 72 bytes each.

    What is computed of them does not depend on the order in which the dyads were added.
    """

    def __init__(self) -> None:
        self._by_dyad: dict[DyadId, Floats] = {}

    def add(self, dyad: DyadId, columns: Floats) -> None:
        """Add a dyad with its forms in order, shape (forms, columns); the newest `MOST_FORMS` count."""
        self._by_dyad[dyad] = columns[-MOST_FORMS:]

    @property
    def forms(self) -> int:
        """Number of forms that count, declined ones included."""
        return sum(len(columns) for columns in self._by_dyad.values())

    @property
    def clients(self) -> int:
        """Number of dyads with a rated form: a client with two therapists counts twice."""
        return sum(bool((~np.isnan(columns[:, _MARKS])).any()) for columns in self._by_dyad.values())

    def statistics(self) -> tuple[float, ...] | None:
        """Return the practice's statistics as `practice_statistics` does; None with too few clients."""
        # Sums depend on the order of their terms in the last digit.
        columns = [self._by_dyad[dyad] for dyad in sorted(self._by_dyad)]
        if not columns:
            return None
        client = np.repeat(np.arange(len(columns)), [len(forms) for forms in columns])
        found = practice_statistics(np.concatenate(columns), client)
        return None if found is None else tuple(found.tolist())
