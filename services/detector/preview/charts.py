"""A course in, the geometry of its picture out, which the page draws; and that of the weeks."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

from schemas.instruments.instrument import Instrument
from schemas.instruments.scoring import to_units
from services.detector.preview.counts import DayOf, Week, is_message
from services.detector.preview.courses import CourseSession

WIDTH, LEFT, RIGHT, TOP, BOTTOM, RULE = 720, 44, 704, 14, 190, 212
MOST_POINTS = 30
_MOST_DATES = 6
_QUARTERS = 4


@dataclass(frozen=True, slots=True)
class Dot:
    """One session with marks."""

    x: float
    y: float
    kind: str
    """`plain`, `flagged`, or `message`."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One labelled place on an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Picture:
    """All that is drawn of a course."""

    description: str
    mean: str
    usual: str
    dots: tuple[Dot, ...]
    bands: tuple[float, ...]
    """Where the ratings were away from usual."""
    band_width: float
    by_rule: tuple[float, ...]
    """Sessions that today's rule flags."""
    empty: tuple[float, ...]
    """Sessions without a form."""
    told_empty: tuple[float, ...]
    """Those of them after which Rapport tells the therapist."""
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def mean_of(session: CourseSession) -> float | None:
    """The mean of what was marked, 0 to 1; None without a form."""
    form = session.form
    given = [mark for mark in (form.bond, form.goal, form.task, form.overall) if not isnan(mark)]
    return sum(given) / len(given) if given else None


def usual_of(session: CourseSession) -> float | None:
    """What was usual for this client just before, 0 to 1; None when nothing was known."""
    known = [one.baseline for one in session.found.components.values() if not isnan(one.baseline)]
    return sum(known) / len(known) if known else None


def draw(sessions: Sequence[CourseSession], instrument: Instrument, day_of: DayOf) -> Picture:
    """The picture of some sessions of a course in a row."""
    means = [mean_of(session) for session in sessions]
    usual = [usual_of(session) for session in sessions]
    known = [value for value in (*means, *usual) if value is not None]
    lowest = max(0, min(_QUARTERS - 1, int((min(known, default=0.0) - 0.02) * _QUARTERS))) / _QUARTERS
    column = (RIGHT - LEFT) / len(sessions)
    xs = [round(LEFT + column * (place + 0.5), 1) for place in range(len(sessions))]

    def y(value: float) -> float:
        return round(BOTTOM - (value - lowest) / (1 - lowest) * (BOTTOM - TOP), 1)

    return Picture(
        description=_describe(sessions, day_of),
        mean=_path(xs, [None if value is None else y(value) for value in means]),
        usual=_path(xs, [None if value is None else y(value) for value in usual]),
        dots=tuple(
            Dot(x, y(value), _kind(session))
            for x, value, session in zip(xs, means, sessions, strict=True)
            if value is not None
        ),
        bands=tuple(x for x, session in zip(xs, sessions, strict=True) if session.seen.flagged),
        band_width=round(min(column - 3, 46.0), 1),
        by_rule=tuple(x for x, session in zip(xs, sessions, strict=True) if session.by_rule),
        empty=tuple(x for x, value in zip(xs, means, strict=True) if value is None),
        told_empty=tuple(
            x
            for x, value, session in zip(xs, means, sessions, strict=True)
            if value is None and is_message(session)
        ),
        x_ticks=tuple(_dates(sessions, xs, day_of)),
        y_ticks=tuple(
            Tick(y(step / _QUARTERS), f"{to_units(instrument, step / _QUARTERS):g}")
            for step in range(_QUARTERS + 1)
            if step / _QUARTERS >= lowest
        ),
    )


def _kind(session: CourseSession) -> str:
    if is_message(session):
        return "message"
    return "flagged" if session.seen.flagged else "plain"


def _path(xs: Sequence[float], ys: Sequence[float | None]) -> str:
    """A line through what is there; a session without a mark is a gap."""
    parts, pen_down = [], False
    for x, y in zip(xs, ys, strict=True):
        if y is not None:
            parts.append(f"{'L' if pen_down else 'M'}{x:g} {y:g}")
        pen_down = y is not None
    return " ".join(parts)


def _dates(sessions: Sequence[CourseSession], xs: Sequence[float], day_of: DayOf) -> list[Tick]:
    every = -(-len(sessions) // _MOST_DATES)
    return [Tick(xs[place], f"{day_of(sessions[place]):%-d %b}") for place in range(0, len(sessions), every)]


def _describe(sessions: Sequence[CourseSession], day_of: DayOf) -> str:
    told = [f"{day_of(session):%-d %B}" for session in sessions if is_message(session)]
    by_rule = sum(session.by_rule for session in sessions)
    return (
        f"{len(sessions)} sessions from {day_of(sessions[0]):%-d %B %Y} to {day_of(sessions[-1]):%-d %B %Y}. "
        f"Rapport would have told after {', '.join(told) or 'none'}; today's rule flags {by_rule} of them."
    )


@dataclass(frozen=True, slots=True)
class Bar:
    """One week."""

    x: float
    width: float
    messages: float
    """Height."""
    flags: float
    """Height."""


@dataclass(frozen=True, slots=True)
class Weeks:
    """Messages upwards, today's flags downwards from the same line."""

    bars: tuple[Bar, ...]
    x_ticks: tuple[Tick, ...]
    line: float
    height: float
    most: int


_UNIT_ROOM = 120.0


def draw_weeks(weeks: Sequence[Week]) -> Weeks:
    """The bars of all weeks on one scale, so that both kinds compare by length."""
    most = max(max(week.messages, week.flags) for week in weeks) or 1
    above = max(week.messages for week in weeks)
    below = max(week.flags for week in weeks)
    unit = _UNIT_ROOM / max(most, 4)
    column = (RIGHT - LEFT) / len(weeks)
    width = round(min(column * 0.7, 26.0), 2)
    line = round(24 + above * unit, 1)
    every = -(-len(weeks) // _MOST_DATES)
    xs = [round(LEFT + column * (place + 0.5), 2) for place in range(len(weeks))]
    bars = tuple(
        Bar(x, width, round(week.messages * unit, 2), round(week.flags * unit, 2))
        for x, week in zip(xs, weeks, strict=True)
    )
    ticks = tuple(
        Tick(xs[place], f"{weeks[place].monday:%-d %b %Y}" if place == 0 else f"{weeks[place].monday:%-d %b}")
        for place in range(0, len(weeks), every)
    )
    return Weeks(bars, ticks, line, round(line + below * unit + 52, 1), most)
