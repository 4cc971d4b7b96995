"""Takes the states of dyads through one form: the extractor's state and, if there is one, the network's."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.detector.domain.detector import DyadForms
from services.detector.features.extractor import Extraction, FeatureExtractor
from services.detector.features.practice_statistics import STATISTICS
from services.detector.model.network import Network, NetworkOutput
from services.detector.model.network_inputs import FIRST_SESSION, FORM_INPUTS, form_inputs, with_context

Floats = NDArray[np.float64]


class FormStep:
    """Steps states (n, width): `extractor.layout.width` numbers, then one per unit of the network.

    Without a network, contexts and inputs have no columns, and nothing is computed from them.
    """

    def __init__(self, extractor: FeatureExtractor, network: Network | None = None) -> None:
        self.extractor = extractor
        self.network = network
        self._of_extractor = slice(0, extractor.layout.width)
        self._of_network = slice(extractor.layout.width, None)
        self.width = self.start(0).shape[1]

    def start(self, n: int) -> Floats:
        """Return the state (n, width) of n dyads without a form."""
        of_extractor = self.extractor.start(n)
        if self.network is None:
            return of_extractor
        return np.concatenate([of_extractor, self.network.start(n)], axis=1)

    def contexts(self, states: Floats, dyads: Sequence[DyadForms]) -> Floats:
        """Return what the inputs of each form share with those of other forms of its session, dyad by dyad.

        Args:
            states: (dyads, width) before their first forms.
            dyads: the forms and their practices' statistics.

        Returns:
            (forms, `CONTEXT_INPUTS`).
        """
        counts = np.array([len(dyad.forms) for dyad in dyads], dtype=np.int64)
        if self.network is None:
            return np.empty((int(counts.sum()), 0))
        table, row = distinct_statistics(dyads)
        contexts: Floats = self.network.context(np.zeros(len(table), dtype=np.bool_), table)[row]
        is_new = self.extractor.is_new(states[:, self._of_extractor]) & (counts > 0)
        contexts[(np.cumsum(counts) - counts)[is_new], FIRST_SESSION] = 1.0
        return contexts

    def inputs(self, forms: Floats, contexts: Floats) -> Floats:
        """Return the network's inputs of forms (n, columns) in their contexts."""
        return (
            np.empty((len(forms), 0)) if self.network is None else with_context(form_inputs(forms), contexts)
        )

    @staticmethod
    def context_of(inputs: Floats) -> Floats:
        """Return the context of one form from its inputs; both in one dimension."""
        return inputs[len(FORM_INPUTS) :]

    def update_state(self, states: Floats, forms: Floats, inputs: Floats) -> Floats:
        """Return the states after forms whose features are not needed, as `FeatureExtractor.update_state`."""
        after = self.extractor.update_state(states[:, self._of_extractor], forms)
        return self._with_network(after, states, inputs)

    def extract(self, states: Floats, forms: Floats) -> Extraction:
        """Return what the extractor reads from one form of each dyad."""
        return self.extractor.extract(states[:, self._of_extractor], forms)

    def after(self, states: Floats, extraction: Extraction, inputs: Floats) -> Floats:
        """Return the states after forms that were extracted."""
        return self._with_network(extraction.state, states, inputs)

    def head(self, states: Floats, inputs: Floats) -> NetworkOutput | None:
        """Return what the network says about forms from the states before them; None without a network."""
        return None if self.network is None else self.network.head(states[:, self._of_network], inputs)

    def _with_network(self, of_extractor: Floats, states: Floats, inputs: Floats) -> Floats:
        if self.network is None:
            return of_extractor
        of_network = self.network.step(states[:, self._of_network], inputs)
        return np.concatenate([of_extractor, of_network], axis=1)


def distinct_statistics(dyads: Sequence[DyadForms]) -> tuple[Floats, NDArray[np.int64]]:
    """Return the distinct statistics (m, 21), the first NaN for none, and the row of each form, dyad by dyad.

    Few objects stand for the statistics of many forms; two objects with equal values have a row each.
    """
    table: list[Sequence[float]] = [(np.nan,) * len(STATISTICS)]
    place: dict[int, int] = {id(None): 0}
    rows: list[int] = []
    for dyad in dyads:
        if not dyad.statistics:
            rows += [0] * len(dyad.forms)
            continue
        if len(dyad.statistics) != len(dyad.forms):
            raise ValueError(
                f"{len(dyad.forms)} forms have {len(dyad.statistics)} statistics: give each form its own"
            )
        for statistics in dyad.statistics:
            if statistics is not None and id(statistics) not in place:
                place[id(statistics)] = len(table)
                table.append(statistics.values)
            rows.append(place[id(statistics)])
    return np.array(table, dtype=np.float64), np.array(rows, dtype=np.int64)
