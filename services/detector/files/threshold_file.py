"""A practice's thresholds in and out of a file, so that a table is scored as its stream would be."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from services.detector.contracts import Aware
from services.detector.domain.thresholds import Threshold
from services.detector.storage.practices import Connection

_READ = """
SELECT practice_id, model_version, version, value, valid_from FROM detector.threshold
WHERE practice_id = ANY(%s) ORDER BY valid_from, version
"""


class Exported(msgspec.Struct, frozen=True):
    """One threshold of one practice."""

    practice_id: str
    model_version: str
    version: str
    value: float
    valid_from: Aware


async def export(conn: Connection, practices: Iterable[str]) -> bytes:
    """These practices' thresholds, as JSON that `read` understands."""
    rows = await (await conn.execute(_READ, (list(practices),))).fetchall()
    return msgspec.json.format(msgspec.json.encode([Exported(*row) for row in rows])) + b"\n"


def read(file: Path, model_version: str) -> dict[str, tuple[Threshold, ...]]:
    """Each practice's thresholds for one model, in the order in which they become valid.

    Raises:
        ValueError: the file is no such export.
    """
    try:
        rows = msgspec.json.decode(file.read_bytes(), type=list[Exported])
    except msgspec.MsgspecError as error:
        raise ValueError(f"{file} is no export of thresholds: {error}") from None
    found: dict[str, tuple[Threshold, ...]] = {}
    for row in sorted(rows, key=lambda row: (row.valid_from, row.version)):
        if row.model_version == model_version:
            one = Threshold(row.version, row.value, row.valid_from)
            found[row.practice_id] = (*found.get(row.practice_id, ()), one)
    return found
