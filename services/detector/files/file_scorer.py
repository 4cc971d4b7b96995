"""Scores the sessions of a table with the stages of the stream: model, thresholds, episodes."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from math import isnan

from services.detector.domain.dated_rows import Threshold, default_threshold
from services.detector.domain.detector import Detector
from services.detector.domain.dyad_work import DyadWork, SessionWork
from services.detector.domain.episode_state import NO_SESSIONS
from services.detector.domain.episodes import fold_episodes
from services.detector.domain.practice import Practice
from services.detector.domain.session_scoring import apply_threshold, assess_dyads
from services.detector.files.file_statistics import StatisticsByPractice
from services.detector.files.ratings_table import row_number

COLUMNS = (
    "session_id", "client_id", "risk", "alert", "leading_component", "bond", "goal", "task", "episode",
    "model_version",
)  # fmt: skip
Thresholds = Mapping[str, tuple[Threshold, ...]]
"""Each practice's own thresholds, by practice."""


class FileScorer:
    """Assesses dyads by one model, with their practices' thresholds and statistics where they have some."""

    def __init__(self, model: Detector, thresholds: Thresholds, statistics: StatisticsByPractice) -> None:
        self._model = model
        self._thresholds = thresholds
        self._statistics = statistics
        self._default = default_threshold(model.version, model.threshold)

    def lines(self, dyads: Sequence[DyadWork]) -> Iterator[tuple[int, str]]:
        """Assess the dyads, and yield one CSV line per session, with the number of its row."""
        self.assess(dyads)
        last = _LastLine()
        writer = csv.writer(last, lineterminator="\n")
        for dyad in dyads:
            for session in dyad.sessions:
                writer.writerow(self._cells(session))
                yield row_number(session), last.line

    def assess(self, dyads: Sequence[DyadWork]) -> None:
        """Assess the sessions of dyads, which are in order, and put them into episodes."""
        for dyad in dyads:
            dyad.practice = self._practice(dyad.who.practice_id)
        assess_dyads(self._model, dyads)
        for dyad in dyads:
            for session in dyad.sessions:
                apply_threshold(session, dyad.practice)
            _, steps = fold_episodes(
                NO_SESSIONS, [s.session_risk for s in dyad.sessions if s.session_risk is not None]
            )
            for session, step in zip(dyad.sessions, steps, strict=True):
                session.episode_step = step

    def _practice(self, id_: str) -> Practice:
        own = self._thresholds.get(id_, ())
        statistics = self._statistics.get(id_, ())
        return Practice(id_, None, None, self._model, own, self._default, statistics)

    def _cells(self, session: SessionWork) -> tuple[str, ...]:
        assessment, step, rating, form = (
            session.assessment, session.episode_step, session.version.rating, session.form
        )  # fmt: skip
        if assessment is None or step is None or form is None:
            raise AssertionError("a session of a file is always assessed")
        return (
            rating.session_id,
            rating.client_id,
            _number(assessment.risk),
            str(int(step.flagged)),
            assessment.leading.value if assessment.leading is not None else "",
            _number(form.bond),
            _number(form.goal),
            _number(form.task),
            step.step,
            self._model.version,
        )


class _LastLine:
    """A target for a csv writer that keeps only the line written last."""

    line = ""

    def write(self, line: str) -> None:
        self.line = line


def _number(value: float) -> str:
    return "" if isnan(value) else f"{value:.6f}".rstrip("0").rstrip(".")
