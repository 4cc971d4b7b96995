"""Computes the picture of a trajectory, one row for each component, and draws it as SVG.

Ink and its strength carry all that is drawn, never a colour: it reads in grey print and on a dark page.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from schemas.components import Component
from schemas.events import TrajectoryPoint
from schemas.facts import ComponentFact, Facts, Standing
from schemas.instruments.instrument import Instrument
from schemas.instruments.scoring import from_units, to_units
from schemas.picture.session_table import SessionTable, has_form, session_table
from schemas.wording.message_sentences import NAMED
from schemas.wording.wording import Wording

WIDTH, LEFT, RIGHT = 360, 92, 322
_TOP, _BETWEEN, _TO_DATES, _UNDER_DATES = 8, 16, 18, 6
_BELOW_A_VALUE = 13
"""From the line that a value stands on to that of the dates under it: so they never touch."""
_HEIGHT_OF_OTHERS = 28
_HEIGHTS = {0: 44, 1: 60, 2: 48, 3: 42, 4: 36}
"""Height of a row in full ink, by how many there are: the picture keeps about one height."""
_ROOM_OF_A_DATE = 58


@dataclass(frozen=True, slots=True)
class PictureLabel:
    """A text and where it stands."""

    x: float
    y: float
    anchor: str
    text: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class MarkDot:
    """The mark of one form."""

    x: float
    y: float
    told: bool
    """Whether it is of the session that the message is about."""


@dataclass(frozen=True, slots=True)
class PictureRow:
    """One component over all sessions on its full scale."""

    component: Component
    name: str
    strong: bool
    """In full ink: the component fell, or none did and all are alike."""
    top: float
    bottom: float
    band: tuple[float, ...] | None
    """Upper and lower end of this client's own usual range; None before there is one."""
    usual: float | None
    line: str
    """SVG path through the marks; a session without a mark is a gap."""
    dots: tuple[MarkDot, ...]
    value: PictureLabel | None


@dataclass(frozen=True, slots=True)
class TrajectoryPicture:
    """Everything that is drawn, in the units of the view box."""

    name: str
    """Distinguishes the pictures of one page."""
    height: float
    title: str
    lowest: str
    highest: str
    rows: tuple[PictureRow, ...]
    empty: tuple[float, ...]
    """x of the sessions without a form."""
    legend: Mapping[str, str]
    """What dot, ring, band and cross stand for: of those that are drawn, by what they are called."""
    dates: tuple[PictureLabel, ...]
    table: SessionTable
    """What is drawn, as a table; its sentences are the picture's text alternative."""

    def svg(self) -> Markup:
        """Return the picture as an element of a page; it needs no style sheet."""
        return Markup(_template().render(p=self, width=WIDTH, left=LEFT, right=RIGHT))  # noqa: S704 # escaped by the template


@dataclass(frozen=True, slots=True)
class DrawnTrajectory:
    """What a picture is drawn from."""

    points: Sequence[TrajectoryPoint]
    told_at: datetime
    """The session that is ringed and labelled where the facts name no form."""
    facts: Facts | None = None
    """What fell is drawn in full ink, with each component's usual range; None: all alike and no range."""
    instrument: Instrument | None = None
    """None for one that is not known here; the picture then has neither units nor ranges."""


def draw(
    drawn: DrawnTrajectory, wording: Wording, zone: ZoneInfo, name: str = "trajectory"
) -> TrajectoryPicture | None:
    """Return the picture of a trajectory; None when it has no mark."""
    marked = [one for one in Component if any(_mark(point, one) is not None for point in drawn.points)]
    known = {one.component: one for one in drawn.facts.components} if drawn.facts else {}
    fell = {one.component for one in known.values() if one.standing in NAMED}
    # A form may have an overall mark alone; beside others it is drawn only where it fell.
    shown = [one for one in marked if one is not Component.OVERALL or one in fell] or marked
    if not shown:
        return None
    strong = fell & set(shown) or set(shown)
    columns = _Columns.of(drawn)
    instrument = drawn.instrument
    rows = tuple(
        _row(
            known.get(place.component) or ComponentFact(component=place.component, standing=Standing.UNKNOWN),
            place,
            columns,
            drawn,
            wording,
        )
        for place in _places(shown, strong)
    )
    lowest = rows[-1]
    dates = lowest.bottom + _TO_DATES
    if lowest.value is not None:
        dates = max(dates, lowest.value.y + _BELOW_A_VALUE)
    empty = tuple(x for x, point in zip(columns.xs, drawn.points, strict=True) if not has_form(point))
    return TrajectoryPicture(
        name=name,
        height=dates + _UNDER_DATES,
        title=_title(instrument, wording),
        lowest="" if instrument is None else f"{instrument.lowest:g}",
        highest="" if instrument is None else f"{instrument.highest:g}",
        rows=rows,
        empty=empty,
        legend={key: wording(f"chart.legend.{key}") for key in _drawn(rows, empty)},
        dates=tuple(_dates(columns, drawn.points, dates, wording, zone)),
        table=session_table(drawn.points, instrument, wording, zone),
    )


def _drawn(rows: Sequence[PictureRow], empty: Sequence[float]) -> Iterator[str]:
    yield "dot"
    if any(dot.told for row in rows for dot in row.dots):
        yield "ring"
    if any(row.band for row in rows):
        yield "band"
    if empty:
        yield "cross"


@dataclass(frozen=True, slots=True)
class _Place:
    """The place of a row, which maps the common scale, 0 to 1, to heights."""

    component: Component
    strong: bool
    top: float
    bottom: float

    def y(self, value: float) -> float:
        return round(self.bottom - value * (self.bottom - self.top), 1)


@dataclass(frozen=True, slots=True)
class _Columns:
    """x of each session, and the index of the told one."""

    xs: tuple[float, ...]
    told: int | None

    @classmethod
    def of(cls, drawn: DrawnTrajectory) -> "_Columns":
        width = (RIGHT - LEFT) / len(drawn.points)
        xs = tuple(round(LEFT + width * (index + 0.5), 1) for index in range(len(drawn.points)))
        told_at = drawn.facts.form_at if drawn.facts and drawn.facts.form_at else drawn.told_at
        told = next((i for i, point in enumerate(drawn.points) if point.session_at == told_at), None)
        return cls(xs, told)


def _title(instrument: Instrument | None, wording: Wording) -> str:
    if instrument is None:
        return wording("chart.title")
    return wording(
        "chart.title_with_scale",
        title=instrument.title,
        lowest=f"{instrument.lowest:g}",
        highest=f"{instrument.highest:g}",
    )


def _mark(point: TrajectoryPoint, component: Component) -> float | None:
    mark: float | None = getattr(point, component.value)
    return mark


def _places(shown: Sequence[Component], strong: set[Component]) -> Iterator[_Place]:
    top = float(_TOP)
    for one in shown:
        bottom = top + (_HEIGHTS[len(strong)] if one in strong else _HEIGHT_OF_OTHERS)
        yield _Place(one, one in strong, top, bottom)
        top = bottom + _BETWEEN


def _row(
    fact: ComponentFact, place: _Place, columns: _Columns, drawn: DrawnTrajectory, wording: Wording
) -> PictureRow:
    marks = [_mark(point, place.component) for point in drawn.points]
    instrument = drawn.instrument
    band, usual = None, None
    if instrument is not None and fact.usual is not None:
        usual = place.y(from_units(instrument, fact.usual))
    if instrument is not None and fact.usual_low is not None and fact.usual_high is not None:
        band = tuple(place.y(from_units(instrument, end)) for end in (fact.usual_high, fact.usual_low))
    return PictureRow(
        component=place.component,
        name=wording(f"component.{place.component.value}"),
        strong=place.strong,
        top=place.top,
        bottom=place.bottom,
        band=band,
        usual=usual,
        line=_line(marks, columns.xs, place),
        dots=tuple(
            MarkDot(x, place.y(mark), index == columns.told)
            for index, (x, mark) in enumerate(zip(columns.xs, marks, strict=True))
            if mark is not None
        ),
        value=None if instrument is None else _value(marks, columns, place, instrument, wording),
    )


def _line(marks: Sequence[float | None], xs: Sequence[float], place: _Place) -> str:
    parts, pen_down = [], False
    for x, mark in zip(xs, marks, strict=True):
        if mark is not None:
            parts.append(f"{'L' if pen_down else 'M'}{x:g} {place.y(mark):g}")
        pen_down = mark is not None
    return " ".join(parts)


def _value(
    marks: Sequence[float | None],
    columns: _Columns,
    place: _Place,
    instrument: Instrument,
    wording: Wording,
) -> PictureLabel | None:
    """Return the told session's mark: right of the newest, else beside the line rather than on it."""
    index = columns.told
    mark = None if index is None else marks[index]
    if index is None or mark is None:
        return None
    text = wording.with_decimals(instrument.decimals).number(to_units(instrument, mark))
    x, y = columns.xs[index], place.y(mark)
    if index == len(marks) - 1:
        return PictureLabel(RIGHT + 2, y + 4.5, "start", text, place.strong)
    before = [one for one in marks[:index] if one is not None]
    fits_above = y - 9 >= place.top + 8
    if not fits_above or (before and mark < before[-1]):
        return PictureLabel(x, min(y + 19, place.bottom + _BETWEEN), "middle", text, place.strong)
    return PictureLabel(x, y - 9, "middle", text, place.strong)


def _dates(
    columns: _Columns, points: Sequence[TrajectoryPoint], y: float, wording: Wording, zone: ZoneInfo
) -> Iterator[PictureLabel]:
    """Yield the date of the told session, then those of the newest and the first where there is room."""
    last = len(points) - 1
    placed: list[float] = []
    for index in (last if columns.told is None else columns.told, last, 0):
        x = columns.xs[index]
        if all(abs(x - other) >= _ROOM_OF_A_DATE for other in placed):
            placed.append(x)
            day = wording.day(points[index].session_at, zone)
            yield PictureLabel(x, y, "middle", day, index == columns.told)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("schemas.picture", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("trajectory.svg")
