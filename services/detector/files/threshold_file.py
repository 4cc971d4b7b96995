"""Exports practices' thresholds to a file and reads them back, so that a table is scored like its stream."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from services.detector.domain.dated_rows import Threshold
from services.detector.files.exported_rows import decode_rows, encode_rows
from services.detector.received import Aware
from services.runtime.postgres.connect import Connection

_READ = """
SELECT practice_id, model_version, version, value, valid_from FROM detector.threshold
WHERE practice_id = ANY(%s) ORDER BY valid_from, version
"""


class ExportedThreshold(msgspec.Struct, frozen=True):
    """One threshold of one practice."""

    practice_id: str
    model_version: str
    version: str
    value: float
    valid_from: Aware


async def export(conn: Connection, practices: Iterable[str]) -> bytes:
    """Return these practices' thresholds as JSON for `read`."""
    rows = await (await conn.execute(_READ, (list(practices),))).fetchall()
    return encode_rows([ExportedThreshold(*row) for row in rows])


def read(file: Path, model_version: str) -> dict[str, tuple[Threshold, ...]]:
    """Return each practice's thresholds for one model, in the order in which they become valid.

    Raises:
        ValueError: the file was not written by `export`.
    """
    rows = decode_rows(file, ExportedThreshold, "rapport thresholds export")
    by_practice: dict[str, tuple[Threshold, ...]] = {}
    for row in sorted(rows, key=lambda row: (row.valid_from, row.version)):
        if row.model_version == model_version:
            threshold = Threshold(row.version, row.value, row.valid_from)
            by_practice[row.practice_id] = (*by_practice.get(row.practice_id, ()), threshold)
    return by_practice
