"""Says what must come of the ratings that were read, whatever their order: a naive oracle without a state.

It reads the records themselves, sorts them anew each time, and knows nothing of batches, snapshots, episodes
that were published, or of the order in which anything was read, with two exceptions: which of two bodies
with one id was read first, and which of two therapists who both claim a session filed it first. The model and
the fold of episodes are the pure functions of the product, each over a whole history.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from math import isnan
from typing import NamedTuple

import msgspec

from schemas.instruments.catalogue import Catalogue
from schemas.rating_order import session_order
from services.detector.domain.detector import Detector, DyadForms
from services.detector.domain.episode_state import NO_SESSIONS, EpisodeState
from services.detector.domain.episodes import EpisodeStep, as_of, fold_episodes
from services.detector.domain.form import Form, form_of, instrument_of_stored
from services.detector.domain.session_risk import SessionRisk, session_risk
from services.detector.received import Rated, RatedEvent, arriving
from services.runtime.process.errors import Reject
from tests.support.whole_flow.kafka_log import LoggedRecord

RatingKey = tuple[str, str]
"""Practice and rating id."""
DyadKey = tuple[str, str, str]
"""Practice, therapist and client."""
SessionKey = tuple[str, str]
"""Session and instrument."""


class Version(NamedTuple):
    """One body that was sent, with the earliest acceptance among its deliveries."""

    rating: Rated
    accepted_at: datetime

    @property
    def dyad(self) -> DyadKey:
        """Whose it is."""
        return self.rating.practice_id, self.rating.therapist_id, self.rating.client_id

    @property
    def session(self) -> SessionKey:
        """The session of which it is a version."""
        return self.rating.session_id, self.rating.instrument

    @property
    def rank(self) -> tuple[datetime, datetime, str]:
        """The greatest of a session is current."""
        return self.rating.recorded_at or self.accepted_at, self.accepted_at, self.rating.rating_id

    @property
    def is_form(self) -> bool:
        """Whether the session took place."""
        return self.rating.status in {"rated", "declined"}


@dataclass
class Outcome:
    """What must come of the deliveries of a log."""

    deliveries: dict[RatingKey, int] = field(default_factory=dict)
    """How often the body that claimed each id was delivered."""
    versions: dict[RatingKey, Version] = field(default_factory=dict)
    rejected: int = 0
    current: dict[DyadKey, dict[SessionKey, Version]] = field(default_factory=dict)

    def holders(self, practice: str, client: str, session: SessionKey) -> list[DyadKey]:
        """Return the dyads that hold a session: at most one may."""
        return [
            dyad
            for dyad, sessions in self.current.items()
            if (dyad[0], dyad[2]) == (practice, client)
            and session in sessions
            and sessions[session].rating.status != "withdrawn"
        ]


def outcome_of(
    records: Iterable[LoggedRecord], blocked: Collection[RatingKey], catalogue: Catalogue
) -> Outcome:
    """Return the outcome of these records, of which `blocked` wait."""
    found = Outcome()
    bodies: dict[RatingKey, list[Rated]] = defaultdict(list)
    for record in records:
        try:
            event = arriving.decode(record.value or b"")
        except msgspec.MsgspecError:
            found.rejected += 1
            continue
        assert isinstance(event, RatedEvent)
        bodies[event.data.practice_id, event.data.rating_id].append(event.data)
    for key, sent in bodies.items():
        same = [one for one in sent if one.content_hash == sent[0].content_hash]
        found.rejected += len(sent) - len(same)
        if _has_invalid_marks(same[0], catalogue):
            found.rejected += len(same)
            continue
        found.deliveries[key] = len(same)
        found.versions[key] = Version(same[0], min(one.accepted_at for one in same))
    for key, version in found.versions.items():
        if key not in blocked:
            sessions = found.current.setdefault(version.dyad, {})
            known = sessions.get(version.session)
            if known is None or version.rank > known.rank:
                sessions[version.session] = version
    return found


def _has_invalid_marks(rating: Rated, catalogue: Catalogue) -> bool:
    if rating.status != "rated":
        return False
    try:
        form_of(rating, catalogue.get(rating.instrument))
    except Reject:
        return True
    return False


class NaiveScorer:
    """Scores whole histories; it remembers those that it has seen."""

    def __init__(self, models: Iterable[Detector], catalogue: Catalogue) -> None:
        self._models = {model.version: model for model in models}
        self._catalogue = catalogue
        self._seen: dict[object, list[SessionRisk]] = {}

    def fold(self, histories: Iterable[tuple[Sequence[Version], Iterable[str]]]) -> None:
        """Score histories, each by some models: all that one model scores together, which is quicker."""
        new: dict[str, dict[object, Sequence[Version]]] = defaultdict(dict)
        for history, versions in histories:
            for version in set(versions):
                if (key := _key(history, version)) not in self._seen:
                    new[version][key] = history
        for version, unseen in new.items():
            model = self._models[version]
            found = model.assess([DyadForms(None, self._forms(history)) for history in unseen.values()])
            for (key, history), one in zip(unseen.items(), found, strict=True):
                self._seen[key] = [
                    session_risk(session_order(rated.rating), assessment, model.threshold)
                    for rated, assessment in zip(history, one.assessments, strict=True)
                ]

    def risks(self, history: Sequence[Version], model_of: Mapping[SessionKey, str]) -> list[SessionRisk]:
        """Return the risk of each session of a history that was folded, by the model that scored it."""
        return [self._seen[_key(history, model_of[one.session])][index] for index, one in enumerate(history)]

    def _forms(self, history: Sequence[Version]) -> list[Form]:
        return [
            form_of(one.rating, instrument_of_stored(one.rating.instrument, self._catalogue))
            for one in history
        ]


def _key(history: Sequence[Version], version: str) -> object:
    return (version, *((one.rating.practice_id, one.rating.content_hash) for one in history))


def history_of(sessions: Mapping[SessionKey, Version]) -> list[Version]:
    """Return the sessions that took place, in order."""
    return sorted(
        (one for one in sessions.values() if one.is_form), key=lambda one: session_order(one.rating)
    )


def episodes_of(risks: Sequence[SessionRisk]) -> tuple[EpisodeState, list[EpisodeStep]]:
    """Return the fold of episodes over a whole history."""
    return fold_episodes(NO_SESSIONS, risks)


def listed(state: EpisodeState, day: date | None) -> list[tuple[object, ...]]:
    """Return the episodes as a list shows them on a day: opening session, begin, end and state."""
    return [
        (
            one.opened.session_id,
            one.opened.session_at,
            one.closed.session_at if one.closed else None,
            "open" if one.end is None else one.end.value,
        )
        for one in as_of(state, day)
    ]


def level_of(risk: SessionRisk) -> float | None:
    """Return the level as it is stored."""
    return None if risk.level is None or isnan(risk.level) else risk.level
