"""A file is scored to the same numbers as its stream, row by row."""

import csv
import io
import random
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.ids import PracticeId
from schemas.instruments.catalogue import Catalogue
from schemas.rating import RatingBody
from schemas.session_rated import session_rated_value
from services.detector.domain.dated_rows import Threshold
from services.detector.domain.detector import Detector
from services.detector.files.file_scorer import COLUMNS, Thresholds
from services.detector.files.file_statistics import StatisticsByPractice
from services.detector.files.ratings_table import InvalidRow, rated_of
from services.detector.files.score_file import score_file
from services.detector.files.table_workers import Workers
from services.detector.model.artefact import load
from services.detector.received import RatedEvent, arriving
from tests.support.detector.batch_driver import NOW, SentRating, body, detector_driver, record_of
from tests.support.detector.toy_detector import ToyDetector

HEADER = [
    "client_id",
    "therapist_id",
    "session_id",
    "session_at",
    "instrument",
    *(f"item_{n}" for n in range(1, 10)),
]


def ratings(seed: int) -> list[SentRating]:
    """Four clients' weekly ratings, sorted by time, with falls, empty forms and a correction."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    rows = []
    for week in range(-10, 0):
        for client in range(4):
            level = 2 if rng.random() < 0.25 else 4
            marks: list[float | None] | None = [level + rng.choice([-1, 0, 1]) for _ in range(9)]
            if rng.random() < 0.15:
                marks = None
            who: SentRating = {"client_id": f"client-{client}", "session_id": f"c{client}w{week}"}
            rows.append(body(week, marks, **who))
            if rng.random() < 0.1:
                rows.append(body(week, [3] * 9, **who))
    return rows


def table(rows: list[SentRating], folder: Path) -> Path:
    file = folder / "ratings.csv"
    with file.open("w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target)
        writer.writerow(HEADER)
        for row in rows:
            given = [row[name] for name in HEADER[:5]]
            given[3] = given[3].isoformat()
            writer.writerow([*given, *(row.get("items") or [""] * 9)])
    return file


def scored(
    file: Path,
    model: Detector,
    thresholds: Thresholds | None = None,
    statistics: StatisticsByPractice | None = None,
) -> list[dict[str, str]]:
    out = io.StringIO()
    score_file(file, out, model, Catalogue.load(), thresholds=thresholds, statistics=statistics)
    return list(csv.DictReader(io.StringIO(out.getvalue())))


@pytest.mark.parametrize("model", [ToyDetector(), load()], ids=["toy", "shipped"])
async def test_the_numbers_of_a_file_are_those_of_its_stream(
    database_url: str, tmp_path: Path, model: Detector
) -> None:
    rows = ratings(7)
    async with detector_driver(database_url, model) as detector:
        await detector.practice("file")
        records = [
            record_of(row, n, practice="file", accepted_at=NOW + timedelta(seconds=n))
            for n, row in enumerate(rows)
        ]
        for begin in range(0, len(records), 7):
            await detector.feed(records[begin : begin + 7])
        found = await detector.rows("SELECT session_id, risk, flagged, step FROM detector.assessment")
    expected = {session: (risk, flagged, step) for session, risk, flagged, step in found}
    got = {
        line["session_id"]: (float(line["risk"]), line["alert"] == "1", line["episode"])
        for line in scored(table(rows, tmp_path), model)
    }
    assert got == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"items": [4, 3.5, None, 1, 2, 3, 4, 5, 5]},
        {"scores": {"bond": 3.3, "goal": 2.1, "task": 4.7}, "id": "r-1", "case_id": "second"},
        {"status": "declined", "next_session_at": NOW + timedelta(days=6), "recorded_at": NOW},
    ],
    ids=["items", "scores", "declined"],
)
def test_a_row_is_read_like_its_event(changes: SentRating) -> None:
    sent = {key: value for key, value in body(-1).items() if key != "status"} | changes
    rating = RatingBody.model_validate(sent)
    practice = PracticeId("file")
    event = arriving.decode(session_rated_value(practice, rating, accepted_at=NOW, key=b"file"))
    assert isinstance(event, RatedEvent)
    assert rated_of(practice, rating, NOW) == event.data


def test_rows_are_read_whatever_their_cells_contain(tmp_path: Path) -> None:
    """A byte order mark, letters of several bytes, line ends in quotes and blank rows shift no row."""
    file = tmp_path / "ratings.csv"
    row = "{},t,{},2026-01-0{}T10:00Z,wai-9,4,4,4,4,4,4,4,4,4,{}"
    lines = [
        ",".join([*HEADER, "note"]),
        row.format("zoë", "first", 1, '"two\nlines, é"'),
        "",
        row.format("other", "third", 1, ""),
        row.format('"zoë"', '"fir""st"', 8, "\u2028"),
    ]
    file.write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    assert [(line["client_id"], line["session_id"]) for line in scored(file, ToyDetector())] == [
        ("zoë", "first"),
        ("other", "third"),
        ("zoë", 'fir"st'),
    ]


def test_workers_give_the_same_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = table(ratings(3), tmp_path)
    alone, by_workers = io.StringIO(), io.StringIO()
    score_file(file, alone, ToyDetector(), Catalogue.load())
    monkeypatch.setattr("services.detector.files.score_file._BATCH_ROWS", 1)
    score_file(file, by_workers, ToyDetector(), Catalogue.load(), workers=Workers(2, ToyDetector))
    assert by_workers.getvalue() == alone.getvalue()


def test_an_invalid_row_is_named_by_workers_too(tmp_path: Path) -> None:
    file = table([body(-2, [4] * 9), body(-1, [9] * 9)], tmp_path)
    with pytest.raises(InvalidRow, match="row 3: items item 1 is out of range"):
        score_file(file, io.StringIO(), ToyDetector(), Catalogue.load(), workers=Workers(1, ToyDetector))


def test_clients_of_many_batches_keep_the_order_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = table(ratings(3), tmp_path)
    at_once = scored(file, ToyDetector())
    monkeypatch.setattr("services.detector.files.score_file._BATCH_ROWS", 1)
    assert scored(file, ToyDetector()) == at_once


def test_there_is_one_line_per_distinct_rating_in_the_order_of_the_file(tmp_path: Path) -> None:
    rows = [body(-1, [4] * 9, session_id="b"), body(-2, [4] * 9, session_id="a")]
    lines = scored(table([*rows, rows[0]], tmp_path), ToyDetector())
    assert [line["session_id"] for line in lines] == ["b", "a"]
    assert tuple(lines[0]) == COLUMNS


def test_the_first_session_and_a_declined_form_have_a_risk(tmp_path: Path) -> None:
    lines = scored(table([body(-2, [4] * 9), body(-1)], tmp_path), ToyDetector())
    assert [(line["risk"], line["bond"]) for line in lines] == [("0.1", "0.75"), ("0.2", "")]


def test_an_invalid_row_is_named_with_what_is_expected(tmp_path: Path) -> None:
    file = table([body(-2, [4] * 9), body(-1, [9] * 9)], tmp_path)
    with pytest.raises(InvalidRow, match="row 3: items item 1 is out of range, expected 1 to 5"):
        scored(file, ToyDetector())


def test_a_practices_own_thresholds_count(tmp_path: Path) -> None:
    file = table([body(-2, [4] * 9), body(-1, [4] * 9), body(0, [4] * 8 + [3])], tmp_path)
    low = {"file": (Threshold("own", 0.05, NOW.replace(year=2025)),)}
    assert [line["alert"] for line in scored(file, ToyDetector(), low)] == ["0", "0", "1"]
