"""Turns the forms beside the alliance into texts and pictures; each has its own axis, and no conclusion."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from schemas.instrument_kind import InstrumentKind
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.instrument import Instrument
from schemas.validation_errors import InvalidInput
from schemas.wording.wording import Wording
from services.notifier.inbox.items import MeasureSeries
from services.notifier.web.small_line import SmallLine, small_line

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 92, 40, 322, 10, 66


@dataclass(frozen=True, slots=True)
class MeasurePicture:
    """What is drawn of one instrument, in the units of the view box."""

    name: str
    """Distinguishes the pictures of one page."""
    title: str
    text: str
    """The same in words."""
    lowest: str
    highest: str
    line: str
    dots: tuple[tuple[float, float], ...]
    cutoff: float | None
    value: str
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class MeasureView:
    """One instrument's forms of one client."""

    title: str
    legend: str
    picture: MeasurePicture


@dataclass(frozen=True, slots=True)
class MeasureLine:
    """One instrument's forms of one client, as a line of a few letters' width."""

    name: str
    line: SmallLine
    value: str


def measure_views(
    series: Iterable[MeasureSeries], catalogue: Catalogue, wording: Wording, zone: ZoneInfo
) -> tuple[MeasureView, ...]:
    """Return what an item's page shows, by instrument; one that is not known here is left out."""
    return tuple(_view(one, instrument, wording, zone) for one, instrument in _known(series, catalogue))


def measure_lines(
    series: Iterable[MeasureSeries], catalogue: Catalogue, wording: Wording
) -> tuple[MeasureLine, ...]:
    """Return what the page of all clients shows, by instrument; one that is not known here is left out."""
    lines = []
    for one, instrument in _known(series, catalogue):
        shares = [None if form.total is None else _share(instrument, form.total) for form in one.forms]
        if line := small_line(shares, wording):
            newest = next(form.total for form in reversed(one.forms) if form.total is not None)
            name = str(instrument.id).upper()
            own = wording("measure.own_line") if instrument.kind is InstrumentKind.THERAPIST else name
            lines.append(MeasureLine(own, line, _number(newest, wording)))
    return tuple(lines)


def _known(
    series: Iterable[MeasureSeries], catalogue: Catalogue
) -> Iterator[tuple[MeasureSeries, Instrument]]:
    for one in series:
        try:
            yield one, catalogue.get(one.instrument)
        except InvalidInput:
            # The detector may know an instrument that the notifier does not: its scale is not known here.
            continue


def _view(series: MeasureSeries, instrument: Instrument, wording: Wording, zone: ZoneInfo) -> MeasureView:
    width = (RIGHT - LEFT) / len(series.forms)
    parts, dots, said, pen_down = [], [], [], False
    for index, form in enumerate(series.forms):
        day = wording.day(form.at, zone)
        if form.total is None:
            pen_down = False
            said.append(f"{day}: {wording('small_line.no_form')}")
            continue
        x, y = round(LEFT + width * (index + 0.5), 1), _height(instrument, form.total)
        parts.append(f"{'L' if pen_down else 'M'}{x:g} {y:g}")
        dots.append((x, y))
        said.append(f"{day}: {_number(form.total, wording)}")
        pen_down = True
    newest = next(form.total for form in reversed(series.forms) if form.total is not None)
    picture = MeasurePicture(
        name=f"measure-{instrument.id}",
        title=instrument.title,
        text="; ".join(said),
        lowest=f"{instrument.lowest_total:g}",
        highest=f"{instrument.highest_total:g}",
        line=" ".join(parts),
        dots=tuple(dots),
        cutoff=None if instrument.cutoff is None else _height(instrument, instrument.cutoff),
        value=_number(newest, wording),
        first=wording.day(series.forms[0].at, zone) if len(series.forms) > 1 else "",
        last=wording.day(series.forms[-1].at, zone),
    )
    own = instrument.kind is InstrumentKind.THERAPIST
    title = wording("measure.own", title=instrument.title) if own else instrument.title
    return MeasureView(title, " ".join(_legend(instrument, wording)), picture)


def _legend(instrument: Instrument, wording: Wording) -> Iterator[str]:
    direction = "better" if instrument.higher_is_better else "worse"
    yield wording(
        f"measure.{'alliance' if instrument.components else direction}",
        lowest=f"{instrument.lowest_total:g}",
        highest=f"{instrument.highest_total:g}",
    )
    if instrument.cutoff is not None:
        yield wording(
            "measure.cutoff", cutoff=_number(instrument.cutoff, wording), source=instrument.cutoff_source
        )
    if instrument.risk_items:
        yield wording("measure.risk")


def _share(instrument: Instrument, total: float) -> float:
    return (total - instrument.lowest_total) / (instrument.highest_total - instrument.lowest_total)


def _height(instrument: Instrument, total: float) -> float:
    return round(BOTTOM - _share(instrument, total) * (BOTTOM - TOP), 1)


def _number(total: float, wording: Wording) -> str:
    return wording.with_decimals(0 if total == int(total) else 1).number(total)
