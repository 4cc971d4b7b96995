"""Computes the geometry of the chart of the weeks."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.detector.preview.counts import Week

WIDTH, LEFT, RIGHT = 720, 44, 704
_MOST_DATES = 6


@dataclass(frozen=True, slots=True)
class ChartTick:
    """One labelled position on the axis."""

    at: float
    label: str


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
