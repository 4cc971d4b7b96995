"""Mounts a small file system that a test may fill."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

CHUNK = b"\0" * (1 << 20)


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """Mount a file system of this size in a temporary folder.

    Raises:
        subprocess.CalledProcessError: this user may not mount anything.
    """
    with tempfile.TemporaryDirectory(prefix="rapport-disk-") as name:
        folder = Path(name)
        options = f"size={megabytes}m,mode=1777"
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", name], check=True, capture_output=True
        )
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", name], check=True, capture_output=True)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Fill the file system of a folder to the last byte while the block runs."""
    file = folder / "filler"
    handle = os.open(file, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (len(CHUNK), 4096, 1):
            _write_until_full(handle, size)
        yield
    finally:
        os.close(handle)
        file.unlink()


def _write_until_full(handle: int, size: int) -> None:
    try:
        while os.write(handle, CHUNK[:size]):
            pass
    except OSError:
        return


@cache
def mounting_missing() -> str | None:
    """Return why this user may not mount a file system; None when they may."""
    try:
        with small_disk(1):
            return None
    except (OSError, subprocess.CalledProcessError):
        return "this user may not mount a file system"
