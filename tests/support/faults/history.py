"""Records what was asked of ingest and what it answered: one line of JSON for each invocation and each end.

An invocation sends one rating once. It ends as `ok` (ingest said that it is accepted), `fail` (ingest said
that it is not, or was never reached) or `unknown` (no answer, or one that leaves it open). One without an end
is unknown, too.
"""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple


class Ending(StrEnum):
    """How an invocation ended."""

    OK = "ok"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Sent(NamedTuple):
    """What identifies a rating that was sent: the same three always mean the same rating."""

    practice: str
    rating_id: str
    content_hash: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One invocation with its end; times are seconds since the epoch."""

    number: int
    sent: Sent
    invoked_at: float
    ending: Ending = Ending.UNKNOWN
    ended_at: float | None = None
    reason: str = ""


class HistoryFile:
    """Appends to one file; several threads may write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()
        self._last = 0

    def invoke(self, sent: Sent) -> int:
        """Write that a rating is about to be sent; return the number of the invocation."""
        with self._lock:
            self._last += 1
            self._write({"number": self._last, "event": "invoke", "at": time.time(), **sent._asdict()})
            return self._last

    def end(self, number: int, ending: Ending, reason: str = "") -> None:
        """Write how an invocation ended."""
        with self._lock:
            self._write({"number": number, "event": ending.value, "at": time.time(), "reason": reason})

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, line: dict[str, object]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def read_history(path: Path) -> list[Operation]:
    """Return the operations of a history file in the order of their invocation.

    Raises:
        ValueError: an end has no invocation, or an invocation ended twice.
    """
    operations: dict[int, Operation] = {}
    for line in _lines(path):
        number = int(str(line["number"]))
        if line["event"] == "invoke":
            sent = Sent(str(line["practice"]), str(line["rating_id"]), str(line["content_hash"]))
            operations[number] = Operation(number, sent, float(str(line["at"])))
            continue
        before = operations.get(number)
        if before is None or before.ended_at is not None:
            raise ValueError(f"{path}: operation {number} ended without an invocation, or twice")
        ended = {"ending": Ending(str(line["event"])), "ended_at": line["at"], "reason": line["reason"]}
        operations[number] = Operation(**{**asdict(before), "sent": before.sent, **ended})
    return list(operations.values())


def _lines(path: Path) -> Iterator[dict[str, object]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
