"""Before a file is sent, corrections in it that would not take effect are named by line."""

import json

from schemas.correction_warnings import FileRating, correction_warnings


def warned(*sent: dict[str, object]) -> list[str]:
    """Return the beginnings of the warnings about these ratings, which are on lines 1, 2, …"""
    ratings = [FileRating(line, "north", json.dumps(one).encode()) for line, one in enumerate(sent, start=1)]
    return [text.partition(",")[0] for text in correction_warnings(ratings)]


def rating(mark: float, **more: object) -> dict[str, object]:
    who = {"client_id": "c", "therapist_id": "t", "session_id": "s", "instrument": "srs"}
    return who | {"items": [mark] * 4} | more


def test_a_correction_and_the_same_again_are_in_order() -> None:
    assert warned(rating(1), rating(1), rating(2), rating(2)) == []


def test_a_correction_back_to_an_earlier_version_needs_recorded_at() -> None:
    assert warned(rating(1), rating(2), rating(1)) == ["line 3: repeats line 1"]
    dated = [rating(mark, recorded_at=f"2026-01-0{day}T00:00:00Z") for day, mark in ((1, 1), (2, 2), (3, 1))]
    assert warned(*dated) == []


def test_an_id_belongs_to_one_body() -> None:
    assert warned(rating(1, id="r"), rating(1, id="r")) == []
    assert warned(rating(1, id="r"), rating(2, id="r")) == ["line 2: its id has another body on line 1"]


def test_a_correction_with_the_same_id_needs_another_recorded_at() -> None:
    def version(mark: float, day: int, **more: object) -> dict[str, object]:
        return rating(mark, id="r", recorded_at=f"2026-01-0{day}T00:00:00Z", **more)

    assert warned(rating(1, id="r"), version(2, 2), version(3, 3), version(1, 1)) == []
    assert warned(version(1, 1), version(2, 2), version(3, 2)) == [
        "line 3: its id has another body on line 2"
    ]
    same_moment = rating(2, id="r", recorded_at="2026-01-01T01:00:00+01:00")
    assert warned(version(1, 1), same_moment) == ["line 2: its id has another body on line 1"]
    for other in ({"session_id": "o"}, {"therapist_id": "o"}, {"client_id": "o"}, {"case_id": "o"}):
        assert warned(version(1, 1), version(2, 2, **other)) == ["line 2: its id has another body on line 1"]


def test_other_sessions_and_what_is_no_rating_are_left_to_ingest() -> None:
    other = rating(1) | {"session_id": "other"}
    assert warned(rating(1), other, rating(2), other, {"client_id": 7}) == []
    assert list(correction_warnings([FileRating(1, None, b"{"), FileRating(2, None, b"\xff")])) == []
