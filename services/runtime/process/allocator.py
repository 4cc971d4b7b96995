"""Lets the C library give the memory of a batch back to the system when the batch is done."""

import ctypes

# The options' numbers are those of glibc's <malloc.h>.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_BYTES = 1 << 20
"""Free blocks from this size on are given back at once; as much may stay free at the heap's end."""


def give_memory_back() -> bool:
    """Let all threads share one heap, and return large blocks at once; call this before threads start.

    By itself, glibc gives each thread a heap of its own, and keeps blocks of up to 32 MB in them once it has
    seen such a block freed: what lies between them then stays with the process.

    Returns whether the C library knows these options; another one than glibc may not.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    options = {_ARENA_MAX: 1, _MMAP_THRESHOLD: _BYTES, _TRIM_THRESHOLD: _BYTES}
    return all(mallopt(option, value) == 1 for option, value in options.items())
