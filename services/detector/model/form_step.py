"""Takes the states of dyads through one form: the extractor's state and, if there is one, the network's."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.detector.domain.detector import DyadForms
from services.detector.domain.practice_statistics import PracticeStatistics
from services.detector.features.extractor import Extraction, FeatureExtractor
from services.detector.features.practice_statistics import STATISTICS
from services.detector.model.network import Network, NetworkOutput
from services.detector.model.network_inputs import FORM_INPUTS, form_inputs, with_context

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
        if self.network is None:
            return np.empty((sum(len(dyad.forms) for dyad in dyads), 0))
        first: list[bool] = []
        for is_new, dyad in zip(self.extractor.is_new(states[:, self._of_extractor]), dyads, strict=True):
            first += [bool(is_new) and number == 0 for number in range(len(dyad.forms))]
        return self.network.context(np.array(first, dtype=np.bool_), statistics_rows(dyads))

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


def statistics_rows(dyads: Sequence[DyadForms]) -> Floats:
    """Return the practice's statistics of each form, dyad by dyad, shape (forms, 21); NaN: none are known."""
    table: list[Sequence[float]] = [(np.nan,) * len(STATISTICS)]
    # Few objects stand for the statistics of many forms.
    place: dict[int, int] = {id(None): 0}
    rows: list[int] = []
    for dyad in dyads:
        given: Sequence[PracticeStatistics | None] = dyad.statistics or (None,) * len(dyad.forms)
        if len(given) != len(dyad.forms):
            raise ValueError(f"{len(dyad.forms)} forms have {len(given)} statistics: give each form its own")
        for statistics in given:
            if statistics is not None and id(statistics) not in place:
                place[id(statistics)] = len(table)
                table.append(statistics.values)
            rows.append(place[id(statistics)])
    found: Floats = np.array(table, dtype=np.float64)[np.array(rows, dtype=np.int64)]
    return found
