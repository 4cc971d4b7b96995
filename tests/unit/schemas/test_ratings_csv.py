"""Tables of ratings are read as they are meant."""

from pathlib import Path

import pytest

from schemas.csv_table import TableReader, UnreadableTable
from schemas.ratings_csv import read_rows, unread_columns

ITEMS = {"srs": 4, "wai-9": 9}
HEAD = "client_id,therapist_id,session_id,session_at,instrument"


def _table(*lines: str) -> TableReader:
    return TableReader(Path("ratings.csv"), [f"{line}\n" for line in lines])


def _bodies(*lines: str) -> list[dict[str, object]]:
    return [row.body for row in read_rows(_table(*lines), ITEMS)]


def test_marks_become_items_in_the_order_of_their_numbers() -> None:
    (body,) = _bodies(f"{HEAD},item_2,item_1,item_3,item_4", "c,t,s,2026-01-01T10:00Z,srs,2,1,3,4")

    assert body["items"] == [1.0, 2.0, 3.0, 4.0]


def test_a_row_without_any_mark_is_declined() -> None:
    (body,) = _bodies(f"{HEAD},item_1,item_2", "c,t,s,2026-01-01T10:00Z,srs,,")

    assert body["status"] == "declined"
    assert "items" not in body


def test_an_unanswered_item_is_none() -> None:
    (body,) = _bodies(f"{HEAD},item_1,item_2,item_3,item_4", "c,t,s,2026-01-01T10:00Z,srs,1,,3,4")

    assert body["items"] == [1.0, None, 3.0, 4.0]


def test_a_shorter_instrument_ends_where_its_items_end() -> None:
    columns = ",".join(f"item_{n}" for n in range(1, 10))
    short, long = _bodies(
        f"{HEAD},{columns}",
        "c,t,s1,2026-01-01T10:00Z,srs,1,2,3,,,,,,",
        "c,t,s2,2026-01-08T10:00Z,wai-9,1,2,3,4,5,1,2,3,",
    )

    assert short["items"] == [1.0, 2.0, 3.0, None]
    assert long["items"] == [1.0, 2.0, 3.0, 4.0, 5.0, 1.0, 2.0, 3.0, None]


def test_a_mark_that_is_no_number_is_passed_on_for_ingest_to_name() -> None:
    (body,) = _bodies(f"{HEAD},item_1,item_2,item_3,item_4", "c,t,s,2026-01-01T10:00Z,srs,good,2,3,4")

    assert body["items"] == ["good", 2.0, 3.0, 4.0]


def test_scores_are_taken_where_there_are_no_items() -> None:
    (body,) = _bodies(f"{HEAD},bond,goal,task", "c,t,s,2026-01-01T10:00Z,srs,9,8,7.5")

    assert body["scores"] == {"bond": 9.0, "goal": 8.0, "task": 7.5}


def test_a_row_knows_its_line_and_its_practice() -> None:
    rows = list(
        read_rows(
            _table(f"practice_id,{HEAD}", "north,c,t,s,2026-01-01T10:00Z,srs", ",,,,,", ",c,t,s2,x,srs"),
            ITEMS,
        )
    )

    assert [(row.number, row.practice_id) for row in rows] == [(2, "north"), (4, None)]


def test_a_mark_with_a_decimal_comma_is_never_read_as_two_marks() -> None:
    with pytest.raises(UnreadableTable, match="line 3: the row has 10 cells under 9 columns"):
        _bodies(
            f"{HEAD},item_1,item_2,item_3,item_4",
            "c,t,s1,2026-01-01T10:00Z,srs,1,2,3,4",
            "c,t,s2,2026-01-08T10:00Z,srs,7,5,2,3,4",
        )


def test_a_missing_column_is_named() -> None:
    with pytest.raises(UnreadableTable, match=r"line 1: .* therapist_id, session_at"):
        _bodies("client_id,session_id,instrument", "c,s,srs")


def test_columns_that_are_not_read_are_known() -> None:
    assert unread_columns([*HEAD.split(","), "item_1", "name"]) == ["name"]
