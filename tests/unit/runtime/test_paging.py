"""Cursors survive the way to the caller and back; other texts are refused."""

import pytest

from services.runtime.http.paging import START, Cursor, decode_cursor, encode_cursor
from services.runtime.http.problem import Problem


@pytest.mark.parametrize("cursor", [START, Cursor(1, 2), Cursor(2**64 - 1, 2**63 - 1)])
def test_a_cursor_survives_the_way_there_and_back(cursor: Cursor) -> None:
    assert decode_cursor(encode_cursor(cursor)) == cursor


@pytest.mark.parametrize("text", ["x", "%", "AAAA", "é", "_" * 22, "A" * 40])
def test_a_text_that_is_not_a_cursor_is_a_problem(text: str) -> None:
    with pytest.raises(Problem) as caught:
        decode_cursor(text)

    assert caught.value.status == 400


@pytest.mark.parametrize("text", [None, ""])
def test_without_a_cursor_reading_starts_at_the_beginning(text: str | None) -> None:
    assert decode_cursor(text) == START
