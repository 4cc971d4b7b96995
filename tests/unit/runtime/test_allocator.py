"""The C library gives back what a batch took, although small blocks between the large ones stay in use."""

import ctypes
import os
import platform
import subprocess
import sys
from unittest.mock import Mock

import pytest

from services.runtime.process.allocator import give_memory_back

KEPT = """
import sys, psutil
from services.runtime.process.allocator import give_memory_back

if sys.argv[1:] == ["give back"]:
    give_memory_back()
process = psutil.Process()

def batch():
    large = [(bytearray(2_000_000), bytes(30_000)) for _ in range(100)]
    for block, _ in large:
        block[:] = b"x" * len(block)
    return [small for _, small in large]

freed = bytearray(b"x") * 20_000_000
del freed  # from now on, glibc keeps blocks of this size
before = process.memory_info().rss
stays = batch()
print(process.memory_info().rss - before)
"""


def kept_bytes(*arguments: str) -> int:
    command = [sys.executable, "-c", KEPT, *arguments]
    # Options of whoever runs the tests would hold for both.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    return int(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


def test_a_process_keeps_little_of_what_a_batch_took() -> None:
    by_itself, given_back = kept_bytes(), kept_bytes("give back")

    if platform.libc_ver()[0] == "glibc":
        assert by_itself > 100_000_000, "glibc gives it back by itself: the call is not needed any more"
        assert given_back < by_itself / 10
    else:  # nothing is asked of another library, and the service runs there, too
        assert given_back < 2 * max(by_itself, 10_000_000)


@pytest.mark.parametrize("library", [object(), Mock(mallopt=Mock(return_value=0))])
def test_a_library_that_does_not_know_the_options_is_left_as_it_is(
    library: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: library)

    assert give_memory_back() is False
