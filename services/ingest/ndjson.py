"""NDJSON: pieces of a body in, whole numbered lines out; never more than one unfinished line is kept."""

from typing import NamedTuple

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """One line as it was sent; `body` is None where it is longer than a line may be."""

    number: int
    """Counted from 1, blank lines included, so that it is the number an editor shows."""
    body: bytes | None


class Lines:
    """Cuts a stream into lines. A line ends with a line feed (a carriage return before it is white space to
    JSON); blank lines are counted and otherwise ignored; the last line needs no line feed."""

    def __init__(self, max_line_bytes: int) -> None:
        self._max = max_line_bytes
        self._rest = b""
        self._rest_too_long = False
        self.count = 0
        """Lines seen so far."""

    def feed(self, piece: bytes) -> list[Line]:
        """The lines that `piece` completes."""
        first, *others = piece.split(b"\n")
        if not others:
            self._keep(first)
            return []
        bodies = [b"" if self._rest_too_long else self._rest + first, *others[:-1]]
        found = self._cut(bodies)
        self._rest, self._rest_too_long = b"", False
        self._keep(others[-1])
        return found

    def end(self) -> list[Line]:
        """The last line, where no line feed ended it. Only for a body that came whole: the last line of a
        caller that went away may be half a line."""
        return self._cut([self._rest]) if self._rest or self._rest_too_long else []

    def _keep(self, piece: bytes) -> None:
        if len(self._rest) + len(piece) > self._max:
            self._rest, self._rest_too_long = b"", True
        elif not self._rest_too_long:
            self._rest += piece

    def _cut(self, bodies: list[bytes]) -> list[Line]:
        found = []
        too_long = self._rest_too_long
        for body in bodies:
            self.count += 1
            if too_long or len(body) > self._max:
                found.append(Line(self.count, None))
            elif body and not body.isspace():
                mark = self.count == 1 and body.startswith(_BYTE_ORDER_MARK)
                found.append(Line(self.count, body[3:] if mark else body))
            too_long = False
        return found
