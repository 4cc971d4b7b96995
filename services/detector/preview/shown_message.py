"""Writes a message as its therapist's page shows it: the sentences, the picture, and what to ask and do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zoneinfo import ZoneInfo

from babel import Locale
from markupsafe import Markup
from msgspec import to_builtins

from schemas.events import TrajectoryPoint
from schemas.facts import Facts
from schemas.ids import InstrumentId
from schemas.instruments.instrument import Instrument
from schemas.message_precision import MessagePrecision
from schemas.picture.session_table import SessionTable
from schemas.picture.trajectory import DrawnTrajectory, draw
from schemas.wording.guidance.guidance import Guidance, GuidanceEntry, topic_of
from schemas.wording.message_sentences import (
    fact_sentences,
    precision_basis,
    precision_sentence,
    repaired_sentences,
    settled_sentences,
)
from schemas.wording.wording import Wording, shared_sentences
from services.detector.contracts import StatedFacts
from services.detector.domain.episodes import EpisodeStep
from services.detector.domain.form import Form, marks_of
from services.detector.domain.message_precision import MeasuredPrecision, stated_precision
from services.detector.published.events import TRAJECTORY_POINTS, facts_in_units
from services.detector.published.facts import SessionMarks, find_facts

_LOCALES = {"en": "en_GB", "de": "de_DE"}
_ZONE = ZoneInfo("UTC")


class FoldedSession(NamedTuple):
    """One session of a dyad, and what it did to which episode."""

    form: Form
    step: EpisodeStep


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """A message as its therapist reads it."""

    facts: Facts
    """In the instrument's units."""
    lead: str
    picture: Markup | None
    """SVG; None when no session has a mark."""
    table: SessionTable | None
    """The same sessions as the picture."""
    guidance: GuidanceEntry
    sure: tuple[str, ...]
    """How often messages like it were right, and where that was counted; empty when nobody measured it."""


class MessageWriter:
    """Writes messages in one language."""

    def __init__(
        self,
        instrument_of: Callable[[InstrumentId], Instrument],
        measured: Mapping[str, MeasuredPrecision],
        language: str = "en",
    ) -> None:
        self._instrument_of = instrument_of
        self._measured = measured
        self._wording = Wording(language, Locale.parse(_LOCALES[language]), shared_sentences(language))
        self._guidance = Guidance.load()

    def write(
        self, sessions: Sequence[FoldedSession], told: int, name: str, *, shown: int | None = None
    ) -> ShownMessage:
        """Return the message after one session of a dyad.

        Args:
            sessions: of the dyad, in order.
            told: the place of the session; the sentences say nothing of later ones.
            name: distinguishes the pictures of one page.
            shown: number of sessions that the picture may draw from; None: those up to the told one.
        """
        stated = self._stated(sessions, told)
        precision = stated_precision(stated, {}, self._measured)
        facts = _as_contract(stated)
        drawn = sessions[: told + 1 if shown is None else shown][-TRAJECTORY_POINTS:]
        order = sessions[told].form.order
        picture = draw(
            DrawnTrajectory(
                [_point(session) for session in drawn],
                order.session_at,
                facts,
                self._instrument_of(order.instrument),
            ),
            self._wording,
            _ZONE,
            name,
        )
        lead = [*fact_sentences(facts, self._wording, _ZONE)]
        if sessions[told].step.step == "deepened":
            lead.append(self._wording("fact.deepened"))
        return ShownMessage(
            facts=facts,
            lead=" ".join(lead),
            picture=None if picture is None else picture.svg(),
            table=None if picture is None else picture.table,
            guidance=self._guidance.entry(self._wording, *topic_of(facts)),
            sure=() if precision is None else self._sure(to_builtins(precision)),
        )

    def closing(self, sessions: Sequence[FoldedSession], told: int, closed: int) -> str:
        """Return how an episode that was told at one session closed at another: repaired or settled."""
        opened = _as_contract(self._stated(sessions, told))
        if sessions[closed].step.step == "settled":
            settled = _as_contract(self._stated(sessions, closed, settled=True))
            return " ".join(settled_sentences(opened, settled, self._wording, _ZONE))
        scale = self._instrument_of(sessions[closed].form.order.instrument)
        facts = _as_contract(self._stated(sessions, closed))
        return " ".join(repaired_sentences(opened, facts, scale, self._wording, _ZONE))

    def _stated(self, sessions: Sequence[FoldedSession], place: int, *, settled: bool = False) -> StatedFacts:
        opened = next(at for at in range(place, -1, -1) if sessions[at].step.step == "opened")
        marks = [
            SessionMarks(each.form.order.session_at, marks_of(each.form)) for each in sessions[: place + 1]
        ]
        instrument = self._instrument_of(sessions[place].form.order.instrument)
        return facts_in_units(find_facts(marks, opened + 1, settled=settled), instrument)

    def _sure(self, precision: object) -> tuple[str, ...]:
        stated = MessagePrecision.model_validate(precision)
        return precision_sentence(stated, self._wording), precision_basis(stated, self._wording)


def _as_contract(facts: StatedFacts) -> Facts:
    return Facts.model_validate(to_builtins(facts))


def _point(session: FoldedSession) -> TrajectoryPoint:
    marks = {part.value: mark for part, mark in marks_of(session.form).items()}
    return TrajectoryPoint(session_at=session.form.order.session_at, flagged=session.step.flagged, **marks)
