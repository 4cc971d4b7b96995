"""Splits an NDJSON body that arrives in chunks into numbered lines, buffering at most one unfinished line."""

from typing import NamedTuple

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class BodyLine(NamedTuple):
    """One line as it was sent; `body` is None when the line is longer than allowed."""

    number: int
    """Counted from 1 with blank lines, as an editor counts."""
    body: bytes | None


class LineSplitter:
    """Splits a stream into lines at each line feed; the last line needs none.

    Blank lines are counted and otherwise ignored. A carriage return before a line feed stays in the line: to
    JSON it is white space.
    """

    def __init__(self, max_line_bytes: int) -> None:
        self._max = max_line_bytes
        self._rest = b""
        self._rest_too_long = False
        self.count = 0
        """Number of lines so far."""

    def feed(self, chunk: bytes) -> list[BodyLine]:
        """Return the lines that `chunk` completes."""
        first, *others = chunk.split(b"\n")
        if not others:
            self._buffer(first)
            return []
        bodies = [b"" if self._rest_too_long else self._rest + first, *others[:-1]]
        lines = self._number(bodies)
        self._rest, self._rest_too_long = b"", False
        self._buffer(others[-1])
        return lines

    def end(self) -> list[BodyLine]:
        """Return the last line if no line feed ended it.

        Call it only at the end of a complete body: a caller that disconnected may have sent half a line.
        """
        return self._number([self._rest]) if self._rest or self._rest_too_long else []

    def _buffer(self, part: bytes) -> None:
        if len(self._rest) + len(part) > self._max:
            self._rest, self._rest_too_long = b"", True
        elif not self._rest_too_long:
            self._rest += part

    def _number(self, bodies: list[bytes]) -> list[BodyLine]:
        lines = []
        too_long = self._rest_too_long
        for body in bodies:
            self.count += 1
            if too_long or len(body) > self._max:
                lines.append(BodyLine(self.count, None))
            elif body and not body.isspace():
                has_mark = self.count == 1 and body.startswith(_BYTE_ORDER_MARK)
                lines.append(BodyLine(self.count, body[3:] if has_mark else body))
            too_long = False
        return lines
