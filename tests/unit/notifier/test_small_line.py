"""The small line of a client's marks, and the same in words."""

import pytest

from services.notifier.web.small_line import small_line
from services.notifier.wording import Wordings

WORDINGS = Wordings.load()


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("en", "In per cent of the scale, oldest first: 100, no form, 0, 46."),
        ("de", "In Prozent der Skala, älteste zuerst: 100, kein Bogen, 0, 46."),
    ],
)
def test_it_says_what_it_draws(locale: str, text: str) -> None:
    line = small_line([1.0, None, 0.0, 0.456], WORDINGS.of(locale))
    assert line is not None
    assert line.path == "M3 3h0M63 21L93 13"
    assert (line.x, line.y) == (93, 13)
    assert line.text == text


def test_without_a_mark_there_is_no_line() -> None:
    assert small_line([None, None], WORDINGS.of("en")) is None
