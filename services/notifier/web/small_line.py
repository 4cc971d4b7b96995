"""Draws the course of a client's marks as a line of a few letters' width."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.wording.wording import Wording

WIDTH, HEIGHT = 96, 24
_EDGE = 3


@dataclass(frozen=True, slots=True)
class SmallLine:
    """The path through the marks, in a box of `WIDTH` by `HEIGHT`, and where the newest mark is."""

    path: str
    x: float
    y: float
    text: str
    """The same marks in words."""


def small_line(marks: Sequence[float | None], wording: Wording) -> SmallLine | None:
    """Return the line of marks from 0 to 1, oldest first, on the full scale; None without a mark.

    A session without a mark is a gap; a mark between two gaps is a dot.
    """
    step = (WIDTH - 2 * _EDGE) / max(len(marks) - 1, 1)
    places = [
        None if mark is None else (round(_EDGE + step * index), round(_height(mark)))
        for index, mark in enumerate(marks)
    ]
    drawn = [place for place in places if place is not None]
    if not drawn:
        return None
    parts = []
    for before, place, after in zip([None, *places], places, [*places[1:], None], strict=False):
        if place is not None:
            x, y = place
            alone = before is None and after is None
            parts.append(f"{'M' if before is None else 'L'}{x} {y}{'h0' if alone else ''}")
    said = (wording("small_line.no_form") if mark is None else f"{mark * 100:.0f}" for mark in marks)
    return SmallLine("".join(parts), *drawn[-1], text=wording("small_line.text", marks=", ".join(said)))


def _height(mark: float) -> float:
    return HEIGHT - _EDGE - mark * (HEIGHT - 2 * _EDGE)
