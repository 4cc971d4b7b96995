"""Writes therapists' answers as a table (CSV) and reads such a table as labels of sessions.

Columns: `client_id, session_id, answer`; optional `practice_id, therapist_id, case_id, answered_at, topic`,
as `rapport labels export` writes them. `discussed` labels a session as a rupture, `not-relevant` and
`outside-event` as none; `will-discuss` and `undone` give no label. What they talked about later says more
than the answer: goal, method, pace and relationship label a rupture, something outside none, and nothing
changed or not talked about give no label.
"""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, TextIO

from schemas.csv_table import TableReader, TableRow
from schemas.events import Answer, TalkedAbout
from services.detector.domain.message_precision import RUPTURE_BY_ANSWER

REQUIRED = ("client_id", "session_id", "answer")
COLUMNS = (
    "practice_id", "therapist_id", "client_id", "case_id", "session_id", "answered_at", "answer",
    "topic",
)  # fmt: skip

RUPTURE_BY_TOPIC = {
    TalkedAbout.GOAL: True,
    TalkedAbout.METHOD: True,
    TalkedAbout.PACE: True,
    TalkedAbout.RELATIONSHIP: True,
    TalkedAbout.OUTSIDE: False,
}


class Label(NamedTuple):
    """One session, and whether its therapist saw a rupture."""

    practice_id: str
    """Empty where the table names no practice."""
    client_id: str
    session_id: str
    therapist_id: str
    rupture: bool


def read_labels(file: Path) -> list[Label]:
    """Return the labels of a table, without rows whose answer gives no label.

    Raises:
        UnreadableTable: a column is missing, a row does not fit under the header, or an answer or topic is
            unknown.
    """
    table = TableReader(file)
    table.require(REQUIRED)
    labels = [_label(table, row) for row in table]
    return [label for label in labels if label is not None]


def _label(table: TableReader, row: TableRow) -> Label | None:
    values = dict.fromkeys(COLUMNS, "")
    values |= {name: cell.strip() for name, cell in zip(table.header, row.cells, strict=True)}
    try:
        answer = Answer(values["answer"])
    except ValueError:
        expected = ", ".join(Answer)
        raise table.error(row.line, f"the answer is unknown, expected one of {expected}") from None
    try:
        topic = TalkedAbout(values["topic"]) if values["topic"] else None
    except ValueError:
        expected = ", ".join(TalkedAbout)
        raise table.error(row.line, f"the topic is unknown, expected one of {expected}") from None
    rupture = RUPTURE_BY_ANSWER.get(answer) if topic is None else RUPTURE_BY_TOPIC.get(topic)
    if rupture is None:
        return None
    return Label(
        values["practice_id"],
        values["client_id"],
        values["session_id"],
        values["therapist_id"],
        rupture,
    )


def write_labels(target: TextIO, rows: Iterable[tuple[object, ...]]) -> int:
    """Write a header and rows of `COLUMNS`, and return the number of rows."""
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for row in rows:
        writer.writerow(row)
        count += 1
    return count
