"""A row may hold the form of the alliance and, beside it, forms that are stored and never scored."""

from pathlib import Path

import pytest

from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.canonical_table import canonical_table
from schemas.rating_tables.description import doubts, understood
from schemas.rating_tables.reading import TableReading, read_ratings_table
from schemas.rating_tables.reading_options import read_mapping, write_mapping
from schemas.rating_tables.table_errors import UnclearTable
from schemas.ratings_csv import read_rows

SRS = ((9.0, 8.5, 9.1, 8.8), (7.0, 7.5, 8.0, 10.0))
ORS = ((4.0, 5.5, 6.1, 5.0), (6.0, 5.0, 4.5, 3.5))
DAYS = ("2025-03-04", "2025-03-11")


def _written(folder: Path, header: str, *rows: object) -> Path:
    file = folder / "export.csv"
    file.write_text("\n".join([header, *map(str, rows)]) + "\n")
    return file


def _cells(*numbers: float) -> str:
    return ",".join(map(str, numbers))


def _marks(reading: TableReading) -> list[tuple[object, object]]:
    return [
        (row.body["instrument"], row.body.get("items", row.body.get("total"))) for row in reading.ratings.rows
    ]


BOTH = [("srs", [*SRS[0]]), ("ors", [*ORS[0]]), ("srs", [*SRS[1]]), ("ors", [*ORS[1]])]


@pytest.mark.parametrize(
    "names",
    [
        "ORS1,ORS2,ORS3,ORS4,SRS1,SRS2,SRS3,SRS4",
        "ors_q1,ors_q2,ors_q3,ors_q4,srs_q1,srs_q2,srs_q3,srs_q4",
        "Individually,Interpersonally,Socially,Overall,Relationship,Goals,Approach,Overall (SRS)",
        "Individuell,Zwischenmenschlich,Sozial,Gesamt,Beziehung,Ziele,Vorgehen,Gesamteindruck",
    ],
)
def test_both_forms_of_a_row_are_ratings_of_one_session(
    names: str, tmp_path: Path, catalogue: Catalogue
) -> None:
    file = _written(
        tmp_path,
        f"Client,Therapist,Date,{names}",
        *(f"P1,T1,{day},{_cells(*ors, *srs)}" for day, ors, srs in zip(DAYS, ORS, SRS, strict=True)),
    )
    reading = read_ratings_table(file, catalogue)
    assert _marks(reading) == BOTH
    assert len({row.body["session_id"] for row in reading.ratings.rows}) == 2
    assert [reading.ratings.file_row(row.number) for row in reading.ratings.rows] == [2, 2, 3, 3]
    assert dict(reading.ratings.stored) == {"ors": 2}
    assert any(line.startswith("ors ") and "never scored" in line for line in understood(reading))


def test_a_form_of_outcome_may_be_one_total_and_may_be_missing(tmp_path: Path, catalogue: Catalogue) -> None:
    rows = (f"P1,T1,{DAYS[0]},,{_cells(*SRS[0])}", f"P1,T1,{DAYS[1]},19,,,,")
    reading = read_ratings_table(
        _written(tmp_path, "Client,Therapist,Date,ORS total,SRS1,SRS2,SRS3,SRS4", *rows), catalogue
    )
    assert _marks(reading) == [("srs", [*SRS[0]]), ("srs", None), ("ors", 19.0)]
    assert [row.body.get("status") for row in reading.ratings.rows] == [None, "declined", None]


def test_a_withdrawn_row_withdraws_both_and_an_id_is_given_once(tmp_path: Path, catalogue: Catalogue) -> None:
    header = "rating_id,Client,Therapist,Date,Status,ORS1,ORS2,ORS3,ORS4,SRS1,SRS2,SRS3,SRS4"
    rows = (
        f"r-1,P1,T1,{DAYS[0]},,{_cells(*ORS[0], *SRS[0])}",
        f"r-2,P1,T1,{DAYS[1]},withdrawn,,,,,,,,",
    )
    found = read_ratings_table(_written(tmp_path, header, *rows), catalogue).ratings.rows
    assert [(row.body["id"], row.body["instrument"], row.body.get("status")) for row in found] == [
        ("r-1", "srs", None),
        ("r-1-ors", "ors", None),
        ("r-2", "srs", "withdrawn"),
        ("r-2-ors", "ors", "withdrawn"),
    ]


def test_a_wrong_mark_of_the_other_form_leaves_that_of_the_alliance(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    header = "Client,Therapist,Date,ORS1,ORS2,ORS3,ORS4,SRS1,SRS2,SRS3,SRS4"
    rows = [f"P1,T1,2025-03-{day:02},{_cells(*ORS[0], *SRS[0])}" for day in range(1, 21)]
    rows[4] = rows[4].replace("4.0,5.5", "4.0,x")
    ratings = read_ratings_table(_written(tmp_path, header, *rows), catalogue).ratings
    assert [(cell.row, cell.column) for cell in ratings.invalid] == [(6, "ORS2")]
    assert (ratings.unread, len(ratings.rows)) == (1, 39)


def test_a_mapping_keeps_them_and_one_from_before_reads_none(tmp_path: Path, catalogue: Catalogue) -> None:
    header = "Client,Therapist,Date,ORS1,ORS2,ORS3,ORS4,SRS1,SRS2,SRS3,SRS4"
    file = _written(
        tmp_path,
        header,
        *(f"P1,T1,{day},{_cells(*ors, *srs)}" for day, ors, srs in zip(DAYS, ORS, SRS, strict=True)),
    )
    mapping = tmp_path / "practice.toml"
    write_mapping(read_ratings_table(file, catalogue).mapping(), mapping)
    assert _marks(read_ratings_table(file, catalogue, read_mapping(mapping))) == BOTH
    text, _, _ = mapping.read_text().partition("\n# Forms in the same rows")
    mapping.write_text(text)
    assert _marks(read_ratings_table(file, catalogue, read_mapping(mapping))) == BOTH[::2]


@pytest.mark.parametrize(
    ("stored", "said"),
    [('orss = ["ORS1"]', "not known"), ('ors = ["ORS9"]', "no column ORS9"), ('ors = ["ORS1", "ORS2"]', "4")],
)
def test_a_mapping_with_other_forms_that_cannot_be_is_refused(
    stored: str, said: str, tmp_path: Path, catalogue: Catalogue
) -> None:
    file = _written(
        tmp_path,
        "Client,Therapist,Date,ORS1,ORS2,ORS3,ORS4,SRS1,SRS2,SRS3,SRS4",
        f"P1,T1,{DAYS[0]},{_cells(*ORS[0], *SRS[0])}",
    )
    mapping = tmp_path / "practice.toml"
    write_mapping(read_ratings_table(file, catalogue).mapping(), mapping)
    text, _, _ = mapping.read_text().partition("[stored]")
    mapping.write_text(f"{text}[stored]\n{stored}\n")
    with pytest.raises(UnclearTable, match=rf"^stored\.orss?: .*{said}"):
        read_ratings_table(file, catalogue, read_mapping(mapping))


def test_the_copy_for_other_commands_has_the_same_ratings(tmp_path: Path, catalogue: Catalogue) -> None:
    from schemas.csv_table import TableReader

    file = _written(
        tmp_path,
        "Client,Therapist,Date,PHQ9_total,SRS1,SRS2,SRS3,SRS4",
        *(f"P1,T1,{day},12,{_cells(*srs)}" for day, srs in zip(DAYS, SRS, strict=True)),
    )
    with canonical_table(file, catalogue) as table:
        rows = list(read_rows(TableReader(table.file), catalogue.item_counts()))
    marks = [(row.body["instrument"], row.body.get("items", row.body.get("total"))) for row in rows]
    assert marks == [("srs", [*SRS[0]]), ("phq-9", 12.0), ("srs", [*SRS[1]]), ("phq-9", 12.0)]


def test_a_table_of_one_stored_form_is_read_as_such(tmp_path: Path, catalogue: Catalogue) -> None:
    rows = [f"P1,T1,{day},{_cells(*ors)},{sum(ors)}" for day, ors in zip(DAYS, ORS, strict=True)]
    file = _written(tmp_path, "Client,Therapist,Date,ORS1,ORS2,ORS3,ORS4,ORS Total", *rows)
    assert _marks(read_ratings_table(file, catalogue)) == BOTH[1::2]
    file.write_text(file.read_text().replace("ORS Total", "Closeness"))
    with pytest.raises(UnclearTable, match=r"ORS1 … ORS4 hold another form.*leave out the other columns"):
        read_ratings_table(file, catalogue)


@pytest.mark.parametrize(
    ("own", "other"), [("client_wai", "therapist_wai"), ("WAI_C_", "WAI_T_"), ("wai", "wait")]
)
def test_the_therapists_own_form_is_never_taken_for_the_clients(
    own: str, other: str, tmp_path: Path, catalogue: Catalogue
) -> None:
    names = [f"{form}{number}" for form in (other, own) for number in range(1, 13)]
    file = _written(
        tmp_path, f"Client,Therapist,Date,{','.join(names)}", f"P1,T1,{DAYS[0]},{'2,' * 12}{'4,' * 11}5"
    )
    reading = read_ratings_table(file, catalogue)
    assert [row.body["items"] for row in reading.ratings.rows] == [[4.0] * 11 + [5.0]]
    assert f"not taken for the client's marks: {other}1 … {other}12, because their names say" in "\n".join(
        doubts(reading)
    )


def test_a_table_under_the_documented_names_has_no_other_columns(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    header = "client_id,therapist_id,session_id,session_at,instrument,item_1,item_2,item_3,item_4"
    row = f"P1,T1,s1,2025-03-04T10:00:00Z,srs,{_cells(*SRS[0])}"
    file = _written(tmp_path, f"{header},ors_1,ors_2,ors_3,ors_4", f"{row},{_cells(*ORS[0])}")
    assert _marks(read_ratings_table(file, catalogue)) == BOTH[:1]
