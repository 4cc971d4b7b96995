"""Cells that speak against a column's name keep it from being misread, and what was left out is said."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from schemas.rating_tables.description import doubts
from schemas.rating_tables.table_errors import UnusableTable
from tests.support.detector.tables import Cell, example, items, of
from tests.support.detector.tables import write as write_table
from tests.unit.detector.preview.conftest import Preview

CLIENT: dict[str, Cell] = {"Client": of("client_id"), "Therapist": of("therapist_id")}
DATE: dict[str, Cell] = {"Date": of("session_at")}
CLIENTS = sorted({row["client_id"] for row in example()})[:8]
ROWS = [row for row in example() if row["client_id"] in CLIENTS]


@pytest.fixture(scope="module")
def rated(preview: Preview, tmp_path_factory: pytest.TempPathFactory) -> int:
    """Return how many rated sessions these rows have when every column has the field's own name."""
    columns = {name: of(name) for name in ROWS[0]}
    return preview(write(tmp_path_factory.mktemp("own") / "plain.csv", columns)).figures.total.rated


def write(
    target: Path,
    columns: dict[str, Cell],
    *,
    rows: Sequence[dict[str, str]] = ROWS,
    separator: str = ",",
    encoding: str = "utf-8",
) -> Path:
    """Write the rows with these columns."""
    return write_table(target, columns, rows=rows, separator=separator, encoding=encoding)


def _always(cell: str) -> Cell:
    return lambda _row: cell


def _first_date(row: dict[str, str]) -> str:
    return min(one["session_at"] for one in ROWS if one["client_id"] == row["client_id"])[:10]


def _week(row: dict[str, str]) -> str:
    return str(sorted(one["session_at"] for one in ROWS if one["client_id"] == row["client_id"]).index(
        row["session_at"]
    ))  # fmt: skip


@pytest.mark.parametrize("name", ["Case_Date", "First session date", "DOB", "Date of intake"])
def test_a_date_of_something_else_is_not_that_of_the_session(
    name: str, preview: Preview, rated: int, tmp_path: Path
) -> None:
    columns = CLIENT | {name: _first_date, "Session_Date": of("session_at")} | items("WAI_")
    found = preview(write(tmp_path / "own.csv", columns))
    assert found.reading.columns.get("session_at") == "Session_Date"
    assert found.figures.total.rated == rated


@pytest.mark.parametrize("name", ["Sitzungsbeginn", "session_start_date", "Terminbeginn (Datum)"])
def test_the_beginning_of_a_session_is_its_date(
    name: str, preview: Preview, rated: int, tmp_path: Path
) -> None:
    columns = CLIENT | {"Therapiebeginn": _first_date, name: of("session_at")} | items("WAI_")
    found = preview(write(tmp_path / "own.csv", columns))
    assert (found.reading.columns.get("session_at"), found.figures.total.rated) == (name, rated)


def test_a_date_that_is_the_same_in_all_rows_of_a_client_is_not_that_of_the_session(
    preview: Preview, tmp_path: Path
) -> None:
    columns = CLIENT | {"Date": _first_date, "held": of("session_at")} | items("WAI_")
    found = preview(write(tmp_path / "own.csv", columns))
    assert found.reading.columns.get("session_at") == "held"
    assert [(doubt.column, doubt.why) for doubt in found.reading.columns.doubts] == [
        ("Date", "it is the same in all rows of most clients")
    ]


def test_without_another_date_the_reason_is_said_with_the_option(preview: Preview, tmp_path: Path) -> None:
    file = write(tmp_path / "own.csv", CLIENT | {"Date": _first_date} | items("WAI_"))
    with pytest.raises(UnusableTable, match=r"Date: it is the same in all rows.*--map session_at=COLUMN"):
        preview(file)


def test_a_kind_of_session_is_no_session(preview: Preview, rated: int, tmp_path: Path) -> None:
    columns = CLIENT | DATE | {"Session Type": _always("Individual")} | items("WAI_")
    found = preview(write(tmp_path / "own.csv", columns))
    assert found.reading.columns.get("session_id") is None
    assert found.figures.total.rated == rated


def test_a_session_that_repeats_in_a_client_is_no_session(
    preview: Preview, rated: int, tmp_path: Path
) -> None:
    columns = CLIENT | DATE | {"Session": _always("in person")} | items("WAI_")
    found = preview(write(tmp_path / "own.csv", columns))
    assert found.reading.columns.get("session_id") is None
    assert found.figures.total.rated == rated


@pytest.mark.parametrize("name", ["Treatment week", "Treatment"])
def test_a_case_does_not_change_with_every_session(name: str, preview: Preview, tmp_path: Path) -> None:
    found = preview(write(tmp_path / "own.csv", CLIENT | DATE | {name: _week} | items("WAI_")))
    assert found.reading.columns.get("case_id") is None
    assert [doubt.column for doubt in found.reading.columns.doubts] == [name]


def test_nothing_is_said_of_a_column_where_another_is_certain(preview: Preview, tmp_path: Path) -> None:
    columns = {"Client": of("client_id"), "Client Group": _always("adults")} | DATE | items("WAI_")
    assert preview(write(tmp_path / "own.csv", columns)).reading.columns.doubts == ()


def test_an_age_is_no_client(preview: Preview, tmp_path: Path) -> None:
    file = write(
        tmp_path / "own.csv", {"Nobody": of("client_id"), "Client Age": _always("34")} | DATE | items("Q")
    )
    with pytest.raises(UnusableTable, match=r"client_id\. Client Age: .*--map client_id=COLUMN"):
        preview(file)


def test_columns_that_are_as_likely_are_named_and_asked_about(preview: Preview, tmp_path: Path) -> None:
    columns = {"Patient": of("client_id"), "Client": of("client_id")} | DATE | items("WAI_")
    found = preview(write(tmp_path / "own.csv", columns))
    (match,) = (match for match in found.reading.columns.matches if match.role == "client_id")
    assert (match.column, match.certainty, match.others) == ("Patient", "guess", ("Client",))


def test_several_sessions_in_a_row_are_refused_with_what_to_do(preview: Preview, tmp_path: Path) -> None:
    columns = CLIENT | DATE | items("wai1_") | items("wai2_")
    with pytest.raises(UnusableTable, match=r"marks of 2 sessions .*one row for each session"):
        preview(write(tmp_path / "own.csv", columns))


def test_rows_of_other_questionnaires_are_left_out_and_counted(
    preview: Preview, rated: int, tmp_path: Path
) -> None:
    rows = ROWS
    others = [row | {"instrument": "GAD-7", "session_id": f"o-{row['session_id']}"} for row in rows[:40]]
    columns = CLIENT | DATE | {"Measure": of("instrument")} | items("item_")
    found = preview(write(tmp_path / "own.csv", columns, rows=rows + others))
    assert found.reading.ratings.other_forms == {"GAD7": 40}
    assert (found.figures.total.rated, list(found.invalid)) == (rated, [])


def test_rows_of_outcome_are_named_as_stored_and_never_scored(
    preview: Preview, rated: int, tmp_path: Path
) -> None:
    places = [f"item_{place}" for place in range(1, 13)]
    answers = dict.fromkeys(places[:9], "2") | dict.fromkeys(places[9:], "")
    others = [row | {"instrument": "PHQ-9"} | answers for row in ROWS[:40]]
    columns = CLIENT | DATE | {"Measure": of("instrument")} | items("item_")
    found = preview(write(tmp_path / "own.csv", columns, rows=ROWS + others))
    assert (found.reading.ratings.stored, found.reading.ratings.other_forms) == ({"phq-9": 40}, {})
    assert (found.figures.total.rated, list(found.invalid)) == (rated, [])
    assert "40 rows of phq-9: stored beside the alliance, never scored" in doubts(found.reading)


def test_a_column_of_questionnaires_that_names_no_known_one_is_asked_about(
    preview: Preview, tmp_path: Path
) -> None:
    columns = CLIENT | DATE | {"Measure": _always("own form")} | items("item_")
    with pytest.raises(UnusableTable, match=r"Measure names no questionnaire.*--instrument"):
        preview(write(tmp_path / "own.csv", columns))


def test_the_form_of_a_therapist_is_not_that_of_the_client(preview: Preview, tmp_path: Path) -> None:
    columns = CLIENT | DATE | {"Measure": _always("WAI-SR therapist")} | items("item_")
    with pytest.raises(UnusableTable, match="Measure names no questionnaire"):
        preview(write(tmp_path / "own.csv", columns))


def test_a_longer_name_that_holds_the_id_is_that_questionnaire(
    preview: Preview, rated: int, tmp_path: Path
) -> None:
    columns = CLIENT | DATE | {"Measure": _always("WAI-SR v2")} | items("item_")
    assert preview(write(tmp_path / "own.csv", columns)).figures.total.rated == rated


def test_marks_beyond_the_form_that_the_columns_name_are_asked_about(
    preview: Preview, tmp_path: Path
) -> None:
    wider = items("waisr_", shown=lambda mark: str(int(mark) + 2) if mark else "")
    with pytest.raises(UnusableTable, match=r"named after wai-sr \(12 items, 1 to 5\)"):
        preview(write(tmp_path / "own.csv", CLIENT | DATE | wider))


def test_reversed_items_that_run_with_the_others_are_asked_about(
    preview: Preview, rated: int, tmp_path: Path
) -> None:
    wider = items("wai_", shown=lambda mark: str(int(mark) + 2) if mark else "")
    file = write(tmp_path / "own.csv", CLIENT | DATE | wider)
    with pytest.raises(UnusableTable, match=r"wai-s .*items 4 and 10 .*--instrument wai-s"):
        preview(file)
    assert preview(file, None, "wai-s").figures.total.rated == rated


def test_reversed_items_that_run_against_the_others_are_recognised(preview: Preview, tmp_path: Path) -> None:
    wider = items("wai_", shown=lambda mark: str(int(mark) + 2) if mark else "")
    for turned in ("wai_4", "wai_10"):
        cell = wider[turned]
        wider[turned] = lambda row, cell=cell: str(8 - int(cell(row))) if cell(row) else ""  # type: ignore[misc]
    found = preview(write(tmp_path / "own.csv", CLIENT | DATE | wider))
    assert str(found.reading.questionnaire.default and found.reading.questionnaire.default.id) == "wai-s"


def test_the_overall_line_of_another_form_is_not_taken(preview: Preview, tmp_path: Path) -> None:
    doubled = list(items("", shown=lambda mark: f"{2 * int(mark or 4)}").values())
    names = ("Individually", "Overall", "Relationship", "Goals and Topics", "Approach or Method", "Overall.1")
    found = preview(write(tmp_path / "own.csv", CLIENT | DATE | dict(zip(names, doubled, strict=False))))
    assert found.reading.columns.items == names[2:]


def test_many_clients_of_one_session_are_a_warning(preview: Preview, tmp_path: Path) -> None:
    columns = {"Client": of("session_id"), "held": of("session_at")} | items("WAI_")
    found = preview(write(tmp_path / "own.csv", columns))
    assert any("clients have" in warning for warning in found.warnings)


def test_rows_that_overwrite_each_other_are_a_warning(preview: Preview, tmp_path: Path) -> None:
    rows = ROWS
    columns = CLIENT | {"held": lambda row: row["session_at"][:8] + "01"} | items("WAI_")
    columns["modified"] = of("session_at")
    found = preview(write(tmp_path / "own.csv", columns, rows=rows))
    assert any("repeat or correct" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    "form", ["%d-%b-%Y", "%m/%d/%Y %I:%M:%S %p", "%A, %B %d, %Y", "%d-%b-%y", "%Y/%m/%d %H:%M"]
)
def test_dates_are_read_in_the_ways_in_which_programs_write_them(
    form: str, preview: Preview, rated: int, tmp_path: Path
) -> None:
    written: dict[str, Cell] = {
        "Date": lambda row: datetime.fromisoformat(row["session_at"]).strftime(form).upper()
    }
    found = preview(
        write(tmp_path / "own.csv", CLIENT | {"Session": of("session_id")} | written | items("WAI_"))
    )
    assert (found.figures.total.rated, list(found.invalid)) == (rated, [])


@pytest.mark.parametrize("code", ["-99", "-9", "-999.0", "#NULL!"])
def test_codes_for_nothing_marked_are_empty_cells(code: str, preview: Preview, tmp_path: Path) -> None:
    empty = preview(write(tmp_path / "empty.csv", CLIENT | DATE | items("WAI_")))
    coded = items("WAI_", shown=lambda mark: mark or code)
    found = preview(write(tmp_path / "own.csv", CLIENT | DATE | coded))
    assert (found.figures, list(found.invalid)) == (empty.figures, list(empty.invalid))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16"])
def test_utf16_is_read_with_and_without_its_mark(
    encoding: str, preview: Preview, rated: int, tmp_path: Path
) -> None:
    file = write(tmp_path / "own.csv", CLIENT | DATE | items("WAI_"), separator="\t", encoding=encoding)
    found = preview(file)
    assert (found.figures.total.rated, found.reading.table.written) == (
        rated,
        "UTF-16, cells separated by tabs",
    )
