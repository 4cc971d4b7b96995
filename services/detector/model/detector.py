"""Dyads' forms in, their assessments and snapshots out: features, score and explain in one pass."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.detector.core import DyadAssessed, DyadForms
from services.detector.explain import Found, explain
from services.detector.features import Features, Step
from services.detector.history import Form, matrix
from services.detector.movement import FORMS
from services.detector.reference import Reference
from services.detector.score import Classifier, Scorer

Floats = NDArray[np.float64]

_AT_ONCE = 256
"""Dyads folded together: what one step needs of so many stays in the processor's cache."""
_MAGIC = b"RAP1"


class BadSnapshot(ValueError):
    """The bytes are no snapshot of this model: refold the dyad's history."""


class _Gathered(NamedTuple):
    features: Floats
    found: Found


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The fixed history, and the risk after its last form on the machine that trained the model."""

    forms: tuple[Form, ...]
    expected_risk: float


class TrainedDetector:
    """A loaded model; implements `services.detector.core.Detector`."""

    def __init__(
        self,
        *,
        version: str,
        threshold: float,
        features: Features,
        scorer: Scorer,
        heartbeat: Heartbeat,
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

    def assess(self, dyads: Sequence[DyadForms]) -> list[DyadAssessed]:
        """Assess every form of every dyad.

        Raises:
            BadSnapshot: a snapshot was not made by this model.
        """
        states = self._states(dyads)
        forms = [form for dyad in dyads for form in dyad.forms]
        gathered = self._fold(states, [len(dyad.forms) for dyad in dyads], matrix(forms))
        risk = self._scorer.score(gathered.features)
        assessments = explain(forms, risk, gathered.found)
        out, begin = [], 0
        for snapshot, dyad in zip(_snapshots(states), dyads, strict=True):
            end = begin + len(dyad.forms)
            out.append(DyadAssessed(snapshot, assessments[begin:end]))
            begin = end
        return out

    def _states(self, dyads: Sequence[DyadForms]) -> Floats:
        states = self._features.start(len(dyads))
        size = len(_MAGIC) + 8 * states.shape[1]
        known = [dyad.snapshot for dyad in dyads if dyad.snapshot is not None]
        if any(len(snapshot) != size or not snapshot.startswith(_MAGIC) for snapshot in known):
            raise BadSnapshot("not a snapshot of this model: refold the history")
        if known:
            rows = [row for row, dyad in enumerate(dyads) if dyad.snapshot is not None]
            together = np.frombuffer(b"".join(known), dtype=np.uint8).reshape(-1, size)
            states[rows] = np.ascontiguousarray(together[:, len(_MAGIC) :]).view("<f8")
        return states

    def _fold(self, states: Floats, lengths: Sequence[int], columns: Floats) -> _Gathered:
        """Fold every dyad's forms, longest histories first; `states` holds the last state of each after."""
        counts = np.array(lengths, dtype=np.int64)
        first_row = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)[:-1]])
        longest_first = np.argsort(-counts, kind="stable")
        n = columns.shape[0]
        features = np.empty((n, len(self._features.names)))
        found = Found(**{field.name: np.empty((n, *_WIDTHS.get(field.name, ()))) for field in fields(Found)})
        for begin in range(0, counts.size, _AT_ONCE):
            some = longest_first[begin : begin + _AT_ONCE]
            for t in range(int(counts[some[0]])):
                going = some[counts[some] > t]
                rows = first_row[going] + t
                step = self._features.step(states[going], columns[rows])
                states[going] = step.state
                features[rows] = step.features
                _keep(found, rows, step)
        return _Gathered(features, found)


def _snapshots(states: Floats) -> Iterator[bytes]:
    """Each dyad's state as the bytes that `_states` reads."""
    numbers = states.astype("<f8", copy=False).view(np.uint8)
    magic = np.broadcast_to(np.frombuffer(_MAGIC, dtype=np.uint8), (states.shape[0], len(_MAGIC)))
    together = np.concatenate([magic, numbers], axis=1)
    size = together.shape[1]
    packed = together.tobytes()
    return (packed[at : at + size] for at in range(0, len(packed), size))


_WIDTHS = {"usual": (4,), "fall": (3,), "wobble": (3,), "trail": (3 * FORMS,)}
"""Of what is found, that which is more than one number a form."""


def _keep(found: Found, rows: NDArray[np.int64], step: Step) -> None:
    for field in fields(Found):
        getattr(found, field.name)[rows] = getattr(step, field.name)
