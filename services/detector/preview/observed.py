"""Holds what the page of an observing practice shows beside the findings, and writes it as JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from msgspec import to_builtins

from schemas.ratings_csv import RatingRow
from services.detector.preview.findings import Findings
from services.detector.received import Rated


@dataclass(frozen=True, slots=True)
class ObservedTime:
    """The time for which a practice has observed."""

    practice: str
    since: datetime
    """Only sessions after this count; earlier ones are history."""
    until: datetime


@dataclass(frozen=True, slots=True)
class ObservedContents(Findings):
    """Everything that the page shows of an observing practice."""

    time: ObservedTime
    by_row: Mapping[int, Rated]
    """The ratings by their place in the order of acceptance, which stands for the row of a file."""

    def client(self, row: int) -> str:
        """Return the practice's own reference of a client."""
        return self.by_row[row].client_id

    def to_json(self) -> str:
        """Return the figures and every episode with its messages; nothing is listed by therapist."""
        time, figures = self.time, self.figures
        report = {
            "practice_id": time.practice,
            "since": time.since.isoformat(),
            "until": time.until.isoformat(),
            "model_version": self.model_version,
            "total": asdict(figures.total),
            "episodes_opened": figures.episodes,
            "weeks": [
                {"monday": week.monday.isoformat(), "messages": week.messages, "flags": week.flags}
                for week in figures.weeks
            ],
            "episodes": [
                {
                    "client_id": self.client(episode.first_row),
                    "messages": [
                        {
                            "session_id": self.by_row[one.row].session_id,
                            "session_at": self.by_row[one.row].session_at.isoformat(),
                            "change": "deepened" if one.deepened else "opened",
                            "text": one.shown.lead,
                        }
                        for one in episode.messages
                    ],
                    "after": episode.after,
                }
                for episode in self.episodes
            ],
        }
        return json.dumps(report, indent=2, ensure_ascii=False)


def rating_row(rating: Rated, number: int) -> RatingRow:
    """Return a stored rating as the row of a table that would have held it."""
    body: dict[str, object] = {
        "id": rating.rating_id,
        "client_id": rating.client_id,
        "therapist_id": rating.therapist_id,
        "session_id": rating.session_id,
        "session_at": rating.session_at.isoformat(),
        "instrument": rating.instrument,
        "status": rating.status.value,
    }
    for name in ("next_session_at", "recorded_at"):
        moment: datetime | None = getattr(rating, name)
        if moment is not None:
            body[name] = moment.isoformat()
    if rating.case_id:
        body["case_id"] = rating.case_id
    if rating.items is not None:
        body["items"] = list(rating.items)
    if rating.scores is not None:
        body["scores"] = to_builtins(rating.scores)
    if rating.total is not None:
        body["total"] = rating.total
    return RatingRow(number, rating.practice_id, body)
