"""Turns a change into the view for therapist and client: marks, the client's own usual, one open question."""

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.events import EpisodeChanged
from schemas.facts import Standing
from schemas.instruments.catalogue import Catalogue
from schemas.picture.trajectory import DrawnTrajectory, TrajectoryPicture, draw
from schemas.validation_errors import InvalidInput
from schemas.wording.wording import Wording
from services.notifier.domain.therapist import Therapist


@dataclass(frozen=True, slots=True)
class TogetherView:
    """The finished texts. A client reads them too: nothing states a risk, a finding or a judgement."""

    picture: TrajectoryPicture | None
    legend: tuple[str, ...]
    """What is drawn in this picture."""
    question: str


def together_view(
    change: EpisodeChanged, therapist: Therapist, catalogue: Catalogue, wording: Wording
) -> TogetherView:
    """Return the view of the sessions up to the one of `change`."""
    try:
        instrument = catalogue.get(change.instrument)
    except InvalidInput:
        # The detector may know an instrument that the notifier does not: the picture then has no units.
        instrument = None
    facts = change.facts and change.facts.model_copy(
        update={
            # All rows are drawn alike: what fell is for the two of them to find, or not.
            "components": tuple(
                one.model_copy(update={"standing": Standing.HELD}) for one in change.facts.components
            )
        }
    )
    points = [point.model_copy(update={"flagged": False}) for point in change.trajectory]
    picture = draw(
        DrawnTrajectory(points, change.session_at, facts, instrument), wording, therapist.zone, "together"
    )
    return TogetherView(
        picture=picture,
        legend=() if picture is None else tuple(wording(f"together.{key}") for key in _explained(picture)),
        question=wording("format.quotation", text=wording("together.question")),
    )


def _explained(picture: TrajectoryPicture) -> Iterator[str]:
    # The ring marks what a message is about, and there is none on this page.
    return (key for key in picture.legend if key != "ring")
