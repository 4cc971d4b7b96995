"""What is stored of an assessment restores what was published, to the last bit."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from schemas.components import Component
from schemas.events import Movement, Status
from services.detector.contracts import Numbers
from services.detector.published.events import pack_numbers
from services.detector.storage.stored_numbers import InColumns, published_numbers, stored_numbers

AT = datetime(2026, 3, 1, 10, tzinfo=UTC)
FULL = Numbers(
    rating_id="9a5c364e-4091-5fd4-8ab9-f5a02d7ce7d7",
    session_at=AT,
    status=Status.RATED,
    threshold_version="default-gb-1",
    model_version="gb-1",
    ratings=12,
    risk=0.123456,
    threshold=0.3381,
    leading=Component.GOAL,
    movement=Movement.SLOW_SLIDE,
    components={
        Component.GOAL: (0.1, 3.25, 3.333333, -0.083333),
        Component.BOND: (0.0, 3.666667, None, None),
        Component.TASK: (0.023456, None, 2.5, None),
    },
)


def columns(numbers: Numbers) -> InColumns:
    return InColumns(
        numbers.rating_id, numbers.session_at, numbers.model_version, numbers.risk, numbers.threshold
    )


@pytest.mark.parametrize(
    "numbers",
    [
        FULL,
        replace(FULL, status=Status.DECLINED, threshold_version="north-3", components={}, leading=None),
        replace(FULL, statistics_version="north-2"),
        Numbers("r", AT, Status.WITHDRAWN, "default-gb-1", "gb-1"),
        replace(FULL, components={Component.BOND: (-0.0, 0.1 + 0.2, 1 / 3, 0.1 + 0.2 - 1 / 3)}),
    ],
)
def test_what_is_stored_restores_the_published_bytes(numbers: Numbers) -> None:
    packed = pack_numbers(numbers)
    assert published_numbers(stored_numbers(packed, columns(numbers)), columns(numbers)) == packed


def test_what_is_stored_has_a_third_of_the_bytes() -> None:
    packed = pack_numbers(FULL)
    assert 3 * len(stored_numbers(packed, columns(FULL))) < len(packed)


def test_numbers_that_differ_from_their_row_are_stored_whole() -> None:
    packed = pack_numbers(FULL)
    other = columns(FULL)._replace(model_version="gb-2")
    assert published_numbers(stored_numbers(packed, other), other) == packed


def test_what_was_stored_whole_is_read_as_it_is() -> None:
    packed = pack_numbers(FULL)
    assert published_numbers(packed, columns(FULL)) == packed
