"""Writes rows of practices that were read from the database to a file, and reads such a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

Exported = TypeVar("Exported", bound=msgspec.Struct)


def encode_rows(rows: Sequence[msgspec.Struct]) -> bytes:
    """Return rows as JSON for `decode_rows`."""
    return msgspec.json.format(msgspec.json.encode(rows)) + b"\n"


def decode_rows(file: Path, row: type[Exported], command: str) -> list[Exported]:
    """Return the rows in a file.

    Raises:
        ValueError: the file was not written by `command`, which the message names.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=list[row])  # type: ignore[valid-type]
    except msgspec.MsgspecError as error:
        raise ValueError(f"{file} was not written by `{command}`: {error}") from None
