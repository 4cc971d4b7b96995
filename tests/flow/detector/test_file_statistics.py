"""A table is scored with its practices' statistics: those exported from the stream, or its own."""

import csv
import io
import json
import random
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from schemas.csv_table import TableReader
from schemas.instruments.catalogue import Catalogue
from schemas.ratings_csv import read_rows
from services.detector.features.practice_statistics import ENOUGH_CLIENTS
from services.detector.files import file_statistics, statistics_file
from services.detector.files.file_statistics import statistics_of
from services.detector.files.ratings_table import read_dyads
from services.detector.files.score_file import score_file
from services.detector.files.table_workers import Workers
from services.detector.jobs.renew_statistics import add_statistics
from services.detector.preview.courses import assess_courses
from tests.flow.detector.test_score_file import HEADER, scored
from tests.support.detector.batch_driver import NOW, SentRating, body, detector_driver, record_of
from tests.support.detector.toy_detector import StatisticsReader, ToyDetector

DAY = timedelta(days=1)
PRACTICES = ("east", "north")


def caseload(practice: str, clients: int, seed: int, weeks: int = 4) -> list[tuple[str, SentRating]]:
    """Weekly ratings of a practice's clients up to the day before `NOW`, some of them declined."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    rows = []
    for week in range(1 - weeks, 1):
        for client in range(clients):
            marks = [rng.randint(2, 5) for _ in range(9)] if rng.random() < 0.9 else None
            who = {"client_id": f"{practice}-{client}", "session_id": f"{practice}-{client}:{week}"}
            rows.append((practice, body(week, marks, **who)))
    return rows


def table(rows: list[tuple[str, SentRating]], folder: Path, name: str = "ratings.csv") -> Path:
    file = folder / name
    with file.open("w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target)
        writer.writerow(["practice_id", *HEADER])
        for practice, row in rows:
            given = [row[column] for column in HEADER[:5]]
            given[3] = given[3].isoformat()
            writer.writerow([practice, *given, *(row.get("items") or [""] * 9)])
    return file


def two_practices() -> list[tuple[str, SentRating]]:
    return [*caseload("east", ENOUGH_CLIENTS, 1), *caseload("north", ENOUGH_CLIENTS + 5, 2)]


async def test_with_exported_statistics_a_table_has_the_numbers_of_its_stream(
    database_url: str, tmp_path: Path
) -> None:
    rows = two_practices()
    async with detector_driver(database_url, StatisticsReader()) as detector:
        for practice in PRACTICES:
            await detector.practice(practice)
        await detector.feed([record_of(row, n, practice=who) for n, (who, row) in enumerate(rows)])
        for practice in PRACTICES:
            add = partial(add_statistics, practice=practice, catalogue=detector.tools.catalogue)
            await detector.transact(add)
        later = [
            (who, row | {"session_id": f"{row['session_id']}+2", "session_at": row["session_at"] + 14 * DAY})
            for who, row in rows
        ]
        at = NOW + 14 * DAY
        await detector.feed(
            [record_of(row, 1000 + n, practice=who, accepted_at=at) for n, (who, row) in enumerate(later)]
        )
        found = await detector.rows("SELECT session_id, risk FROM detector.assessment")
        exported = tmp_path / "statistics.json"
        exported.write_bytes(await statistics_file.export(detector.conn, PRACTICES))
    assert {one["version"] for one in json.loads(exported.read_bytes())} == {"statistics-2026-03-03T00:00"}
    file, rows_of = table([*rows, *later], tmp_path), statistics_file.read(exported)
    got = {
        line["session_id"]: float(line["risk"])
        for line in scored(file, StatisticsReader(), statistics=rows_of)
    }
    assert got == dict(found)
    without = scored(file, StatisticsReader(), statistics={})
    assert {line["session_id"]: float(line["risk"]) for line in without} != got


def test_a_table_is_scored_with_statistics_of_itself(tmp_path: Path) -> None:
    file = table([*two_practices(), *caseload("small", ENOUGH_CLIENTS - 1, 3)], tmp_path)
    of_itself = statistics_of(read_dyads(file, Catalogue.load(), _unexpected))
    assert [len(of_itself[practice]) for practice in ("east", "north", "small")] == [1, 1, 0]
    assert of_itself["east"][0].values != of_itself["north"][0].values
    reader = StatisticsReader()
    assert scored(file, reader) == scored(file, StatisticsReader(), statistics=of_itself)
    assert {version for session, version in reader.given.items() if "small" in session} == {None}
    assert {version for session, version in reader.given.items() if "small" not in session} == {"file"}


def test_order_of_rows_batches_and_workers_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.detector.files.score_file.MOST_CLIENTS", ENOUGH_CLIENTS + 1)
    rows = two_practices()
    shuffled = random.Random(4).sample(rows, len(rows))  # noqa: S311 - no secret
    files = [table(rows, tmp_path), table(shuffled, tmp_path, "shuffled.csv")]
    expected = by_session(scored(files[0], StatisticsReader()))
    monkeypatch.setattr("services.detector.files.score_file._BATCH_ROWS", 7)
    monkeypatch.setattr("services.detector.files.score_file._BATCH_CLIENTS", 3)
    assert by_session(scored(files[1], StatisticsReader())) == expected
    out = io.StringIO()
    workers = Workers(2, StatisticsReader)
    score_file(files[1], out, StatisticsReader(), Catalogue.load(), workers=workers)
    assert by_session(list(csv.DictReader(io.StringIO(out.getvalue())))) == expected


def by_session(lines: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    return {line["session_id"]: line for line in lines}


def test_the_page_of_own_ratings_has_the_risks_of_the_scored_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Fewer clients than there are, so that both must choose the same ones.
    monkeypatch.setattr("services.detector.files.score_file.MOST_CLIENTS", ENOUGH_CLIENTS)
    monkeypatch.setattr(file_statistics, "MOST_CLIENTS", ENOUGH_CLIENTS)
    catalogue = Catalogue.load()
    file = table(two_practices(), tmp_path)
    rows = list(read_rows(TableReader(file), catalogue.item_counts()))
    courses, _ = assess_courses(rows, StatisticsReader(), catalogue, lambda _done, _of: None)
    shown = {
        str(session.form.order.session_id): session.assessment.risk
        for course in courses
        for session in course.sessions
    }
    assert shown == {line["session_id"]: float(line["risk"]) for line in scored(file, StatisticsReader())}


def test_a_model_that_reads_no_statistics_costs_no_further_reading(tmp_path: Path) -> None:
    phases: set[str] = set()
    for model in (ToyDetector(), StatisticsReader()):
        phases.clear()
        score_file(
            table(two_practices(), tmp_path),
            io.StringIO(),
            model,
            Catalogue.load(),
            progress=lambda phase, _done, _of: phases.add(phase),
        )
        assert ("reading clients for the statistics" in phases) is model.uses_statistics


def test_an_invalid_row_is_named_although_statistics_are_computed_first(tmp_path: Path) -> None:
    rows = caseload("east", ENOUGH_CLIENTS, 1)
    rows[30] = ("east", rows[30][1] | {"items": [9] * 9})
    with pytest.raises(ValueError, match="row 32: items item 1 is out of range"):
        scored(table(rows, tmp_path), StatisticsReader())


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text('[{"practice_id": "north"}]', encoding="utf-8")
    with pytest.raises(ValueError, match="was not written by `rapport statistics export`"):
        statistics_file.read(file)


def _unexpected(row: object) -> None:
    raise AssertionError(row)
