"""Dyads' forms in, their assessments and snapshots out: features, score and explain in one pass."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from services.detector.domain.detector import DyadAssessments, DyadForms, HeartbeatHistory
from services.detector.domain.form import form_matrix
from services.detector.domain.reference import Reference
from services.detector.features.extractor import FeatureExtractor
from services.detector.model.batch_fold import FoldedForms, HistoryLengths, fold
from services.detector.model.classifier import Classifier, Scorer
from services.detector.model.explanation import explain
from services.detector.model.floor_effect import possible_originals

Floats = NDArray[np.float64]

_FLOOR_AT_ONCE = 8
"""Forms at the floor weighed together, with all that they may have been."""
_MAGIC = b"RAP2"


class BadSnapshot(ValueError):
    """The bytes are no snapshot of this model: refold the dyad's history."""


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
        reference: Reference | None = None,
    ) -> None:
        self._version = version
        self._threshold = threshold
        self._features = features
        self._scorer = scorer
        self.heartbeat = heartbeat
        self.reference = reference

    @property
    def version(self) -> str:
        """Names the artefact."""
        return self._version

    @property
    def classifier(self) -> Classifier:
        """What makes risks of features."""
        return self._scorer.classifier

    @property
    def threshold(self) -> float:
        """The risk at which to flag until a practice has a threshold of its own."""
        return self._threshold

    def assess(self, dyads: Sequence[DyadForms]) -> list[DyadAssessments]:
        """Assess every form of every dyad that is not known.

        Raises:
            BadSnapshot: a snapshot was not made by this model.
        """
        states = self._states(dyads)
        work = [HistoryLengths(len(dyad.forms), dyad.already_assessed) for dyad in dyads]
        gathered = fold(
            self._features, states, work, form_matrix([form for dyad in dyads for form in dyad.forms])
        )
        forms = [form for dyad in dyads for form in dyad.forms[dyad.already_assessed :]]
        assessments = explain(forms, self._risk(gathered), gathered.found)
        out, begin = [], 0
        for snapshot, dyad in zip(_snapshots(states), dyads, strict=True):
            end = begin + len(dyad.forms) - dyad.already_assessed
            out.append(DyadAssessments(snapshot, assessments[begin:end]))
            begin = end
        return out

    def _risk(self, gathered: FoldedForms) -> Floats:
        """Of each form: the classifier's, and at the floor that of the riskiest form that ends as it."""
        risk = self._scorer.score(gathered.features)
        for begin in range(0, len(gathered.floor), _FLOOR_AT_ONCE):
            some = gathered.floor[begin : begin + _FLOOR_AT_ONCE]
            ways = [possible_originals(one.form) for one in some]
            if not any(map(len, ways)):
                continue
            states = np.repeat(np.stack([one.state for one in some]), [len(way) for way in ways], axis=0)
            might = self._scorer.score(self._features.step(states, np.concatenate(ways)).features)
            rows = np.repeat([one.row for one in some], [len(way) for way in ways])
            np.maximum.at(risk, rows, might)
        return risk

    def _states(self, dyads: Sequence[DyadForms]) -> Floats:
        states = self._features.start(len(dyads))
        size = len(_MAGIC) + 4 * states.shape[1]
        known = [dyad.snapshot for dyad in dyads if dyad.snapshot is not None]
        if any(len(snapshot) != size or not snapshot.startswith(_MAGIC) for snapshot in known):
            raise BadSnapshot("not a snapshot of this model: refold the history")
        if known:
            rows = [row for row, dyad in enumerate(dyads) if dyad.snapshot is not None]
            together = np.frombuffer(b"".join(known), dtype=np.uint8).reshape(-1, size)
            states[rows] = np.ascontiguousarray(together[:, len(_MAGIC) :]).view("<f4")
        return states


def _snapshots(states: Floats) -> Iterator[bytes]:
    """Each dyad's state as the bytes that `_states` reads."""
    numbers = states.astype("<f4").view(np.uint8)
    magic = np.broadcast_to(np.frombuffer(_MAGIC, dtype=np.uint8), (states.shape[0], len(_MAGIC)))
    together = np.concatenate([magic, numbers], axis=1)
    size = together.shape[1]
    packed = together.tobytes()
    return (packed[at : at + size] for at in range(0, len(packed), size))
