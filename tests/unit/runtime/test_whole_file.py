"""A file is written whole or not at all, with its rights, and a device is written as it is."""

import os
import stat
from pathlib import Path

import pytest

from services.runtime.process.whole_file import OWNER_ONLY, whole_file


def test_a_file_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("before")
    with whole_file(out, OWNER_ONLY) as file:
        file.write(b"after")
        assert out.read_text() == "before"
    assert (out.read_text(), stat.S_IMODE(out.stat().st_mode)) == ("after", 0o600)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_after_an_error_the_one_before_is_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("before")

    def write_half() -> None:
        with whole_file(out) as file:
            file.write(b"half")
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        write_half()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out", "before")]


def test_what_is_no_regular_file_is_written_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with whole_file(pipe) as file:
        file.write(b"through")
    assert os.read(reader, 100) == b"through"
    assert pipe.is_fifo()
    os.close(reader)


def test_the_rights_of_the_one_before_are_kept_and_a_link_stays(tmp_path: Path) -> None:
    out, link = tmp_path / "out", tmp_path / "link"
    out.write_text("before")
    out.chmod(0o640)
    link.symlink_to(out)
    with whole_file(link) as file:
        file.write(b"after")
    assert (link.readlink(), out.read_text(), stat.S_IMODE(out.stat().st_mode)) == (out, "after", 0o640)


def test_two_that_write_at_once_write_files_of_their_own(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with whole_file(out) as first, whole_file(out) as second:
        first.write(b"the first, which is longer")
        second.write(b"the second")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [
        ("out", "the first, which is longer")
    ]


def test_a_new_file_has_the_rights_that_the_mask_leaves(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        with whole_file(tmp_path / "out") as file:
            file.write(b"new")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640
