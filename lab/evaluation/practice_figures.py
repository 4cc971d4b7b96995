"""Measures on a practice's own ratings what Rapport and today's rules would have flagged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lab.practice_histories import PracticeHistories
from lab.product_path import AssessedDyad, assess_table
from services.detector.domain.baseline_rules import Floats, baseline_rules, previous, totals
from services.detector.domain.detector import Detector
from services.detector.domain.form import form_matrix
from services.detector.files.label_file import Label

_RECOVERED = 0.5
"""A flagged fall has recovered when the next rated session regains at least this share of it."""
RAPPORT = "Rapport"


@dataclass(frozen=True, slots=True)
class PracticeFigures:
    """What one way of flagging would have done."""

    flagged: float
    """Per 100 rated sessions."""
    opened: float
    """Per 100 rated sessions: episodes opened, or for a rule, runs of flagged sessions begun."""
    recovered_at_next: float
    """Per 100 rated sessions: flagged although half of the fall is regained at the next rated session."""
    clients: float
    """Per 100 clients: those flagged at least once."""


@dataclass(frozen=True, slots=True)
class AnsweredFigures:
    """What one way of flagging did on the sessions that therapists answered about."""

    answered: int
    flagged: int
    right: int
    """Flagged sessions in which the therapist saw a rupture."""


@dataclass(frozen=True, slots=True)
class AssessedPractice:
    """A practice's histories as the detector assesses them, and where each way of flagging flags."""

    histories: PracticeHistories
    dyads: Sequence[AssessedDyad]
    flags: Mapping[str, Sequence[Sequence[bool]]]
    """By name of the way, for each dyad and session; Rapport comes first."""

    @property
    def rated(self) -> int:
        """Number of sessions with a form."""
        return sum(form.answered > 0 for dyad in self.dyads for form in dyad.forms)


def assess_practice(detector: Detector, histories: PracticeHistories) -> AssessedPractice:
    """Flag every session by the detector and by today's rules."""
    dyads = assess_table(detector, histories)
    flags: dict[str, list[list[bool]]] = {
        RAPPORT: [[decision.flagged for decision in dyad.decisions] for dyad in dyads]
    }
    for history, dyad in zip(histories.dyads, dyads, strict=True):
        for rule in baseline_rules(history.cutoff):
            flagged = rule.score(_totals(dyad))[0] >= rule.cut
            flags.setdefault(rule.name, []).append(flagged.tolist())
    return AssessedPractice(histories, dyads, flags)


def practice_figures(practice: AssessedPractice) -> list[tuple[str, PracticeFigures]]:
    """Return the name and the figures of each way of flagging."""
    figures = []
    for name, flags in practice.flags.items():
        opened = sum(_runs(sessions) for sessions in flags)
        if name == RAPPORT:
            opened = sum(decision.step == "opened" for dyad in practice.dyads for decision in dyad.decisions)
        figures.append((name, _figures(practice.dyads, flags, opened, practice.rated)))
    return figures


def answered_figures(
    practice: AssessedPractice, labels: Sequence[Label]
) -> list[tuple[str, AnsweredFigures]]:
    """Return, for each way of flagging, its figures on the sessions that `labels` are about."""
    name_practices = practice.histories.name_practices
    rupture_at = {
        (label.practice_id if name_practices else "", label.client_id, label.session_id): label.rupture
        for label in labels
    }
    figures = []
    for name, flags in practice.flags.items():
        answered = [
            (flag, rupture_at[key])
            for history, sessions in zip(practice.histories.dyads, flags, strict=True)
            for form, flag in zip(history.forms, sessions, strict=True)
            if (key := history.key(form)) in rupture_at
        ]
        flagged = [rupture for flag, rupture in answered if flag]
        figures.append((name, AnsweredFigures(len(answered), len(flagged), sum(flagged))))
    return figures


def _totals(dyad: AssessedDyad) -> Floats:
    return totals(form_matrix(dyad.forms)[None])


def _runs(flags: Sequence[bool]) -> int:
    return sum(flag and not before for flag, before in zip(flags, [False, *flags], strict=False))


def _figures(
    dyads: Sequence[AssessedDyad], flags: Sequence[Sequence[bool]], opened: int, rated: int
) -> PracticeFigures:
    flagged = recovered = 0
    for dyad, sessions in zip(dyads, flags, strict=True):
        total = _totals(dyad)
        fall = (previous(total) - total)[0]
        with_form: list[int] = np.nonzero(~np.isnan(total[0]))[0].tolist()
        for session, following in zip(with_form, [*with_form[1:], None], strict=True):
            flagged += sessions[session]
            if sessions[session] and following is not None and fall[session] > 0:
                recovered += total[0, following] - total[0, session] >= _RECOVERED * fall[session]
    per = 100 / max(rated, 1)
    clients = 100 * float(np.mean([any(sessions) for sessions in flags])) if flags else 0.0
    return PracticeFigures(flagged * per, opened * per, float(recovered) * per, clients)
