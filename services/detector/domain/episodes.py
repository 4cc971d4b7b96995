"""Folds a dyad's session risks, in order, into episodes; it reads no clock, no database and no responses.

An episode opens at the first session whose risk reaches its threshold, and stays one episode however long it
lasts. Two rules stand beside the risk:

- Low from the start: bond, goal or task at most `LOW` in the client's first form and in the second opens an
  episode at the second, whatever the risk; its sessions are flagged as long as that component stays so low.
- An empty form alone opens nothing. It does if its risk is at least `EMPTY_SHARE` of its threshold and the
  form before it had a risk of at least `FORM_SHARE` of its threshold and a component at least `FORM_DROP`
  below the model's baseline; or if it is at least the `EMPTY_RUN`-th empty form in a row after at least
  `HABIT_SESSIONS` sessions of which the client had filled in at least `HABIT_SHARE`.

- A form in which no component is lower than this client's usual level opens nothing, whatever its risk.

The usual level, and which components fell, are those that are stated of the episode (`fall_at_opening`): they
rest on the forms that the state keeps, and are known from two forms before the fall on. Where they are not
known, or the state was stored before it kept forms, the model's baseline at the opening takes their place.

An episode is repaired after `REPAIRED_SESSIONS` rated sessions in a row with a risk below `LOWER_SHARE` of
the threshold (hysteresis: a risk that swings around the threshold makes one episode, not many) in which the
components that fell when it opened or last deepened are near their usual level again, and no other is farther
below its own than `MOST_NEAR`. It has settled, lower than before, if the risk stays that low for
`SETTLED_SESSIONS` rated sessions in a row, they are not near, and the lasting level of one that fell (of any,
if none did) is lower than usual by at least `LEAST_FALL`. With neither, it stays open: one odd form is no
level. It deepens, at most `MAX_DEEPENINGS` times, when a flagged form is `DEEPER` below the form at which the
episode opened or last deepened. It ends for want of sessions after `SILENT_DAYS`: as `unrepaired` if the last
risk was not below the lower bound, otherwise as `ended`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from msgspec.structs import replace

from schemas.components import Component
from schemas.events import OpenedBy
from schemas.rating_order import SessionOrder
from services.detector.domain.episode_state import (
    Episode,
    EpisodeEnd,
    EpisodeState,
    LastForm,
)
from services.detector.domain.fall import (
    FIRST_FORMS,
    FORMS_READ,
    LEAST_FALL,
    LOW,
    ROUNDING,
    Fall,
    Marks,
    UsualLevel,
    fall_at_opening,
    fall_below,
    lasting_level,
    low_from_start,
    usual_of_episode,
)
from services.detector.domain.session_risk import (
    MOST_NEAR,
    VERY_LOW,
    SessionRisk,
    deepest_fall,
    keep_marks,
    kept_marks,
    near_level,
    near_usual,
)

LOWER_SHARE = 0.7
"""The lower bound, as a share of the threshold."""
REPAIRED_SESSIONS = 2
SETTLED_SESSIONS = 4
EMPTY_RUN = 3
HABIT_SESSIONS = 5
HABIT_SHARE = 0.8
EMPTY_SHARE = 1.3
FORM_SHARE = 0.5
FORM_DROP = 0.1
DEEPER = 0.15
"""On the scale 0 to 1: 6 of the 40 points of the SRS, .6 of a mark from 1 to 5."""
MAX_DEEPENINGS = 2
SILENT_DAYS = 42

StepKind = Literal["", "opened", "deepened", "open", "repaired", "settled"]
"""What a session did to an episode; empty when none is open."""


@dataclass(frozen=True, slots=True)
class EpisodeStep:
    """What the fold found for one session: whether it is flagged, and what it did to which episode."""

    flagged: bool
    step: StepKind
    episode: int | None
    """Index into the fold's episodes; None when none is open here."""


NO_EPISODE_STEP = EpisodeStep(flagged=False, step="", episode=None)


def fold_episodes(
    state: EpisodeState, sessions: Sequence[SessionRisk]
) -> tuple[EpisodeState, list[EpisodeStep]]:
    """Fold sessions, which follow the state's last one in order; return the new state and a step for each.

    >>> from datetime import UTC, datetime
    >>> from services.detector.domain.episode_state import NO_SESSIONS
    >>> order = SessionOrder(datetime(2026, 1, 5, tzinfo=UTC), "s1", "srs")
    >>> fold_episodes(NO_SESSIONS, [SessionRisk(order, 0.6, 0.5, True, 0.7)])[1][0].step
    'opened'
    """
    steps = []
    for session in sessions:
        state, step = _fold_session(state, session)
        steps.append(step)
    return state, steps


def _fold_session(before: EpisodeState, session: SessionRisk) -> tuple[EpisodeState, EpisodeStep]:
    episodes = before.episodes
    if episodes and episodes[-1].end is None and _is_silent(before, session.order.session_at.date()):
        episodes = (*episodes[:-1], _closed_by_silence(before))
    current = episodes[-1] if episodes and episodes[-1].end is None else None
    state = _with_session(before, session)
    is_low = _is_low_from_start(state, session, current)
    is_risky = session.may_flag and session.risk >= session.threshold
    opened = _opened(state, session, is_low=is_low) if current is None and (is_low or is_risky) else None
    flagged = opened is not None or (current is not None and (is_low or is_risky))
    over = is_low or session.risk >= LOWER_SHARE * session.threshold
    step: StepKind = ""
    if current is not None:
        current, step = _continue(current, state, session, flagged=flagged, over=over)
        episodes = (*episodes[:-1], current)
    elif opened is not None:
        episodes, step = (*episodes, opened), "opened"
    index = len(episodes) - 1 if step else None
    after = replace(state, episodes=episodes, last=session.order, flagged=flagged, over=over)
    return after, EpisodeStep(flagged, step, index)


def _with_session(state: EpisodeState, session: SessionRisk) -> EpisodeState:
    if session.level is None:
        return replace(state, empty=state.empty + 1)
    return replace(
        state,
        form=LastForm(session.risk / session.threshold, session.marks),
        sessions=state.sessions + state.empty + 1,
        forms=state.forms + 1,
        empty=0,
        marks=(*state.marks, keep_marks(session.marks))[-FORMS_READ:],
    )


def _is_low_from_start(state: EpisodeState, session: SessionRisk, current: Episode | None) -> bool:
    if current is None:
        is_second = session.level is not None and session.ratings == FIRST_FORMS
        return is_second and bool(_low_parts(state))
    by_rule = current.opened_by is OpenedBy.LOW_FROM_START
    return by_rule and any(each.mark <= LOW and each.component in current.near_from for each in session.marks)


def _low_parts(state: EpisodeState) -> list[Component]:
    """Return which of bond, goal and task were low in both of a client's first two forms."""
    return [part for part in low_from_start(_forms(state)) if part is not Component.OVERALL]


def _breaks_habit(state: EpisodeState, session: SessionRisk) -> bool:
    """Return whether an empty form may open an episode."""
    if _fell(state.form) and session.risk >= EMPTY_SHARE * session.threshold:
        return True
    return (
        state.empty >= EMPTY_RUN
        and state.sessions >= HABIT_SESSIONS
        and state.forms >= HABIT_SHARE * state.sessions
    )


def _fell(form: LastForm | None) -> bool:
    return form is not None and form.share >= FORM_SHARE and deepest_fall(form.marks) >= FORM_DROP


def _opened(state: EpisodeState, session: SessionRisk, *, is_low: bool) -> Episode | None:
    """Return the episode that this session opens; None if its risk alone is no reason to."""
    if is_low:
        near_from = dict.fromkeys(_low_parts(state), VERY_LOW)
        return Episode(session.order, session.level, opened_by=OpenedBy.LOW_FROM_START, near_from=near_from)
    if session.level is None and not _breaks_habit(state, session):
        return None
    forms = _forms(state)
    # After an upgrade the state does not hold all of the forms yet that the fall depends on.
    fall = fall_at_opening(forms) if len(forms) == min(session.ratings, FORMS_READ) else None
    if fall is None or not fall.usual:
        marks = session.marks or (state.form.marks if state.form else ())
        return Episode(session.order, session.level, near_from=near_usual(marks, session.leading))
    if session.level is not None and not _is_any_lower(fall.usual, forms[-1]):
        return None
    usual = dict(usual_of_episode(fall, forms))
    return Episode(session.order, session.level, near_from=_near_from(fall, forms[-1]), usual=usual)


def _forms(state: EpisodeState) -> list[Marks]:
    return [kept_marks(each) for each in state.marks]


def _is_any_lower(usual: Mapping[Component, UsualLevel], marks: Marks) -> bool:
    return any(mark < usual[part].level - ROUNDING for part, mark in marks.items() if part in usual)


def _near_from(fall: Fall, marks: Marks) -> dict[Component, float]:
    levels = {part: fall.usual[part].level for part in fall.named}
    return {part: near_level(level, level - marks[part]) for part, level in levels.items()}


def _continue(
    episode: Episode, state: EpisodeState, session: SessionRisk, *, flagged: bool, over: bool
) -> tuple[Episode, StepKind]:
    if over:
        episode = episode if episode.under == 0 else replace(episode, under=0, near=0)
    elif session.level is not None:
        is_near = _is_near(episode, session)
        near = episode.near if is_near is None else episode.near + 1 if is_near else 0
        episode = replace(episode, under=episode.under + 1, near=near)
        if (episode.near if episode.near_from or episode.usual else episode.under) >= REPAIRED_SESSIONS:
            return _closed(episode, EpisodeEnd.REPAIRED, session.order), "repaired"
        if is_near is False and episode.under >= SETTLED_SESSIONS and _is_lasting(episode, state):
            return _closed(episode, EpisodeEnd.SETTLED, session.order), "settled"
    if not flagged or session.level is None:
        return episode, "open"
    if episode.reference is None:
        return replace(episode, reference=session.level), "open"
    deeper = round(episode.reference - session.level, 6) >= DEEPER
    if deeper and len(episode.deepened) < MAX_DEEPENINGS:
        return _deepened(episode, state, session), "deepened"
    return episode, "open"


def _is_near(episode: Episode, session: SessionRisk) -> bool | None:
    """Return whether the marks are near their usual level at the opening; None if the form does not say."""
    found = {each.component: each.mark for each in session.marks}
    bounds = {part: own.level - MOST_NEAR for part, own in episode.usual.items()} | episode.near_from
    if any(found[part] < bound - ROUNDING for part, bound in bounds.items() if part in found):
        return False
    return True if found.keys() >= episode.near_from.keys() else None


def _is_lasting(episode: Episode, state: EpisodeState) -> bool:
    """Return whether a component that fell has lastingly been lower; True when no usual level is known."""
    forms = _forms(state)
    return not episode.usual or any(
        lasting_level(forms, part) <= episode.usual[part].level - LEAST_FALL + ROUNDING
        for part in episode.near_from or episode.usual
        if any(part in form for form in forms)
    )


def _deepened(episode: Episode, state: EpisodeState, session: SessionRisk) -> Episode:
    deepened = (*episode.deepened, session.order)
    near_from = episode.near_from
    if episode.usual:
        forms = _forms(state)
        near_from = _near_from(fall_below(episode.usual, forms), forms[-1]) or near_from
    return replace(episode, reference=session.level, deepened=deepened, near_from=near_from)


def _closed(episode: Episode, end: EpisodeEnd, at: SessionOrder | None) -> Episode:
    return replace(episode, end=end, closed=at, usual={})


def _is_silent(state: EpisodeState, day: date) -> bool:
    last = state.last
    return last is not None and day - last.session_at.date() > timedelta(days=SILENT_DAYS)


def _closed_by_silence(state: EpisodeState) -> Episode:
    end = EpisodeEnd.UNREPAIRED if state.over else EpisodeEnd.ENDED
    return _closed(state.episodes[-1], end, state.last)


def as_of(state: EpisodeState, day: date | None) -> tuple[Episode, ...]:
    """Return the episodes as of `day` (None: as of the last session).

    Only the view changes: a session that is rated later and falls within the silence still continues the
    episode, so it does not matter whether the day or the rating came first.
    """
    episodes = state.episodes
    if day is not None and episodes and episodes[-1].end is None and _is_silent(state, day):
        return (*episodes[:-1], _closed_by_silence(state))
    return episodes
