"""Reading starts where nothing is lost; a log that lost records halts the consumer."""

import pytest

from services.runtime.outbox.positions import starting_offset
from services.runtime.process.errors import Halt

PARTITION = ("topic", 3)


@pytest.mark.parametrize(
    ("applied", "committed", "start"),
    [
        (None, None, 10),
        (None, 40, 10),
        (30, None, 30),
        (30, 40, 30),
        (30, 20, 20),
        (30, 5, 10),
        (10, 10, 10),
        (50, 50, 50),
    ],
)
def test_reading_starts_at_the_lower_of_applied_and_committed(
    applied: int | None, committed: int | None, start: int
) -> None:
    assert start == starting_offset(
        PARTITION, applied=applied, committed=committed, begin=10, end=50, adopt=False
    )


@pytest.mark.parametrize(("applied", "problem"), [(9, "1 records were deleted"), (51, "another log")])
def test_an_offset_outside_the_log_halts_with_the_command_that_repairs(applied: int, problem: str) -> None:
    with pytest.raises(Halt, match=f"topic/3: .*{problem}.*rapport topics adopt-cluster"):
        starting_offset(PARTITION, applied=applied, committed=None, begin=10, end=50, adopt=False)


def test_an_embedded_log_is_read_from_its_beginning_instead() -> None:
    assert starting_offset(PARTITION, applied=51, committed=51, begin=10, end=50, adopt=True) == 10
