"""Encodes columns as PostgreSQL's binary arrays, for statements that write many rows with `unnest`.

psycopg takes about .4 µs to encode an element of a list; these functions take .02 to .15 µs, and a batch has
dozens of columns. Each array needs a cast that names its type (`%b::float8[]`), because it carries none.
"""

import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import numpy as np
from psycopg import adapters, pq
from psycopg.adapt import Dumper

_HEADER = struct.Struct(">iiIii")
_LENGTHS = tuple(struct.pack(">i", n) for n in range(4096))
_NULL = struct.pack(">i", -1)
_BOOL, _BYTEA, _INT8, _INT4, _TEXT, _FLOAT8, _DATE, _TIMESTAMPTZ, _UUID = (
    16,
    17,
    20,
    23,
    25,
    701,
    1082,
    1184,
    2950,
)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(2000, 1, 1).toordinal()
_DAY_US = 86_400_000_000


class Array:
    """A column in binary form."""

    __slots__ = ("data",)

    def __init__(self, element: int, count: int, body: bytes) -> None:
        # One dimension that starts at 1; an empty array has none.
        self.data = _HEADER.pack(1, 1, element, count, 1) + body if count else _EMPTY.pack(0, 0, element)


_EMPTY = struct.Struct(">iiI")


class _ArrayDumper(Dumper):
    """Sends the bytes unchanged."""

    format = pq.Format.BINARY
    oid = 0  # the cast in the statement names the type

    def dump(self, obj: Array) -> bytes:
        return obj.data


adapters.register_dumper(Array, _ArrayDumper)  # for every connection that is opened from now on


def texts(values: Iterable[str | None]) -> Array:
    """Encode a `text[]`."""
    return _variable(_TEXT, [None if v is None else v.encode() for v in values])


def byteas(values: Iterable[bytes | None]) -> Array:
    """Encode a `bytea[]`."""
    return _variable(_BYTEA, list(values))


def _variable(element: int, values: Sequence[bytes | None]) -> Array:
    parts: list[bytes] = []
    append = parts.append
    for value in values:
        if value is None:
            append(_NULL)
        else:
            size = len(value)
            append(_LENGTHS[size] if size < len(_LENGTHS) else struct.pack(">i", size))
            append(value)
    return Array(element, len(values), b"".join(parts))


def uuids(values: Iterable[UUID | None]) -> Array:
    """Encode a `uuid[]`."""
    return _variable(_UUID, [None if v is None else v.int.to_bytes(16, "big") for v in values])


def timestamps(values: Iterable[datetime | None]) -> Array:
    """Encode a `timestamptz[]` of aware datetimes."""
    return _fixed(_TIMESTAMPTZ, [None if v is None else _microseconds(v) for v in values], ">i8")


def _microseconds(moment: datetime) -> int:
    since = moment - _EPOCH
    return since.days * _DAY_US + since.seconds * 1_000_000 + since.microseconds


def dates(values: Iterable[date | None]) -> Array:
    """Encode a `date[]`."""
    return _fixed(_DATE, [None if v is None else v.toordinal() - _EPOCH_DAY for v in values], ">i4")


def ints(values: Iterable[int | None]) -> Array:
    """Encode an `int4[]`."""
    return _fixed(_INT4, list(values), ">i4")


def bigints(values: Iterable[int | None]) -> Array:
    """Encode an `int8[]`."""
    return _fixed(_INT8, list(values), ">i8")


def floats(values: Iterable[float | None]) -> Array:
    """Encode a `float8[]`; None becomes null, NaN stays NaN."""
    return _fixed(_FLOAT8, list(values), ">f8")


def booleans(values: Iterable[bool]) -> Array:
    """Encode a `boolean[]`."""
    return _fixed(_BOOL, list(values), "?")


def _fixed(element: int, values: Sequence[Any], kind: str) -> Array:
    if None in values:
        pack = struct.Struct(kind.replace("i8", "q").replace("i4", "i").replace("f8", "d")).pack
        return _variable(element, [None if v is None else pack(v) for v in values])
    rows = np.empty(len(values), dtype=[("length", ">i4"), ("value", kind)])
    rows["length"] = rows.dtype["value"].itemsize
    rows["value"] = values
    return Array(element, len(values), rows.tobytes())
