"""Simulates worlds of both families as sequences of sessions to train the network on.

Each client's practice statistics are those of other clients of the same world, as a practice's statistics
would be that never saw this client. One client in seven has none, as in a practice that is new or small.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.simulator.cohort import MAX_SESSIONS, Cohort, simulate
from lab.simulator.two_state_cohort import simulate_two_state
from services.detector.features.practice_statistics import STATISTICS, practice_statistics
from services.detector.model.network_inputs import FORM_INPUTS, form_inputs

Floats32 = NDArray[np.float32]

CLIENTS = 60
"""Clients of one world: three groups, each of which has the statistics of clients of the other two."""
GROUPS = 3
NO_STATISTICS = 0.15
"""Share of groups without statistics."""
FEWEST_OTHERS = 22
"""Fewest clients that statistics are computed from; a few of them may have given no form."""
_FAMILIES = (simulate, simulate_two_state)


@dataclass(frozen=True, slots=True)
class Sequences:
    """n clients over at most t sessions, padded with zeros after the last one."""

    inputs: Floats32
    """(n, t, `FORM_INPUTS` and whether it is the first session)."""
    statistics: Floats32
    """(n, 21); NaN where none are known."""
    rupture: NDArray[np.bool_]
    """(n, t) a rupture is under way."""
    present: NDArray[np.bool_]
    """(n, t) the session took place."""
    fall: Floats32
    """(n, t, 3) how far a rupture lowers bond, goal and task."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Return (n,) the number of sessions up to the last one that took place, at least 1."""
        sessions = self.present.shape[1]
        last = sessions - np.argmax(self.present[:, ::-1], axis=1)
        return np.where(self.present.any(axis=1), last, 1)


def simulate_sequences(seed: int, chunk: int, worlds: int) -> Sequences:
    """Simulate fresh worlds, the two families in turn; the same arguments give the same sequences."""
    n = worlds * CLIENTS
    sequences = Sequences(
        inputs=np.zeros((n, MAX_SESSIONS, len(FORM_INPUTS) + 1), dtype=np.float32),
        statistics=np.full((n, len(STATISTICS)), np.nan, dtype=np.float32),
        rupture=np.zeros((n, MAX_SESSIONS), dtype=np.bool_),
        present=np.zeros((n, MAX_SESSIONS), dtype=np.bool_),
        fall=np.zeros((n, MAX_SESSIONS, 3), dtype=np.float32),
    )
    for world in range(worlds):
        rng = np.random.default_rng([seed, chunk, world])
        cohort = _FAMILIES[world % len(_FAMILIES)](rng, CLIENTS)
        _fill(sequences, world * CLIENTS, cohort, rng)
    return sequences


def _fill(sequences: Sequences, begin: int, cohort: Cohort, rng: np.random.Generator) -> None:
    rows, sessions = slice(begin, begin + CLIENTS), cohort.present.shape[1]
    forms = cohort.forms.reshape(-1, cohort.forms.shape[2])
    sequences.inputs[rows, :sessions, :-1] = form_inputs(forms).reshape(CLIENTS, sessions, -1)
    sequences.inputs[rows, 0, -1] = 1.0
    sequences.rupture[rows, :sessions] = cohort.rupture
    sequences.present[rows, :sessions] = cohort.present
    sequences.fall[rows, :sessions] = cohort.courses.fall
    client, session = np.nonzero(cohort.present)
    columns = cohort.forms[client, session]
    size = CLIENTS // GROUPS
    for group in range(GROUPS):
        if rng.random() < NO_STATISTICS:
            continue
        members = np.arange(group * size, (group + 1) * size)
        others = np.setdiff1d(np.arange(CLIENTS), members)
        number = int(rng.integers(FEWEST_OTHERS, others.size + 1))
        chosen = np.isin(client, rng.choice(others, number, replace=False))
        known = practice_statistics(columns[chosen], client[chosen])
        if known is not None:
            sequences.statistics[begin + members] = known
