"""A trajectory in, the geometry of its picture out, which `templates/trajectory.svg` draws."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from schemas.events import Component, TrajectoryPoint
from schemas.instruments.instrument import Instrument
from services.notifier.wording import Wording

WIDTH, HEIGHT = 760, 320
LEFT, RIGHT, TOP, BOTTOM = 52.0, 640.0, 20.0, 262.0
_LABEL_GAP = 17.0
_MOST_DATES = 7
_STEPS = 4
"""The scale is cut at a quarter: marks of clients who are content fill its upper part only."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One session's mean mark."""

    x: float
    y: float
    flagged: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One component over the sessions, with the place of its name at the right end."""

    name: str
    label: str
    path: str
    label_y: float


@dataclass(frozen=True, slots=True)
class Tick:
    """One labelled place on an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Row:
    """One session in words, for the table that says the same."""

    session: str
    mean: str
    usual: str
    flagged: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """All that is drawn, in a box of `WIDTH` by `HEIGHT`."""

    title: str
    description: str
    lines: tuple[Line, ...]
    mean_path: str
    usual_path: str
    dots: tuple[Dot, ...]
    flags: tuple[float, ...]
    empty: tuple[float, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    column: float
    rows: tuple[Row, ...]


class Scale:
    """The common scale 0 to 1 on the picture's height, cut at the quarter below the lowest value."""

    def __init__(self, values: Sequence[float], instrument: Instrument | None) -> None:
        self._instrument = instrument
        lowest = min(values, default=0.0)
        self._bottom = max(0, min(_STEPS - 1, int((lowest - 0.02) * _STEPS))) / _STEPS

    def y(self, value: float) -> float:
        """Where a value lies."""
        return round(BOTTOM - (value - self._bottom) / (1 - self._bottom) * (BOTTOM - TOP), 1)

    def in_units(self, value: float, wording: Wording) -> str:
        """A value in the instrument's units; in hundredths for an instrument we do not know."""
        if self._instrument is None:
            return wording.number(100 * value)
        span = self._instrument.highest - self._instrument.lowest
        return wording.number(self._instrument.lowest + value * span)

    def ticks(self, wording: Wording) -> Iterator[Tick]:
        """The quarters from the cut to the top."""
        for step in range(_STEPS + 1):
            value = step / _STEPS
            if value >= self._bottom:
                yield Tick(self.y(value), self.in_units(value, wording))


def draw(
    points: Sequence[TrajectoryPoint], instrument: Instrument | None, wording: Wording, zone: ZoneInfo
) -> Picture | None:
    """The picture of a trajectory; None when there is nothing to draw."""
    means = [_mean(point) for point in points]
    if not any(mean is not None for mean in means):
        return None
    series = {one: [getattr(point, one.value) for point in points] for one in Component}
    usual = [point.usual for point in points]
    known = [value for row in (*series.values(), usual) for value in row if value is not None]
    scale = Scale(known, instrument)
    column = (RIGHT - LEFT) / len(points)
    xs = [round(LEFT + column * (index + 0.5), 1) for index in range(len(points))]
    drawn = {one: row for one, row in series.items() if any(value is not None for value in row)}
    return Picture(
        title=wording("chart.title"),
        description=_describe(points, means, scale, wording, zone),
        lines=tuple(_lines(drawn, xs, scale, wording)) if len(drawn) > 1 else (),
        mean_path=_path(xs, means, scale),
        usual_path=_path(xs, usual, scale),
        dots=tuple(
            Dot(x, scale.y(mean), point.flagged)
            for x, mean, point in zip(xs, means, points, strict=True)
            if mean is not None
        ),
        flags=tuple(x for x, point in zip(xs, points, strict=True) if point.flagged),
        empty=tuple(x for x, mean in zip(xs, means, strict=True) if mean is None),
        x_ticks=tuple(_dates(points, xs, wording, zone)),
        y_ticks=tuple(scale.ticks(wording)),
        column=round(min(column, 56.0), 1),
        rows=tuple(_rows(points, means, scale, wording, zone)),
    )


def _mean(point: TrajectoryPoint) -> float | None:
    marks = [mark for mark in (point.bond, point.goal, point.task, point.overall) if mark is not None]
    return sum(marks) / len(marks) if marks else None


def _path(xs: Sequence[float], values: Sequence[float | None], scale: Scale) -> str:
    """A line through what is there; a session without a mark is a gap."""
    parts, pen_down = [], False
    for x, value in zip(xs, values, strict=True):
        if value is not None:
            parts.append(f"{'L' if pen_down else 'M'}{x:g} {scale.y(value):g}")
        pen_down = value is not None
    return " ".join(parts)


def _lines(
    series: dict[Component, list[float | None]], xs: Sequence[float], scale: Scale, wording: Wording
) -> Iterator[Line]:
    ends = {one: scale.y([v for v in row if v is not None][-1]) for one, row in series.items()}
    places = _apart(ends)
    for one, row in series.items():
        yield Line(one.value, wording(f"component.{one.value}"), _path(xs, row, scale), places[one])


def _apart(wanted: dict[Component, float]) -> dict[Component, float]:
    """Labels pushed down until none covers another, and up again where that led below the picture."""
    places: dict[Component, float] = {}
    last = TOP - _LABEL_GAP
    for one in sorted(wanted, key=wanted.__getitem__):
        last = max(wanted[one], last + _LABEL_GAP)
        places[one] = last
    over = max(0.0, last - BOTTOM)
    return {one: round(place - over, 1) for one, place in places.items()}


def _dates(
    points: Sequence[TrajectoryPoint], xs: Sequence[float], wording: Wording, zone: ZoneInfo
) -> Iterator[Tick]:
    every = -(-len(points) // _MOST_DATES)
    # Counted from the newest, which is the one that matters.
    for index in range(len(points) - 1, -1, -every):
        yield Tick(xs[index], wording.day(points[index].session_at, zone))


def _rows(
    points: Sequence[TrajectoryPoint],
    means: Sequence[float | None],
    scale: Scale,
    wording: Wording,
    zone: ZoneInfo,
) -> Iterator[Row]:
    for point, mean in zip(points, means, strict=True):
        yield Row(
            session=wording.moment(point.session_at, zone),
            mean=wording("chart.no_form") if mean is None else scale.in_units(mean, wording),
            usual="" if point.usual is None else scale.in_units(point.usual, wording),
            flagged=point.flagged,
        )


def _describe(
    points: Sequence[TrajectoryPoint],
    means: Sequence[float | None],
    scale: Scale,
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
