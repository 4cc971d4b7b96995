"""Makes changes of episodes from marks, with the facts that the detector finds in them."""

from datetime import UTC, datetime, timedelta

import msgspec

from schemas.components import Component
from schemas.events import Change, EpisodeChanged, TrajectoryPoint
from schemas.facts import Facts
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.scoring import from_units
from schemas.message_precision import MessagePrecision, PrecisionSource
from services.detector.published.events import facts_in_units
from services.detector.published.facts import SessionMarks, find_facts
from tests.support.detector.episodes import changed

FIRST = datetime(2026, 8, 26, 9, 0, tzinfo=UTC)
WEEK = timedelta(days=7)
SCALE = Catalogue.load().get("wai-sr")
Form = tuple[float, float, float] | None
"""Marks of bond, goal and task in the instrument's units; None for a session without a form."""

STEADY: tuple[Form, ...] = (
    (4.2, 4.0, 4.1), (4.3, 4.2, 4.0), (4.1, 4.1, 4.2), (4.3, 4.0, 4.1), (4.2, 4.2, 4.0), (4.3, 4.1, 4.2),
)  # fmt: skip
KINDS: dict[str, tuple[Form, ...]] = {
    "step": (*STEADY, (4.2, 2.3, 4.0)),
    "two-fell": (*STEADY, (2.6, 4.1, 2.9)),
    "all-fell": (*STEADY, (2.6, 2.4, 2.7)),
    "slide": (*STEADY, (4.2, 3.7, 4.1), (4.3, 3.3, 4.0), (4.2, 3.0, 4.1), (4.1, 2.4, 4.0)),
    "no-form": (*STEADY, None, (4.2, 4.1, 4.1), None, None),
    "fell-then-no-form": (*STEADY, (3.0, 2.8, 2.9), None),
    "low-from-start": ((4.0, 1.4, 3.8), (4.1, 1.2, 3.9)),
    "unclear": (*STEADY, (4.2, 3.9, 4.1), (4.2, 3.6, 4.1), (4.2, 3.6, 4.1)),
}
_MEASURED = MessagePrecision(right=0.62, low=0.57, high=0.66, messages=934, source=PrecisionSource.SIMULATED)


def told(
    forms: tuple[Form, ...],
    change: Change = Change.OPENED,
    revision: int = 1,
    *,
    opened: int | None = None,
    client: str = "4711",
) -> EpisodeChanged:
    """Return the change at the last of these weekly sessions; the episode opened at session `opened`."""
    at = [FIRST + WEEK * index for index in range(len(forms))]
    sessions = [
        SessionMarks(
            day,
            {}
            if form is None
            else {
                part: from_units(SCALE, mark)
                for part, mark in zip((Component.BOND, Component.GOAL, Component.TASK), form, strict=True)
            },
        )
        for day, form in zip(at, forms, strict=True)
    ]
    begun = len(forms) if opened is None else opened
    found = facts_in_units(find_facts(sessions, begun, settled=change is Change.SETTLED), SCALE)
    points = tuple(
        TrajectoryPoint(
            session_at=one.session_at,
            flagged=index >= begun - 1,
            **{part.value: mark for part, mark in one.marks.items()},
        )
        for index, one in enumerate(sessions)
    )
    return changed(
        change,
        revision,
        client=client,
        session_at=at[-1],
        opened_at=at[begun - 1],
        next_session_at=at[-1] + WEEK,
        instrument=SCALE.id,
        trajectory=points,
        facts=Facts.model_validate(msgspec.to_builtins(found)),
        precision=_MEASURED if change in {Change.OPENED, Change.DEEPENED} else None,
        ratings=sum(form is not None for form in forms),
    )


def history_of(state: Change) -> tuple[EpisodeChanged, ...]:
    """Return the changes of an episode that ends in a state."""
    fell = KINDS["step"]
    opened = told(fell)
    begun = len(fell)
    after: dict[Change, tuple[Form, ...]] = {
        Change.DEEPENED: ((4.0, 1.6, 3.6),),
        Change.ACKNOWLEDGED: ((4.2, 3.0, 4.0),),
        Change.REPAIRED: ((4.1, 3.2, 4.0), (4.2, 4.1, 4.1)),
        Change.SETTLED: ((4.2, 2.9, 4.1), (4.1, 3.0, 4.0), (4.2, 3.1, 4.1)),
        Change.UNREPAIRED: ((4.1, 2.6, 4.0), None, (4.0, 2.5, 3.9)),
        Change.ENDED: ((4.1, 2.6, 4.0),),
    }
    forms = after.get(state, ())
    changes = [opened]
    for count in range(1, len(forms) + 1):
        last = count == len(forms)
        kind = Change.CONTINUED if not last or state is Change.ACKNOWLEDGED else state
        changes.append(told((*fell, *forms[:count]), kind, count + 1, opened=begun))
    if state is Change.ACKNOWLEDGED:
        changes.insert(1, told(fell, Change.ACKNOWLEDGED, 2, opened=begun))
        changes[2] = changes[2].model_copy(update={"revision": 3})
    if state is Change.WITHDRAWN:
        changes.append(told(fell, state, 2, opened=begun))
    return tuple(changes)
