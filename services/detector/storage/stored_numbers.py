"""Stores what was published of an assessment without what its row holds in columns.

Marks are stored as integers of millionths, and a change as the difference of two of them; what is left has a
third of the bytes. Numbers that could not be restored to the last bit are stored whole, as all were before.
"""

from datetime import datetime
from math import copysign
from typing import Any, NamedTuple

import msgspec

from schemas.components import Component
from schemas.events import Status
from services.detector.contracts import InUnits, Numbers, pack, unpack_numbers
from services.detector.domain.dated_rows import default_version
from services.detector.published.events import pack_numbers

MILLION = 1_000_000
_CODES = ("bond", "goal", "task", "overall")
"""The components by their number in what is stored; a new one is only appended."""
_CODE_OF = {Component(name): number for number, name in enumerate(_CODES)}
_unpack = msgspec.msgpack.Decoder().decode


class InColumns(NamedTuple):
    """What the row of an assessment holds in columns of its own."""

    rating_id: str
    session_at: datetime
    model_version: str
    risk: float | None
    threshold: float | None


def stored_numbers(packed: bytes, columns: InColumns, numbers: Numbers | None = None) -> bytes:
    """Return the bytes that the row keeps of numbers as they were published (`pack_numbers`).

    `numbers` are those that were packed, where they are known: it takes time to unpack them.
    """
    numbers = numbers or unpack_numbers(packed)
    marks: list[float | int | None] = []
    for component, (share, score, level, change) in numbers.components.items():
        kept_score, kept_level = _millionths(score), _millionths(level)
        if _change(kept_score, kept_level) != change:
            return packed
        marks += (_CODE_OF[component], _millionths(share), kept_score, kept_level)
    held = (numbers.rating_id, numbers.session_at, numbers.model_version, numbers.risk, numbers.threshold)
    if held != columns:
        return packed
    usual = default_version(numbers.model_version)
    fields = [
        numbers.ratings,
        marks,
        None if numbers.leading is None else _CODE_OF[numbers.leading],
        numbers.movement,
        None if numbers.status is Status.RATED else numbers.status,
        None if numbers.threshold_version == usual else numbers.threshold_version,
        numbers.statistics_version,
    ]
    while fields[-1] is None:
        fields.pop()
    return pack(fields)


def published_numbers(kept: bytes, columns: InColumns) -> bytes:
    """Return the numbers as they were published, from the bytes that the row keeps and its columns."""
    fields = _unpack(kept)
    if not isinstance(fields[0], int):
        return kept
    ratings, marks, leading, movement, status, version, statistics = fields + [None] * (7 - len(fields))
    return pack_numbers(
        Numbers(
            rating_id=columns.rating_id,
            session_at=columns.session_at,
            status=Status.RATED if status is None else Status(status),
            threshold_version=default_version(columns.model_version) if version is None else version,
            model_version=columns.model_version,
            ratings=ratings,
            risk=columns.risk,
            threshold=columns.threshold,
            leading=None if leading is None else Component(_CODES[leading]),
            movement=movement,
            components=_components(marks),
            statistics_version=statistics,
        )
    )


def _millionths(value: float | None) -> float | int | None:
    if value is None:
        return None
    whole = round(value * MILLION)
    if whole and whole / MILLION == value:
        return whole
    return 0 if value == 0 and copysign(1, value) > 0 else value


def _value(stored: float | int | None) -> float | None:
    return stored / MILLION if isinstance(stored, int) else stored


def _change(score: float | int | None, level: float | int | None) -> float | None:
    return (score - level) / MILLION if isinstance(score, int) and isinstance(level, int) else None


def _components(marks: list[Any]) -> InUnits:
    rows = zip(marks[::4], marks[1::4], marks[2::4], marks[3::4], strict=True)
    return {
        Component(_CODES[code]): (_value(share) or 0.0, _value(score), _value(level), _change(score, level))
        for code, share, score, level in rows
    }
