"""Cells of practices' own tables are read as statuses; an appointment that was not held is no session."""

from pathlib import Path

import pytest

from schemas.events import Status
from schemas.rating_tables.mark_cells import status_of
from tests.unit.detector.preview.conftest import Preview


@pytest.mark.parametrize(
    ("cell", "status"),
    [
        ("No Show", Status.CANCELLED),
        ("no-show", Status.CANCELLED),
        ("Canceled", Status.CANCELLED),
        ("abgesagt", Status.CANCELLED),
        ("Late Cancelled", Status.CANCELLED),
        ("declined", Status.DECLINED),
        ("withdrawn", Status.WITHDRAWN),
        ("Show", None),
        ("", None),
    ],
)
def test_a_status_is_read_in_the_words_of_practices(cell: str, status: Status | None) -> None:
    assert status_of(cell, has_marks=False) is status


def test_marks_say_that_an_appointment_was_held() -> None:
    assert status_of("No Show", has_marks=True) is None


def test_an_appointment_that_was_not_held_is_no_session(preview: Preview, tmp_path: Path) -> None:
    lines = ["Client,Clinician,Date,Status,SRS 1,SRS 2,SRS 3,SRS 4"]
    lines += [f"K1,T1,2025-01-{day:02},Show,9.1,8.7,9.0,8.9" for day in (7, 14, 21)]
    lines += ["K1,T1,2025-01-28,No Show,,,,", "K1,T1,2025-02-04,Show,,,,"]
    file = tmp_path / "own.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert preview(file).sessions == 4
