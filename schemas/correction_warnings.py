"""Finds, in a file of ratings, corrections that will not take effect although they are accepted."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec


class FileRating(NamedTuple):
    """One rating of a file: its line, its practice if it names one, and its JSON."""

    line: int
    practice: str | None
    body: bytes


class _Fields(msgspec.Struct):
    client_id: str
    therapist_id: str
    session_id: str
    instrument: str
    case_id: str | None = None
    id: str | None = None
    recorded_at: str | None = None

    @property
    def rating(self) -> tuple[str, ...]:
        """What all versions of one rating share."""
        return (self.client_id, self.therapist_id, self.case_id or "", self.session_id, self.instrument)

    @property
    def moment(self) -> datetime | str | None:
        """When it was changed; the text where it is no time, which ingest refuses."""
        try:
            return self.recorded_at and datetime.fromisoformat(self.recorded_at)
        except ValueError:
            return self.recorded_at


class _Known(NamedTuple):
    line: int
    body: int
    """A hash of its bytes."""


_decode = msgspec.json.Decoder(_Fields).decode


def correction_warnings(ratings: Iterable[FileRating]) -> Iterator[str]:
    """Yield a sentence for each rating that will be accepted and then not be taken as a correction.

    Those are a second body under an id, unless it is the same rating with another `recorded_at`, and the
    repetition of an earlier version without `recorded_at`.
    """
    rating_of: dict[tuple[str | None, str], tuple[_Fields, _Known]] = {}
    by_id: dict[tuple[object, ...], _Known] = {}
    versions: dict[tuple[object, ...], list[_Known]] = {}
    for line, practice, body in ratings:
        try:
            sent = _decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue  # ingest says what is wrong with it
        own = _Known(line, hash(body))
        if sent.id is not None:
            first, known = rating_of.setdefault((practice, sent.id), (sent, own))
            if first.rating == sent.rating:
                known = by_id.setdefault((practice, sent.id, sent.moment), own)
            if known.body != own.body:
                yield (
                    f"line {line}: its id has another body on line {known.line}, so it will be rejected"
                    " (id-reused): send a later recorded_at with every correction, or leave id out"
                )
            continue
        if sent.recorded_at is not None:
            continue
        of_session = versions.setdefault((practice, *sent.rating), [])
        same = next((known for known in of_session if known.body == own.body), None)
        if same is None:
            of_session.append(own)
        elif same is not of_session[-1]:
            yield (
                f"line {line}: repeats line {same.line}, and the version on line {of_session[-1].line}"
                " stays current: send recorded_at with every version"
            )
