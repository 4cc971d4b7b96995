"""Exports of other systems are read right, or refused with what to do about them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.description import doubts
from schemas.rating_tables.reading import read_ratings_table
from schemas.rating_tables.reading_options import ReadingOptions
from schemas.rating_tables.table_errors import UnclearTable, UnusableTable

ITEMS = [[9.0, 8.5, 9.1, 8.8], [7.0, 7.5, 8.0, 10.0]]
ROWS = ("P1;T1;2025-03-04;9.0;8.5;9.1;8.8", "P1;T1;2025-03-11;7.0;7.5;8.0;10.0")
HEAD = "Client;Therapist;Date;SRS1;SRS2;SRS3;SRS4"


def _file(folder: Path, *lines: str) -> Path:
    file = folder / "export.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.mark.parametrize(
    "header",
    [
        "Klienten-Nr.;Therapeut/in;Sitzungsdatum;Beziehung;Ziele und Themen;Ansatz oder Methode;Insgesamt",
        "Cliëntnummer;Behandelaar;Datum gesprek;Relatie;Doelen en onderwerpen;Aanpak of methode;Algeheel",
        "N° dossier;Intervenant;Date de la séance;Relation;Buts et sujets;Approche ou méthode;Globalement",
        "Nº paciente;Terapeuta;Fecha de sesión;Relación;Objetivos y temas;Enfoque o método;General",
    ],
    ids=["de", "nl", "fr", "es"],
)
def test_the_lines_of_the_srs_are_known_in_other_languages(
    header: str, tmp_path: Path, catalogue: Catalogue
) -> None:
    found = read_ratings_table(_file(tmp_path, header, *ROWS), catalogue)
    assert [row.body["items"] for row in found.ratings.rows] == ITEMS
    assert [row.body["client_id"] for row in found.ratings.rows] == ["P1", "P1"]


@pytest.mark.parametrize(
    ("clock", "hour", "minute"),
    [
        ("14h30", 14, 30),
        ("9 h 05", 9, 5),
        ("14h", 14, 0),
        ("à 14h30", 14, 30),
        ("14.30 Uhr", 14, 30),
        ("9 Uhr", 9, 0),
    ],
)
def test_a_time_of_day_is_read_as_it_is_written_in_french_and_german(
    clock: str, hour: int, minute: int, tmp_path: Path, catalogue: Catalogue
) -> None:
    moment = datetime(2025, 3, 4, hour, minute, tzinfo=UTC)
    for head, day in (("Date;Heure", f"04.03.25;{clock}"), ("Date;Notes", f"04.03.25 {clock};x")):
        file = _file(tmp_path, f"Client;Therapist;{head};SRS1;SRS2;SRS3;SRS4", f"P1;T1;{day};9;8;9;8")
        assert read_ratings_table(file, catalogue).ratings.moments == {2: moment}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            [
                "Client;Therapist;Date;Relationship;Goals;Approach;Overall",
                "P1;T1;2025-03-04;86 %;90 %;82 %;89 %",
            ],
            r"Relationship … Overall hold percentages. Write the marks on the questionnaire's own scale",
        ),
        (
            [HEAD, *(f"P1;T1;2025-03-0{day};0.86;0.9;0.82;0.89" for day in (1, 2, 3))],
            r"SRS1 … SRS4 hold fractions of 1, as a spreadsheet keeps percentages",
        ),
        ([HEAD, "P1;T1;2025-03-04;86;90;82;89"], r"measured in millimetres or per cent, write them on"),
        (
            ["Client;Therapist;Date;Questionnaire;Item;Answer", "P1;T1;2025-03-04;SRS;1;9"],
            r"Each row seems to hold one answer, to the item that Item names. Write one row for each form",
        ),
        (["Client;Therapist;Date;ORS;SRS", "P1;T1;2025-03-04;20;36"], r"SRS seems to hold one total"),
        (
            ["Client;Therapist;Date;WAI Bond;WAI Goal;WAI Task", "P1;T1;2025-03-04;18;16;17"],
            r"WAI Bond, WAI Goal, WAI Task seem to hold sums.*divide each sum by the number of its items",
        ),
        (
            [
                f"Client;Therapist;Date;{';'.join(f'WAI{n}' + 'R' * (n in {4, 10}) for n in range(1, 13))}",
                f"P1;T1;2025-03-04{';5' * 11};6",
            ],
            r"WAI4R, WAI10R seem to hold items that were turned round already. .* named WAI4, WAI10",
        ),
        (
            [HEAD, *(f"P1;T1;{day}/2025;9;8;9;8" for day in ("13/01", "20/01", "01/27", "02/14"))],
            r"Date mixes dates with the day first and dates with the month first",
        ),
        ([HEAD, "P1;T1;last week;9;8;9;8"], r"No cell of the column Date can be read as a date. Write them"),
        (
            ["SRS;;;;;;ORS", "a;b;c;1;2;3;4", "P1;T1;2025-03-04;9;8;9;8"],
            r"write the names of all columns into one line",
        ),
        ([HEAD, *ROWS, "# exported by hand"], r"line 4: the row has 1 cell under 7 columns: remove it"),
    ],
    ids=[
        "per cent", "fractions", "millimetres", "a row for each answer", "totals", "sums", "turned round",
        "two orders of dates", "no date", "no names", "a comment",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_what_to_do(
    lines: list[str], said: str, tmp_path: Path, catalogue: Catalogue
) -> None:
    with pytest.raises(UnusableTable, match=said):
        read_ratings_table(_file(tmp_path, *lines), catalogue)


def test_one_date_in_another_order_is_a_slip(tmp_path: Path, catalogue: Catalogue) -> None:
    rows = [f"P1;T1;{day}/01/2025;9;8;9;8" for day in range(13, 32)]
    found = read_ratings_table(_file(tmp_path, HEAD, *rows, "P1;T1;02/14/2025;9;8;9;8"), catalogue)
    assert [(cell.row, cell.message) for cell in found.ratings.invalid] == [(21, "is not a date")]


def test_a_header_that_is_repeated_is_passed_over_and_named(tmp_path: Path, catalogue: Catalogue) -> None:
    found = read_ratings_table(_file(tmp_path, HEAD, ROWS[0], HEAD, ROWS[1], HEAD), catalogue)
    assert [(row.number, row.body["items"]) for row in found.ratings.rows] == [(2, ITEMS[0]), (4, ITEMS[1])]
    assert "passed over: lines 3, 5, the names of the columns once more" in doubts(found)


@pytest.mark.parametrize("name", ["Total", "Mittelwert:", "P1 average", "Moyenne"])
def test_a_row_that_sums_up_others_is_no_client(name: str, tmp_path: Path, catalogue: Catalogue) -> None:
    total = f"{name};T1;2025-03-11;8.0;8.0;8.5;9.4"
    found = read_ratings_table(_file(tmp_path, HEAD, *ROWS, total), catalogue).ratings
    assert len(found.rows) == 2
    assert [(cell.row, cell.column, cell.message) for cell in found.invalid] == [
        (4, "Client", "names a total of several rows")
    ]


def test_a_number_with_an_underscore_is_no_mark(tmp_path: Path, catalogue: Catalogue) -> None:
    found = read_ratings_table(_file(tmp_path, HEAD, *ROWS * 3, ROWS[1].replace("7.0", "1_0")), catalogue)
    assert [(cell.row, cell.column) for cell in found.ratings.invalid] == [(8, "SRS1")]


def test_a_scale_for_children_is_only_guessed_to_be_the_srs(tmp_path: Path, catalogue: Catalogue) -> None:
    file = _file(tmp_path, HEAD.replace("SRS", "CSRS"), *ROWS * 10)
    questionnaire = read_ratings_table(file, catalogue).questionnaire
    assert (questionnaire.certainty, "named csrs" in questionnaire.evidence) == ("guess", True)


def test_an_overall_line_of_another_form_is_not_taken_for_certain(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    header = "Client;Therapist;Date;Overall;a;b;c;d;e;f;Relationship;Goals;Approach"
    rows = [row.replace(";10.0", "").replace(";8.8", "") for row in ROWS]
    lines = [";".join([*row.split(";")[:3], "5", *"xxxxxx", *row.split(";")[3:]]) for row in rows]
    assert read_ratings_table(_file(tmp_path, header, *lines), catalogue).columns.items_certainty == "guess"


def test_component_scores_under_the_name_of_the_form_are_asked_about(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    file = _file(tmp_path, "Client;Therapist;Date;WAI Bond;WAI Goal;WAI Task", "P1;T1;2025-03-04;4.5;4;4.25")
    with pytest.raises(UnclearTable, match=r"component scores without items.*--instrument ID"):
        read_ratings_table(file, catalogue)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"item_0": "SRS1", "item_1": "SRS2"}, "names the items 0, 1: name all of them, from item_1 on"),
        ({"item_1": "SRS1", "item_3": "SRS2"}, "names the items 1, 3: name all of them"),
        ({"item_1": "SRS1", "item_2": "SRS1"}, "gives SRS1 to several fields"),
        ({"client_id": "Client", "therapist_id": "Client"}, "gives Client to several fields"),
    ],
)
def test_columns_that_are_given_wrongly_are_refused(
    given: dict[str, str], said: str, tmp_path: Path, catalogue: Catalogue
) -> None:
    with pytest.raises(UnclearTable, match=said):
        read_ratings_table(_file(tmp_path, HEAD, *ROWS), catalogue, ReadingOptions(given))


def test_a_file_of_another_kind_is_no_table(tmp_path: Path, catalogue: Catalogue) -> None:
    file = tmp_path / "ratings.pdf"
    file.write_bytes(bytes(range(1, 256)) * 4)
    with pytest.raises(UnusableTable, match=r"is no text and no workbook\. Export the ratings as a table"):
        read_ratings_table(file, catalogue)
