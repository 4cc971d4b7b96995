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
