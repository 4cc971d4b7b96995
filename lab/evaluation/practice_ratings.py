"""A table of a practice's own ratings in, what Rapport and today's rule would have flagged out; no labels."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from lab.product_path import Judged, judge
from schemas.instruments.catalogue import Catalogue, UnknownInstrument
from schemas.rating import RatingBody
from schemas.ratings_csv import read_rows
from services.detector.domain.baseline_rules import Floats, baseline_rules, previous, totals
from services.detector.domain.detector import Detector
from services.detector.domain.form import Form, form_matrix, form_of
from services.detector.files.label_file import Label
from services.runtime.process.errors import Reject

_REGAINED = 0.5
"""A flagged fall is back when the next rated session regains at least this share of it."""

DyadKey = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Forms:
    """The forms of a table by dyad, in the order of their sessions."""

    histories: dict[DyadKey, list[Form]]
    cutoffs: dict[DyadKey, float | None]
    """The published cutoff of each dyad's instrument, 0 to 1."""
    refused: int
    """Rows that are no rating."""


@dataclass(frozen=True, slots=True)
class OwnFigures:
    """Per 100 rated sessions, and of 100 clients."""

    flagged: float
    opened: float
    back_at_next: float
    """Flagged although at least half of the fall is back at the very next rated session."""
    clients: float
    """Clients flagged at least once."""


def read_forms(file: Path, catalogue: Catalogue) -> Forms:
    """The forms of a table of ratings; of two versions of a session's rating the later row counts."""
    items = catalogue.item_counts()
    by_dyad: defaultdict[DyadKey, dict[tuple[str, str], Form]] = defaultdict(dict)
    cutoffs: dict[DyadKey, float | None] = {}
    refused = 0
    with file.open(encoding="utf-8", newline="") as lines:
        for row in read_rows(lines, items):
            try:
                body = RatingBody.model_validate(row.body)
                instrument = catalogue.get(body.instrument)
                form = form_of(_Numbered(body, f"row-{row.number}"), instrument)
            except (ValidationError, UnknownInstrument, Reject):
                refused += 1
                continue
            key = (row.practice_id or "", body.therapist_id, body.client_id, body.case_id or "")
            by_dyad[key][body.session_id, body.instrument] = form
            cutoffs[key] = None if instrument.cutoff is None else instrument.cutoff / instrument.highest_total
    histories = {key: sorted(forms.values(), key=lambda form: form.order) for key, forms in by_dyad.items()}
    return Forms(histories, cutoffs, refused)


class _Numbered:
    """A body with the id that it may lack."""

    def __init__(self, body: RatingBody, rating_id: str) -> None:
        self.rating_id = body.id or rating_id
        self.session_id, self.session_at = body.session_id, body.session_at
        self.instrument, self.status = body.instrument, body.status
        self.items, self.scores = body.items, body.scores


@dataclass(frozen=True, slots=True)
class Answered:
    """Of the sessions that therapists answered about: how many one way flags, and how many rightly."""

    answered: int
    flagged: int
    right: int


@dataclass(frozen=True, slots=True)
class OwnJudged:
    """A practice's histories as the detector sees them, and where each way of flagging flags."""

    keys: Sequence[DyadKey]
    judged: Sequence[Judged]
    flags: Mapping[str, Sequence[Sequence[bool]]]
    """By the name of the way, for each dyad and session."""

    @property
    def rated(self) -> int:
        """Sessions with a form."""
        return sum(form.answered > 0 for one in self.judged for form in one.forms)


RAPPORT = "Rapport"


def judge_own(detector: Detector, forms: Forms) -> OwnJudged:
    """Every session of a table, by the detector and by today's rules."""
    keys = list(forms.histories)
    judged = judge(detector, [forms.histories[key] for key in keys])
    flags: dict[str, list[list[bool]]] = {RAPPORT: [[seen.flagged for seen in one.seen] for one in judged]}
    for key, one in zip(keys, judged, strict=True):
        for rule in baseline_rules(forms.cutoffs[key]):
            mine = rule.score(_totals(one))[0] >= rule.cut
            flags.setdefault(rule.name, []).append(mine.tolist())
    return OwnJudged(keys, judged, flags)


def own_figures(own: OwnJudged) -> list[tuple[str, OwnFigures]]:
    """What each way would have flagged; Rapport first."""
    out = []
    for name, flags in own.flags.items():
        opened = sum(_runs(mine) for mine in flags)
        if name == RAPPORT:
            opened = sum(seen.step == "opened" for one in own.judged for seen in one.seen)
        out.append((name, _figures(own.judged, flags, opened, own.rated)))
    return out


def answered_figures(own: OwnJudged, labels: Sequence[Label]) -> list[tuple[str, Answered]]:
    """How many of the answered sessions each way flags, and in how many of those a rupture was seen."""
    named = any(practice for practice, *_ in own.keys)
    seen = {(one.practice_id if named else "", *one[1:3]): one.rupture for one in labels}
    out = []
    for name, flags in own.flags.items():
        found = [
            (flag, seen[key])
            for (practice, _, client, _), one, mine in zip(own.keys, own.judged, flags, strict=True)
            for form, flag in zip(one.forms, mine, strict=True)
            if (key := (practice, client, str(form.order.session_id))) in seen
        ]
        flagged = [rupture for flag, rupture in found if flag]
        out.append((name, Answered(len(found), len(flagged), sum(flagged))))
    return out


def _totals(one: Judged) -> Floats:
    return totals(form_matrix(one.forms)[None])


def _runs(flags: Sequence[bool]) -> int:
    return sum(flag and not before for flag, before in zip(flags, [False, *flags], strict=False))


def _figures(
    judged: Sequence[Judged], flags: Sequence[Sequence[bool]], opened: int, rated: int
) -> OwnFigures:
    flagged = back = 0
    for one, mine in zip(judged, flags, strict=True):
        total = _totals(one)
        fall = (previous(total) - total)[0]
        given: list[int] = np.nonzero(~np.isnan(total[0]))[0].tolist()
        for now, after in zip(given, [*given[1:], None], strict=True):
            flagged += mine[now]
            if mine[now] and after is not None and fall[now] > 0:
                back += total[0, after] - total[0, now] >= _REGAINED * fall[now]
    per = 100 / max(rated, 1)
    clients = 100 * float(np.mean([any(mine) for mine in flags])) if flags else 0.0
    return OwnFigures(flagged * per, opened * per, float(back) * per, clients)
