"""The fuse blows on too many bad records in a row or among the last 1,000."""

import pytest

from services.runtime.consumer.fuse import Fuse
from services.runtime.process.errors import Halt
from services.runtime.process.settings import FuseSettings


def test_ten_bad_records_in_a_row_pass_and_the_eleventh_blows_the_fuse() -> None:
    fuse = Fuse(FuseSettings())
    fuse.add([True] * 10)

    with pytest.raises(Halt, match="11 records in a row"):
        fuse.add([True])


def test_a_good_record_ends_the_row() -> None:
    fuse = Fuse(FuseSettings())
    fuse.add([*[True] * 10, False, *[True] * 10])

    assert fuse.in_a_row == 10


def test_five_percent_of_the_last_thousand_blow_the_fuse() -> None:
    fuse = Fuse(FuseSettings())
    fuse.add([*[False] * 900, *[True, False] * 49])

    with pytest.raises(Halt, match="50 of the last"):
        fuse.add([True])


def test_bad_records_leave_the_window() -> None:
    fuse = Fuse(FuseSettings())
    for _ in range(20):
        fuse.add([True] * 10 + [False] * 990)

    assert fuse.in_window == 10


def test_a_check_before_the_commit_counts_nothing() -> None:
    fuse = Fuse(FuseSettings())
    with pytest.raises(Halt):
        fuse.check([True] * 11)

    assert (fuse.in_a_row, fuse.in_window) == (0, 0)
