"""Gives processes a clock that a test sets while they run (libfaketime); what they measure stays true."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

_LIBRARY = "*/faketime/libfaketimeMT.so.1"
_READ_EVERY_S = 1
LISTENED_AFTER_S = 2 * _READ_EVERY_S
"""How long after it was set a process may still have the time before."""


def faketime_missing() -> str | None:
    """Return why clocks cannot be set here; None when they can."""
    if _library() is None:
        return "libfaketime is not installed (Debian: apt-get install faketime)"
    return None


def _library() -> Path | None:
    return next(iter(sorted(Path("/usr/lib").glob(_LIBRARY))), None)


class FakedClock:
    """A clock of some processes, ahead of the machine's or behind it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ahead = timedelta()
        self.set_ahead(timedelta())

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs that is to have this clock."""
        return {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": str(_READ_EVERY_S),
            # A machine's clock that jumps leaves the monotonic one alone.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set_ahead(self, ahead: timedelta) -> None:
        """Let it be ahead of the machine's clock by this much, or behind it."""
        self._ahead = ahead
        new = self._file.with_suffix(".new")
        new.write_text(f"{round(ahead.total_seconds()):+d}\n", encoding="utf-8")
        new.replace(self._file)

    def set_to(self, at: datetime) -> None:
        """Let it show this time now."""
        self.set_ahead(at - datetime.now(UTC))

    def now(self) -> datetime:
        """Return the time that it shows."""
        return datetime.now(UTC) + self._ahead
