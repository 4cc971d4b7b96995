"""Assesses the forms of many dyads with a trained model: features, risks and explanations in one pass."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext

import numpy as np
from numpy.typing import NDArray

from services.detector.domain.detector import DyadAssessments, DyadForms, HeartbeatHistory
from services.detector.domain.form import form_matrix
from services.detector.domain.message_precision import MeasuredPrecision
from services.detector.domain.reference import Reference
from services.detector.features.extractor import FeatureExtractor
from services.detector.model.batch_fold import FoldedForms, HistoryLengths, fold_batch
from services.detector.model.classifier import Classifier, Scorer
from services.detector.model.explanation import explain
from services.detector.model.floor_effect import possible_originals
from services.detector.model.form_step import FormStep
from services.detector.model.network import Network, NetworkOutput
from services.detector.model.snapshot import decode_snapshots, encode_snapshots, snapshot_form

Floats = NDArray[np.float64]

_FLOOR_BATCH = 8
"""Forms at the floor that are scored together, each with all its possible originals."""


class TrainedDetector:
    """A loaded model; implements `services.detector.domain.detector.Detector`."""

    def __init__(
        self,
        *,
        version: str,
        threshold: float,
        features: FeatureExtractor,
        scorer: Scorer,
        heartbeat: HeartbeatHistory,
        network: Network | None = None,
        reference: Reference | None = None,
        message_precision: Mapping[str, MeasuredPrecision] | None = None,
    ) -> None:
        self._version = version
        self._threshold = threshold
        self._step = FormStep(features, network)
        self._snapshot_form = snapshot_form(self._step.width, with_network=network is not None)
        self._scorer = scorer
        self.heartbeat = heartbeat
        self.reference = reference
        self.message_precision = message_precision or {}

    @property
    def version(self) -> str:
        """Version of the artefact."""
        return self._version

    @property
    def classifier(self) -> Classifier:
        """The classifier that computes risks from features."""
        return self._scorer.classifier

    @property
    def network(self) -> Network | None:
        """The network whose log-odds the classifier uses; None: it uses none."""
        return self._step.network

    @property
    def threshold(self) -> float:
        """The risk from which a session is flagged until a practice has a threshold of its own."""
        return self._threshold

    @property
    def uses_statistics(self) -> bool:
        """Whether it reads the statistics of a form's practice: the network does."""
        return self.network is not None

    def reads(self, snapshot: bytes) -> bool:
        """Whether this model made these bytes, as far as their format and their size tell."""
        magic, size = self._snapshot_form
        return len(snapshot) == size and snapshot.startswith(magic)

    def assess(self, dyads: Sequence[DyadForms]) -> list[DyadAssessments]:
        """Assess every form of every dyad that is not already assessed.

        Raises:
            BadSnapshot: a snapshot was not made by this model.
        """
        has_network = self.network is not None
        states = self._step.start(len(dyads))
        decode_snapshots([dyad.snapshot for dyad in dyads], states, with_network=has_network)
        with self._scorer.one_thread() if has_network else nullcontext():
            folded = self._fold(states, dyads)
            risk = self._risk(folded)
        forms = [form for dyad in dyads for form in dyad.forms[dyad.already_assessed :]]
        assessments = explain(forms, risk, folded.explanation)
        results, begin = [], 0
        snapshots = encode_snapshots(states, with_network=has_network)
        for snapshot, dyad in zip(snapshots, dyads, strict=True):
            end = begin + len(dyad.forms) - dyad.already_assessed
            results.append(DyadAssessments(snapshot, assessments[begin:end]))
            begin = end
        return results

    def _fold(self, states: Floats, dyads: Sequence[DyadForms]) -> FoldedForms:
        lengths = [HistoryLengths(len(dyad.forms), dyad.already_assessed) for dyad in dyads]
        columns = form_matrix([form for dyad in dyads for form in dyad.forms])
        return fold_batch(self._step, states, lengths, columns, self._step.contexts(states, dyads))

    def _risk(self, folded: FoldedForms) -> Floats:
        """Return each form's risk (n,); a form at the floor has that of its riskiest possible original."""
        risk = self._score(folded.features, folded.network)
        for begin in range(0, len(folded.at_floor), _FLOOR_BATCH):
            batch = folded.at_floor[begin : begin + _FLOOR_BATCH]
            originals = [possible_originals(each.form) for each in batch]
            counts = [len(forms) for forms in originals]
            if not any(counts):
                continue
            states = np.repeat(np.stack([each.state for each in batch]), counts, axis=0)
            contexts = np.repeat(np.stack([each.context for each in batch]), counts, axis=0)
            forms = np.concatenate(originals)
            output = self._step.head(states, self._step.inputs(forms, contexts))
            rows = np.repeat([each.row for each in batch], counts)
            np.maximum.at(risk, rows, self._score(self._step.extract(states, forms).features, output))
        return risk

    def _score(self, features: Floats, output: NetworkOutput | None) -> Floats:
        return self._scorer.score(features, None if output is None else output.log_odds)
