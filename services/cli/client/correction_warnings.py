"""Finds, in the ratings to send, corrections that will not take effect although they are accepted."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from services.cli.client.send_ratings import RatingToSend


class _Fields(msgspec.Struct):
    client_id: str
    session_id: str
    instrument: str
    id: str | None = None
    recorded_at: str | None = None


class _Known(NamedTuple):
    line: int
    body: int
    """A hash of its bytes."""


_decode = msgspec.json.Decoder(_Fields).decode


def correction_warnings(ratings: Iterable[RatingToSend]) -> Iterator[str]:
    """Yield a sentence for each rating that will be accepted and then not be taken as a correction.

    Those are a second body under an id, and the repetition of an earlier version without `recorded_at`.
    """
    by_id: dict[tuple[str | None, str], _Known] = {}
    versions: dict[tuple[str | None, str, str, str], list[_Known]] = {}
    for rating in ratings:
        try:
            sent = _decode(rating.body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue  # ingest says what is wrong with it
        own = _Known(rating.line, hash(rating.body))
        if sent.id is not None:
            first = by_id.setdefault((rating.practice, sent.id), own)
            if first.body != own.body:
                yield (
                    f"line {own.line}: its id has another body on line {first.line}, so it will be rejected"
                    " (id-reused): leave id out, and send recorded_at"
                )
            continue
        if sent.recorded_at is not None:
            continue
        of_session = versions.setdefault(
            (rating.practice, sent.client_id, sent.session_id, sent.instrument), []
        )
        same = next((known for known in of_session if known.body == own.body), None)
        if same is None:
            of_session.append(own)
        elif same is not of_session[-1]:
            yield (
                f"line {own.line}: repeats line {same.line}, and the version on line {of_session[-1].line}"
                " stays current: send recorded_at with every version"
            )
