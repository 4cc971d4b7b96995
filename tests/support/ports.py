"""Finds free ports for the processes that tests start."""

import secrets
import socket

LOWEST, HIGHEST = 20_000, 32_000
"""Below the ports that systems assign by themselves (from 32,768 on Linux, from 49,152 elsewhere)."""


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def lasting_ports(count: int = 1) -> int:
    """Return the first of `count` free ports in a row that no system assigns to another process by itself.

    They therefore stay free until they are used, and while the process that listens on them restarts.
    """
    while True:
        first = LOWEST + secrets.randbelow(HIGHEST - LOWEST - count)
        if all(_is_free(port) for port in range(first, first + count)):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
