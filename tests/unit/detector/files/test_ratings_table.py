"""A table of ratings is read by the stream's rules of versions, with row numbers for times of acceptance."""

import pickle
from pathlib import Path

from schemas.instruments.catalogue import Catalogue
from services.detector.files.ratings_table import InvalidRow, read_dyads, row_number

HEADER = (
    "client_id,therapist_id,session_id,session_at,instrument,id,status,recorded_at,"
    "item_1,item_2,item_3,item_4"
)
CATALOGUE = Catalogue.load()


def read(folder: Path, *rows: str) -> tuple[list[tuple[str, str, list[int]]], list[str]]:
    """Each dyad's client, therapist and rows in the order of its sessions; and what is invalid."""
    file = folder / "ratings.csv"
    file.write_text("\n".join((HEADER, *rows)) + "\n", encoding="utf-8")
    invalid: list[InvalidRow] = []
    dyads = read_dyads(file, CATALOGUE, invalid.append)
    return [
        (dyad.who.client_id, dyad.who.therapist_id, list(map(row_number, dyad.sessions))) for dyad in dyads
    ], list(map(str, invalid))


def row(client: str, session: str, day: int, marks: str = "9,9,9,9", **cells: str) -> str:
    therapist, at = cells.get("therapist", "t"), f"2026-01-{day:02}T10:00Z"
    extra = (cells.get(name, "") for name in ("id", "status", "recorded_at"))
    return ",".join((client, therapist, session, at, "srs", *extra, marks))


def test_the_later_row_of_a_session_is_current(tmp_path: Path) -> None:
    dyads, invalid = read(tmp_path, row("a", "s1", 5), row("a", "s1", 5, "1,1,1,1"))
    assert (dyads, invalid) == ([("a", "t", [3])], [])


def test_a_later_change_counts_more_than_a_later_row(tmp_path: Path) -> None:
    newer = row("a", "s1", 5, recorded_at="2026-02-02T00:00Z")
    older = row("a", "s1", 5, "1,1,1,1", recorded_at="2026-02-01T00:00Z")
    dyads, invalid = read(tmp_path, newer, older)
    assert (dyads, invalid) == ([("a", "t", [2])], [])


def test_a_withdrawn_session_is_no_session(tmp_path: Path) -> None:
    dyads, invalid = read(
        tmp_path, row("a", "s1", 5), row("a", "s2", 6), row("a", "s1", 5, ",,,", status="withdrawn")
    )
    assert (dyads, invalid) == ([("a", "t", [3])], [])


def test_a_cancelled_appointment_is_no_session_until_it_is_rated(tmp_path: Path) -> None:
    cancelled = row("a", "s2", 6, ",,,", status="cancelled")
    assert read(tmp_path, row("a", "s1", 5), cancelled) == ([("a", "t", [2])], [])
    assert read(tmp_path, row("a", "s1", 5), cancelled, row("a", "s2", 6)) == ([("a", "t", [2, 4])], [])


def test_a_cancelled_appointment_has_no_marks(tmp_path: Path) -> None:
    _, invalid = read(tmp_path, row("a", "s1", 5, status="cancelled"))
    assert invalid == [
        "row 2: body has marks but is not rated, expected neither items nor scores nor total, or status rated"
    ]


def test_sessions_are_in_the_order_of_their_dates_and_dyads_in_the_order_of_their_rows(
    tmp_path: Path,
) -> None:
    dyads, _ = read(tmp_path, row("b", "s9", 9), row("a", "s1", 5), row("b", "s2", 2), row("b", "s3", 3))
    assert dyads == [("b", "t", [4, 5, 2]), ("a", "t", [3])]


def test_a_repeated_row_is_one_session(tmp_path: Path) -> None:
    dyads, invalid = read(tmp_path, row("a", "s1", 5), row("a", "s1", 5))
    assert (dyads, invalid) == ([("a", "t", [2])], [])


def test_rows_that_the_stream_would_reject_are_named_with_the_reason(tmp_path: Path) -> None:
    dyads, invalid = read(
        tmp_path,
        row("a", "s1", 5, id="r1"),
        row("a", "s2", 6, id="r1"),
        row("a", "s1", 5, therapist="other"),
        row("a", "s3", 7, "11,9,9,9"),
        row("a", "s4", 8).replace("srs", "nps"),
        row("a", "", 9),
    )
    assert dyads == [("a", "t", [2])]
    assert [text.partition(": ")[0] for text in invalid] == ["row 7", "row 3", "row 5", "row 6", "row 4"]
    assert invalid[1] == "row 3: the id belongs to a rating with another body"
    assert invalid[2] == "row 5: items item 1 is out of range, expected 0 to 10"


def test_an_invalid_row_comes_back_whole_from_another_process() -> None:
    sent = InvalidRow(7, "no rating")
    received = pickle.loads(pickle.dumps(sent))  # noqa: S301 - our own bytes
    assert (received.number, str(received)) == (7, "row 7: no rating")
