"""Computes the geometry of a trajectory's chart, which `templates/trajectory.svg` draws."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from schemas.components import Component
from schemas.events import TrajectoryPoint
from schemas.instruments.instrument import Instrument
from services.notifier.wording import Wording

_STEPS = 4
"""The axis begins at a quarter of the scale: ratings of contented clients only fill its upper part."""


@dataclass(frozen=True, slots=True)
class ChartFrame:
    """The size of the drawing, the plot area in it, and the number of dates that fit below it."""

    name: str
    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    label_gap: float
    most_dates: int


WIDE = ChartFrame("wide", 760, 320, left=52, right=640, top=16, bottom=270, label_gap=17, most_dates=7)
NARROW = ChartFrame("narrow", 380, 300, left=36, right=300, top=12, bottom=256, label_gap=16, most_dates=4)
"""The frames for a wide screen and for a telephone, where letters must be as large as the text."""


@dataclass(frozen=True, slots=True)
class SessionDot:
    """The mean rating of one session."""

    x: float
    y: float
    flagged: bool


@dataclass(frozen=True, slots=True)
class ComponentLine:
    """One component over the sessions, and the height of its label at the right end."""

    name: str
    label: str
    path: str
    label_y: float


@dataclass(frozen=True, slots=True)
class AxisTick:
    """A labelled position on an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session as a row of the table below the chart."""

    session: str
    mean: str
    usual: str
    flagged: bool


@dataclass(frozen=True, slots=True)
class TrajectoryChart:
    """Everything that is drawn in one frame."""

    frame: ChartFrame
    title: str
    description: str
    lines: tuple[ComponentLine, ...]
    mean_path: str
    usual_path: str
    dots: tuple[SessionDot, ...]
    flags: tuple[float, ...]
    empty: tuple[float, ...]
    x_ticks: tuple[AxisTick, ...]
    y_ticks: tuple[AxisTick, ...]
    column: float
    rows: tuple[SessionRow, ...]


class VerticalScale:
    """Maps the common scale, 0 to 1, to heights in the plot, from the quarter below the lowest value."""

    def __init__(self, frame: ChartFrame, values: Sequence[float], instrument: Instrument | None) -> None:
        self.frame = frame
        self._instrument = instrument
        lowest = min(values, default=0.0)
        self._bottom = max(0, min(_STEPS - 1, int((lowest - 0.02) * _STEPS))) / _STEPS

    def y(self, value: float) -> float:
        """Return the vertical position of a value."""
        top, bottom = self.frame.top, self.frame.bottom
        return round(bottom - (value - self._bottom) / (1 - self._bottom) * (bottom - top), 1)

    def in_units(self, value: float, wording: Wording) -> str:
        """Return a value in the instrument's units, or in hundredths when the instrument is unknown."""
        if self._instrument is None:
            return wording.number(100 * value)
        span = self._instrument.highest - self._instrument.lowest
        return wording.number(self._instrument.lowest + value * span)

    def ticks(self, wording: Wording) -> Iterator[AxisTick]:
        """Yield the quarters from the beginning of the axis to its top."""
        for step in range(_STEPS + 1):
            value = step / _STEPS
            if value >= self._bottom:
                yield AxisTick(self.y(value), self.in_units(value, wording))


def draw(
    frame: ChartFrame,
    points: Sequence[TrajectoryPoint],
    instrument: Instrument | None,
    wording: Wording,
    zone: ZoneInfo,
) -> TrajectoryChart | None:
    """Return the chart of a trajectory; None when it has no rating."""
    means = [_mean(point) for point in points]
    if not any(mean is not None for mean in means):
        return None
    series = {one: [getattr(point, one.value) for point in points] for one in Component}
    usual = [point.usual for point in points]
    known = [value for row in (*series.values(), usual) for value in row if value is not None]
    scale = VerticalScale(frame, known, instrument)
    column = (frame.right - frame.left) / len(points)
    xs = [round(frame.left + column * (index + 0.5), 1) for index in range(len(points))]
    drawn = {one: row for one, row in series.items() if any(value is not None for value in row)}
    return TrajectoryChart(
        frame=frame,
        title=wording("chart.title"),
        description=_describe(points, means, scale, wording, zone),
        lines=tuple(_lines(drawn, xs, scale, wording)) if len(drawn) > 1 else (),
        mean_path=_path(xs, means, scale),
        usual_path=_path(xs, usual, scale),
        dots=tuple(
            SessionDot(x, scale.y(mean), point.flagged)
            for x, mean, point in zip(xs, means, points, strict=True)
            if mean is not None
        ),
        flags=tuple(x for x, point in zip(xs, points, strict=True) if point.flagged),
        empty=tuple(x for x, mean in zip(xs, means, strict=True) if mean is None),
        x_ticks=tuple(_dates(points, xs, frame, wording, zone)),
        y_ticks=tuple(scale.ticks(wording)),
        column=round(min(column - 4, 56.0), 1),
        rows=tuple(_rows(points, means, scale, wording, zone)),
    )


def _mean(point: TrajectoryPoint) -> float | None:
    marks = [mark for mark in (point.bond, point.goal, point.task, point.overall) if mark is not None]
    return sum(marks) / len(marks) if marks else None


def _path(xs: Sequence[float], values: Sequence[float | None], scale: VerticalScale) -> str:
    """Return an SVG path through the values, with a gap at each session without a rating."""
    parts, pen_down = [], False
    for x, value in zip(xs, values, strict=True):
        if value is not None:
            parts.append(f"{'L' if pen_down else 'M'}{x:g} {scale.y(value):g}")
        pen_down = value is not None
    return " ".join(parts)


def _lines(
    series: dict[Component, list[float | None]], xs: Sequence[float], scale: VerticalScale, wording: Wording
) -> Iterator[ComponentLine]:
    ends = {one: scale.y([v for v in row if v is not None][-1]) for one, row in series.items()}
    places = _apart(ends, scale.frame)
    for one, row in series.items():
        yield ComponentLine(one.value, wording(f"component.{one.value}"), _path(xs, row, scale), places[one])


def _apart(wanted: dict[Component, float], frame: ChartFrame) -> dict[Component, float]:
    """Return label heights that do not overlap; all move up where one would leave the plot."""
    places: dict[Component, float] = {}
    last = frame.top - frame.label_gap
    for one in sorted(wanted, key=wanted.__getitem__):
        last = max(wanted[one], last + frame.label_gap)
        places[one] = last
    over = max(0.0, last - frame.bottom)
    return {one: round(place - over, 1) for one, place in places.items()}


def _dates(
    points: Sequence[TrajectoryPoint],
    xs: Sequence[float],
    frame: ChartFrame,
    wording: Wording,
    zone: ZoneInfo,
) -> Iterator[AxisTick]:
    every = -(-len(points) // frame.most_dates)
    # Counted from the newest session, which must have its date.
    for index in range(len(points) - 1, -1, -every):
        yield AxisTick(xs[index], wording.day(points[index].session_at, zone))


def _rows(
    points: Sequence[TrajectoryPoint],
    means: Sequence[float | None],
    scale: VerticalScale,
    wording: Wording,
    zone: ZoneInfo,
) -> Iterator[SessionRow]:
    for point, mean in zip(points, means, strict=True):
        yield SessionRow(
            session=wording.moment(point.session_at, zone),
            mean=wording("chart.no_form") if mean is None else scale.in_units(mean, wording),
            usual="" if point.usual is None else scale.in_units(point.usual, wording),
            flagged=point.flagged,
        )


def _describe(
    points: Sequence[TrajectoryPoint],
    means: Sequence[float | None],
    scale: VerticalScale,
    wording: Wording,
    zone: ZoneInfo,
) -> str:
    flagged = [wording.day(point.session_at, zone) for point in points if point.flagged]
    said = {
        "sessions": len(points),
        "first": wording.day(points[0].session_at, zone),
        "last": wording.day(points[-1].session_at, zone),
        "flagged": ", ".join(flagged) or wording("chart.none_flagged"),
    }
    mark, usual = means[-1], points[-1].usual
    if mark is None or usual is None:
        return wording("chart.description_plain", **said)
    return wording(
        "chart.description",
        mark=scale.in_units(mark, wording),
        usual=scale.in_units(usual, wording),
        **said,
    )
