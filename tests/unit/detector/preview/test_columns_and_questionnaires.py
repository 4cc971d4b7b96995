"""Columns, dates and questionnaires are guessed in tables as practices write them."""

from datetime import datetime
from pathlib import Path

import pytest

from schemas.rating_tables.description import understood
from schemas.rating_tables.table_errors import UnusableTable
from services.detector.preview.page import PreviewContents, render
from tests.support.detector.tables import EXAMPLE, Cell, example, items, of, write
from tests.unit.detector.preview.conftest import Preview


def _day(form: str) -> Cell:
    return lambda row: datetime.fromisoformat(row["session_at"]).strftime(form)


def _in(client: str, therapist: str, session: str, at: str, form: str) -> dict[str, Cell]:
    return {
        client: of("client_id"), therapist: of("therapist_id"), session: of("session_id"), at: _day(form)
    }  # fmt: skip


def _instrument(found: PreviewContents) -> str:
    return str(found.reading.questionnaire.default and found.reading.questionnaire.default.id)


GERMAN = _in("Patienten-Nr.", "Behandler", "Sitzung", "Sitzungsdatum", "%d.%m.%Y %H:%M")
FRENCH = _in("ID patient", "Thérapeute", "Séance", "Date séance", "%d/%m/%Y")
ENGLISH = _in("PatientNo", "Clinician", "SessionID", "Session Date", "%m/%d/%Y %H:%M")
SPANISH = _in("paciente_id", "terapeuta", "sesion", "fecha", "%Y-%m-%d")


@pytest.mark.parametrize("columns", [GERMAN, ENGLISH, SPANISH], ids=["german", "english", "spanish"])
@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_columns_under_other_names_are_found(
    columns: dict[str, Cell], separator: str, preview: Preview, tmp_path: Path
) -> None:
    file = write(tmp_path / "own.csv", columns | items("WAI_"), separator=separator)
    found = preview(file)
    client, therapist, session, at = columns
    assert [client, therapist, session, at] == [
        found.reading.columns.get(role) for role in ("client_id", "therapist_id", "session_id", "session_at")
    ]


def test_accents_and_a_file_from_an_old_spreadsheet_are_read(preview: Preview, tmp_path: Path) -> None:
    file = write(tmp_path / "own.csv", FRENCH | items("WAI "), separator=";", encoding="cp1252")
    found = preview(file)
    assert (found.reading.columns.get("therapist_id"), found.reading.table.written) == (
        "Thérapeute",
        "Windows-1252, cells separated by semicolons",
    )


def test_decimal_commas_are_marks(preview: Preview, tmp_path: Path) -> None:
    columns = GERMAN | items("Frage", shown=lambda mark: f"{mark},0" if mark else "")
    found = preview(write(tmp_path / "own.csv", columns, separator=";"))
    assert ((_instrument(found), len(found.invalid)),
                                    found.figures.total.flags) == (("wai-sr", 0), 127)  # fmt: skip


def test_a_date_without_zone_is_read_as_utc_and_the_page_says_so(preview: Preview, tmp_path: Path) -> None:
    found = preview(write(tmp_path / "own.csv", GERMAN | items("WAI_"), separator=";"))
    ratings = found.reading.ratings
    assert (ratings.without_zone, ratings.dates.written) == (ratings.dated, "day, month, year")
    assert "They name no time zone and are read as UTC" in render(found)


def test_the_page_counts_the_dates_without_zone_where_only_some_lack_one(
    preview: Preview, tmp_path: Path
) -> None:
    rows = ["A1,2025-03-04T09:00:00+01:00,9,9,9,9", "A1,2025-03-11,9,9,9,8", "A1,2025-03-18,9,9,9,8"]
    file = tmp_path / "own.csv"
    file.write_text("\n".join(["Client,Date,SRS1,SRS2,SRS3,SRS4", *rows]) + "\n", encoding="utf-8")
    found = preview(file)
    assert "2 of 3 name no time zone and are read as UTC" in render(found)
    assert any(line.endswith("; 2 of 3 name no time zone, read as UTC") for line in understood(found.reading))


def test_months_first_are_noticed_by_days_after_the_twelfth(preview: Preview, tmp_path: Path) -> None:
    found = preview(write(tmp_path / "own.csv", ENGLISH | items("WAI_")))
    assert (found.reading.ratings.dates.written, found.reading.ratings.dates.ambiguous) == (
        "month, day, year",
        False,
    )


def test_twelve_items_up_to_five_are_likely_the_short_revised_form(preview: Preview, tmp_path: Path) -> None:
    asked = preview(write(tmp_path / "own.csv", ENGLISH | items("Q"))).reading.questionnaire
    assert (str(asked.default and asked.default.id), asked.certainty) == ("wai-sr", "likely")


def test_what_is_given_overrules_the_guess(preview: Preview, tmp_path: Path) -> None:
    file = write(tmp_path / "own.csv", {"Other client": of("session_id")} | ENGLISH | items("Q"))
    found = preview(file, {"client_id": "PatientNo"}, "wai-s")
    assert (
        found.reading.columns.get("client_id"), _instrument(found)
    ) == ("PatientNo", "wai-s")  # fmt: skip


def test_four_columns_named_after_the_lines_of_the_scale_are_a_session_rating(
    preview: Preview, tmp_path: Path
) -> None:
    names = ("Beziehung", "Ziele", "Methode", "Gesamt")
    doubled = items("", shown=lambda mark: f"{2 * float(mark or 4)}".replace(".", ","))
    marks = dict(zip(names, doubled.values(), strict=False))
    found = preview(write(tmp_path / "own.csv", GERMAN | marks, separator=";"))
    assert (names, "srs") == (
        found.reading.columns.items,
        _instrument(found),
    )


def test_a_table_without_clients_is_refused_with_the_option_that_names_them(
    preview: Preview, tmp_path: Path
) -> None:
    file = write(tmp_path / "own.csv", {"when": of("session_at")} | items("Q"))
    with pytest.raises(UnusableTable, match="--map client_id=COLUMN"):
        preview(file)


def test_marks_that_fit_no_questionnaire_are_refused_with_the_option_that_names_it(
    preview: Preview, tmp_path: Path
) -> None:
    file = write(tmp_path / "own.csv", ENGLISH | items("Q", 7))
    with pytest.raises(UnusableTable, match="--instrument ID"):
        preview(file)


def test_a_mark_beyond_the_scale_is_not_repeated_in_the_evidence(preview: Preview, tmp_path: Path) -> None:
    rows = example()
    rows[5] = rows[5] | {"item_3": "777"}
    seen = preview(
        write(tmp_path / "own.csv", ENGLISH | items("Q"), rows=rows)
    ).reading.questionnaire.evidence
    assert seen == "12 items, whole marks from 1 to 5"


def test_a_column_that_does_not_exist_is_refused(preview: Preview) -> None:
    with pytest.raises(UnusableTable, match="no such column"):
        preview(EXAMPLE, {"client_id": "PatientNo"})


def test_names_instead_of_references_still_keep_clients_apart(preview: Preview, tmp_path: Path) -> None:
    rows = [row | {"client_id": f"Ms {row['client_id']}"} for row in example()]
    columns = {name: of(name) for name in rows[0]}
    found = preview(write(tmp_path / "own.csv", columns, rows=rows))
    assert (preview(EXAMPLE).figures, True) == (found.figures, found.reading.ratings.replaced)


def test_the_page_counts_the_rows_that_hold_no_form(preview: Preview, tmp_path: Path) -> None:
    rows = ["A1,2025-03-04,9,9,9,9", "A1,[not completed],,,,", "A1,2025-03-11,9,9,9,8", "A1,,,,,"]
    file = tmp_path / "own.csv"
    file.write_text("\n".join(["Client,Date,SRS1,SRS2,SRS3,SRS4", *rows]) + "\n", encoding="utf-8")
    assert "Left out: 2 rows without a date and a mark." in render(preview(file))
