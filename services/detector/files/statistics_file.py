"""Exports practices' statistics to a file and reads them back, so that a table is scored like its stream."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from services.detector.domain.dated_rows import PracticeStatistics
from services.detector.features.practice_statistics import STATISTICS
from services.detector.files.exported_rows import decode_rows, encode_rows
from services.detector.received import Aware
from services.runtime.postgres.connect import Connection

_READ = """
SELECT practice_id, version, valid_from, computed_at, clients, forms, values FROM detector.practice_statistics
WHERE practice_id = ANY(%s) ORDER BY valid_from, version
"""


class ExportedStatistics(msgspec.Struct, frozen=True):
    """The statistics of one practice as they were computed once."""

    practice_id: str
    version: str
    valid_from: Aware
    computed_at: Aware
    clients: int
    forms: int
    values: Annotated[list[float], Meta(min_length=len(STATISTICS), max_length=len(STATISTICS))]
    """In the order of `services.detector.features.practice_statistics.STATISTICS`."""


async def export(conn: Connection, practices: Iterable[str]) -> bytes:
    """Return these practices' statistics as JSON for `read`."""
    rows = await (await conn.execute(_READ, (list(practices),))).fetchall()
    return encode_rows([ExportedStatistics(*row) for row in rows])


def read(file: Path) -> dict[str, tuple[PracticeStatistics, ...]]:
    """Return each practice's statistics, in the order in which they become valid.

    Raises:
        ValueError: the file was not written by `export`.
    """
    rows = decode_rows(file, ExportedStatistics, "rapport statistics export")
    by_practice: dict[str, tuple[PracticeStatistics, ...]] = {}
    for row in sorted(rows, key=lambda row: (row.valid_from, row.version)):
        one = PracticeStatistics(row.version, tuple(row.values), row.valid_from)
        by_practice[row.practice_id] = (*by_practice.get(row.practice_id, ()), one)
    return by_practice
