"""Writes a trajectory as a table and as sentences, which say the same as its picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from schemas.components import Component
from schemas.events import TrajectoryPoint
from schemas.instruments.instrument import Instrument
from schemas.instruments.scoring import to_units
from schemas.wording.wording import Wording


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session: its day, the marks of the table's columns, and a word where it was away from usual."""

    session: str
    marks: tuple[str, ...]
    away: str
    has_form: bool


@dataclass(frozen=True, slots=True)
class SessionTable:
    """All sessions with all marks, oldest first."""

    columns: tuple[str, ...]
    """Names of the components that have marks."""
    rows: tuple[SessionRow, ...]

    @property
    def sentences(self) -> str:
        """The table in words, one sentence for each session."""
        return " ".join(self._sentence(row) for row in self.rows)

    def _sentence(self, row: SessionRow) -> str:
        cells = (
            [f"{name} {mark}" for name, mark in zip(self.columns, row.marks, strict=True)]
            if row.has_form
            # The same words stand in each cell of a session without a form.
            else [row.marks[0]]
        )
        return f"{row.session}: {', '.join([*cells, row.away] if row.away else cells)}."


def session_table(
    points: Sequence[TrajectoryPoint], instrument: Instrument | None, wording: Wording, zone: ZoneInfo
) -> SessionTable:
    """Return the table of a trajectory; without an instrument its marks are in hundredths of the scale."""
    wording = wording.with_decimals(0 if instrument is None else instrument.decimals)
    shown = [one for one in Component if any(getattr(point, one.value) is not None for point in points)]

    def cell(point: TrajectoryPoint, component: Component) -> str:
        mark: float | None = getattr(point, component.value)
        if mark is None:
            return wording("chart.no_mark" if has_form(point) else "chart.no_form")
        return wording.number(100 * mark if instrument is None else to_units(instrument, mark))

    return SessionTable(
        columns=tuple(wording(f"component.{one.value}") for one in shown),
        rows=tuple(
            SessionRow(
                session=wording.day(point.session_at, zone),
                marks=tuple(cell(point, one) for one in shown),
                away=wording("chart.away") if point.flagged else "",
                has_form=has_form(point),
            )
            for point in points
        ),
    )


def has_form(point: TrajectoryPoint) -> bool:
    """Return whether the session has a mark."""
    return any(getattr(point, one.value) is not None for one in Component)
