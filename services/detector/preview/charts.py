"""Computes the geometry of the page's charts: one course of sessions, and the weeks."""

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
class CourseDot:
    """One session with marks."""

    x: float
    y: float
    kind: str
    """`plain`, `flagged`, or `message`."""


@dataclass(frozen=True, slots=True)
class ChartTick:
    """One labelled position on an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class CourseChart:
    """The geometry of one client's chart, in the units of its view box."""

    description: str
    mean: str
    usual: str
    dots: tuple[CourseDot, ...]
    bands: tuple[float, ...]
    """x of the sessions with ratings below usual (flagged by Rapport)."""
    band_width: float
    by_rule: tuple[float, ...]
    """x of the sessions that today's rule flags."""
    empty: tuple[float, ...]
    """x of the sessions without a form."""
    empty_with_message: tuple[float, ...]
    """x of the sessions without a form after which the therapist gets a message."""
    x_ticks: tuple[ChartTick, ...]
    y_ticks: tuple[ChartTick, ...]


def mean_of(session: CourseSession) -> float | None:
    """Return the mean of all marks, 0 to 1; None without a form."""
    form = session.form
    marks = [mark for mark in (form.bond, form.goal, form.task, form.overall) if not isnan(mark)]
    return sum(marks) / len(marks) if marks else None


def baseline_of(session: CourseSession) -> float | None:
    """Return this client's baseline just before the session, 0 to 1; None when there is none yet."""
    baselines = [c.baseline for c in session.assessment.components.values() if not isnan(c.baseline)]
    return sum(baselines) / len(baselines) if baselines else None


def draw(sessions: Sequence[CourseSession], instrument: Instrument, day_of: DayOf) -> CourseChart:
    """Return the chart of consecutive sessions of one course."""
    means = [mean_of(session) for session in sessions]
    baselines = [baseline_of(session) for session in sessions]
    known = [value for value in (*means, *baselines) if value is not None]
    lowest = max(0, min(_QUARTERS - 1, int((min(known, default=0.0) - 0.02) * _QUARTERS))) / _QUARTERS
    column = (RIGHT - LEFT) / len(sessions)
    xs = [round(LEFT + column * (place + 0.5), 1) for place in range(len(sessions))]

    def y(value: float) -> float:
        return round(BOTTOM - (value - lowest) / (1 - lowest) * (BOTTOM - TOP), 1)

    return CourseChart(
        description=_describe(sessions, day_of),
        mean=_path(xs, [None if value is None else y(value) for value in means]),
        usual=_path(xs, [None if value is None else y(value) for value in baselines]),
        dots=tuple(
            CourseDot(x, y(value), _kind(session))
            for x, value, session in zip(xs, means, sessions, strict=True)
            if value is not None
        ),
        bands=tuple(x for x, session in zip(xs, sessions, strict=True) if session.episode_step.flagged),
        band_width=round(min(column - 3, 46.0), 1),
        by_rule=tuple(x for x, session in zip(xs, sessions, strict=True) if session.by_rule),
        empty=tuple(x for x, value in zip(xs, means, strict=True) if value is None),
        empty_with_message=tuple(
            x
            for x, value, session in zip(xs, means, sessions, strict=True)
            if value is None and is_message(session)
        ),
        x_ticks=tuple(_dates(sessions, xs, day_of)),
        y_ticks=tuple(
            ChartTick(y(step / _QUARTERS), f"{to_units(instrument, step / _QUARTERS):g}")
            for step in range(_QUARTERS + 1)
            if step / _QUARTERS >= lowest
        ),
    )


def _kind(session: CourseSession) -> str:
    if is_message(session):
        return "message"
    return "flagged" if session.episode_step.flagged else "plain"


def _path(xs: Sequence[float], ys: Sequence[float | None]) -> str:
    """Return an SVG path through the values; a session without a value is a gap."""
    parts, pen_down = [], False
    for x, y in zip(xs, ys, strict=True):
        if y is not None:
            parts.append(f"{'L' if pen_down else 'M'}{x:g} {y:g}")
        pen_down = y is not None
    return " ".join(parts)


def _dates(sessions: Sequence[CourseSession], xs: Sequence[float], day_of: DayOf) -> list[ChartTick]:
    every = -(-len(sessions) // _MOST_DATES)
    return [
        ChartTick(xs[place], f"{day_of(sessions[place]):%-d %b}") for place in range(0, len(sessions), every)
    ]


def _describe(sessions: Sequence[CourseSession], day_of: DayOf) -> str:
    messages = [f"{day_of(session):%-d %B}" for session in sessions if is_message(session)]
    by_rule = sum(session.by_rule for session in sessions)
    return (
        f"{len(sessions)} sessions from {day_of(sessions[0]):%-d %B %Y} to {day_of(sessions[-1]):%-d %B %Y}. "
        f"Rapport would have sent a message after {', '.join(messages) or 'none'}; "
        f"today's rule flags {by_rule} of these sessions."
    )


@dataclass(frozen=True, slots=True)
class WeekBar:
    """The bars of one week; heights in the units of the view box."""

    x: float
    width: float
    messages: float
    flags: float


@dataclass(frozen=True, slots=True)
class WeeksChart:
    """The chart of the weeks: messages go up and today's flags go down from one line."""

    bars: tuple[WeekBar, ...]
    x_ticks: tuple[ChartTick, ...]
    line: float
    height: float
    most: int


_UNIT_ROOM = 120.0


def draw_weeks(weeks: Sequence[Week]) -> WeeksChart:
    """Return the bars of all weeks on one scale, so that lengths can be compared."""
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
        WeekBar(x, width, round(week.messages * unit, 2), round(week.flags * unit, 2))
        for x, week in zip(xs, weeks, strict=True)
    )
    ticks = tuple(
        ChartTick(
            xs[place], f"{weeks[place].monday:%-d %b %Y}" if place == 0 else f"{weeks[place].monday:%-d %b}"
        )
        for place in range(0, len(weeks), every)
    )
    return WeeksChart(bars, ticks, line, round(line + below * unit + 52, 1), most)
