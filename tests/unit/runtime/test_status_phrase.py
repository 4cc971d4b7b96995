"""A status has the same words whatever the version of Python."""

import pytest

from services.runtime.http.status_phrase import status_phrase


@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        (202, "Accepted"),
        (413, "Request Entity Too Large"),
        (414, "Request-URI Too Long"),
        (416, "Requested Range Not Satisfiable"),
        (422, "Unprocessable Entity"),
    ],
)
def test_a_status_has_the_same_words_on_every_python(status: int, phrase: str) -> None:
    assert status_phrase(status) == phrase
