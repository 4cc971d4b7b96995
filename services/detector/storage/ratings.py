"""Stored ratings in and out: what is known of a batch's ids and sessions, and what it adds to it."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
from psycopg.errors import UniqueViolation

from schemas.events import Status
from schemas.ids import Dyad, DyadId
from schemas.rating_order import session_order
from services.detector.contracts import Rated, Scores, encode
from services.detector.storage.practices import Connection
from services.detector.stream.batch import Batch, Version, VersionKey
from services.runtime.postgres.arrays import bigints, booleans, byteas, ints, texts, timestamps, uuids
from services.runtime.process.errors import Retry

COLUMNS = """r.practice_id, r.rating_id, d.therapist_id, r.client_id, d.case_id, r.dyad_id, r.session_id,
r.session_at, r.instrument, r.status, r.marks, r.next_session_at, r.recorded_at, r.accepted_at,
r.content_hash, r.current, r.cluster_id, r.partition, r."offset" """
"""What `version_of` reads, of `rating r` and its `dyad d`."""

# OFFSET 0 keeps each look-up one walk down an index, whatever the planner thinks of a table that was empty
# when the statement was prepared.
_KNOWN = f"""
SELECT {COLUMNS} FROM unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::text[])
    AS k (practice_id, client_id, session_id, instrument, rating_id)
CROSS JOIN LATERAL (
    SELECT * FROM detector.rating v WHERE v.practice_id = k.practice_id AND v.client_id = k.client_id
        AND v.session_id = k.session_id AND v.instrument = k.instrument
    UNION
    SELECT * FROM detector.rating i WHERE i.practice_id = k.practice_id AND i.rating_id = k.rating_id
    OFFSET 0
) r JOIN detector.dyad d USING (dyad_id)
"""
_INSERT = """
INSERT INTO detector.rating (practice_id, rating_id, dyad_id, client_id, session_id, session_at, instrument,
    status, marks, next_session_at, recorded_at, accepted_at, content_hash, current, cluster_id, partition,
    "offset")
SELECT practice_id, rating_id, dyad_id, client_id, session_id, session_at, instrument, status, marks,
    next_session_at, recorded_at, accepted_at, content_hash, current, %b, partition, "offset"
FROM unnest(%b::text[], %b::text[], %b::uuid[], %b::text[], %b::text[], %b::timestamptz[], %b::text[],
    %b::text[], %b::bytea[], %b::timestamptz[], %b::timestamptz[], %b::timestamptz[], %b::text[],
    %b::boolean[], %b::int[], %b::bigint[])
AS new (practice_id, rating_id, dyad_id, client_id, session_id, session_at, instrument, status, marks,
    next_session_at, recorded_at, accepted_at, content_hash, current, partition, "offset")
"""
_UPDATE = """
UPDATE detector.rating r SET current = new.current, accepted_at = new.accepted_at
FROM unnest(%b::text[], %b::text[], %b::boolean[], %b::timestamptz[])
    AS new (practice_id, rating_id, current, accepted_at)
WHERE r.practice_id = new.practice_id AND r.rating_id = new.rating_id
"""
_DUPLICATE = """
INSERT INTO detector.duplicate (cluster_id, partition, "offset", practice_id, rating_id, accepted_at)
SELECT * FROM unnest(%b::text[], %b::int[], %b::bigint[], %b::text[], %b::text[], %b::timestamptz[])
ON CONFLICT DO NOTHING
"""

Marks = tuple[float | None, ...] | Scores
_marks = msgspec.json.Decoder(tuple[float | None, ...])
_scores = msgspec.json.Decoder(Scores)


@dataclass(slots=True)
class Known:
    """What is known of a batch's ratings, kept up to date while they are taken up one by one."""

    by_id: dict[tuple[str, str], Version] = field(default_factory=dict)
    versions: dict[tuple[DyadId, VersionKey], list[Version]] = field(default_factory=dict)
    counted: dict[tuple[str, str, str, str], DyadId] = field(default_factory=dict)
    """Which dyad a client's session counts for."""
    current_before: dict[tuple[DyadId, VersionKey], Version] = field(default_factory=dict)
    new: list[Version] = field(default_factory=list)
    predated: dict[tuple[str, str], Version] = field(default_factory=dict)
    duplicates: list[tuple[tuple[str, int, int], Rated]] = field(default_factory=list)


def version_of(row: Sequence[object]) -> Version:
    """A row of `COLUMNS` as a version, its form not made yet."""
    fields = dict(zip(_NAMES, row[:-4], strict=False))
    marks = fields.pop("marks")
    dyad = DyadId(fields.pop("dyad_id"))  # type: ignore[arg-type]
    if isinstance(marks, bytes):
        is_list = marks.startswith(b"[")
        fields["items" if is_list else "scores"] = (_marks if is_list else _scores).decode(marks)
    rating = Rated(**(fields | {"status": Status(fields["status"])}))  # type: ignore[arg-type]
    current, cluster, partition, offset = row[-4:]
    log = (str(cluster), int(partition), int(offset))  # type: ignore[call-overload]
    return Version(rating, session_order(rating), dyad, rating.accepted_at, log, current=bool(current))


_NAMES = (
    "practice_id",
    "rating_id",
    "therapist_id",
    "client_id",
    "case_id",
    "dyad_id",
    "session_id",
    "session_at",
    "instrument",
    "status",
    "marks",
    "next_session_at",
    "recorded_at",
    "accepted_at",
    "content_hash",
)


async def read_known(batch: Batch) -> Known:
    """What is stored of the batch's ids, and of the versions of its ratings in any dyad."""
    conn = batch.tx.conn
    rated = [arrival.rating for arrival in batch.arrivals]
    found = await conn.execute(
        _KNOWN,
        (
            texts([r.practice_id for r in rated]),
            texts([r.client_id for r in rated]),
            texts([r.session_id for r in rated]),
            texts([r.instrument for r in rated]),
            texts([r.rating_id for r in rated]),
        ),
        binary=True,
    )
    known = Known()
    for row in await found.fetchall():
        _enter(known, version_of(row))
    return known


def _enter(known: Known, version: Version) -> None:
    own = (version.rating.practice_id, version.rating.rating_id)
    if own not in known.by_id:
        known.by_id[own] = version
        place = (version.dyad_id, version.key)
        known.versions.setdefault(place, []).append(version)
        if version.current:
            known.current_before[place] = version
        if version.counts:
            rating = version.rating
            known.counted[rating.practice_id, rating.client_id, *version.key] = version.dyad_id


@asynccontextmanager
async def one_claim_each() -> AsyncIterator[None]:
    """Around whatever writes ratings: two dyads' owners may claim one id or session at the same moment.

    Raises:
        Retry: another process was first; the same work finds its claim the next time.
    """
    try:
        yield
    except UniqueViolation:
        raise Retry("an id or a session was claimed by another process at the same moment") from None


async def write(conn: Connection, known: Known) -> None:
    """Store what is new and what became current or was superseded; see `one_claim_each`."""
    changed = {id(version): version for version in known.predated.values()}
    for place, before in known.current_before.items():
        if not before.current:
            changed[id(before)] = before
            for version in known.versions[place]:
                changed[id(version)] = version
    new = {id(version) for version in known.new}
    old = [version for key, version in changed.items() if key not in new]
    # First what is current no more: at no moment does a session count twice.
    await _update(conn, [version for version in old if not version.current])
    await _insert(conn, known.new)
    await _update(conn, [version for version in old if version.current])
    if known.duplicates:
        logs, ratings = zip(*known.duplicates, strict=True)
        clusters, partitions, offsets = zip(*logs, strict=True)
        await conn.execute(
            _DUPLICATE,
            (
                texts(clusters),
                ints(partitions),
                bigints(offsets),
                texts([rating.practice_id for rating in ratings]),
                texts([rating.rating_id for rating in ratings]),
                timestamps([rating.accepted_at for rating in ratings]),
            ),
        )


async def _update(conn: Connection, versions: Iterable[Version]) -> None:
    rows = list(versions)
    if rows:
        await conn.execute(
            _UPDATE,
            (
                texts([v.rating.practice_id for v in rows]),
                texts([v.rating.rating_id for v in rows]),
                booleans([v.current for v in rows]),
                timestamps([v.accepted_at for v in rows]),
            ),
        )


async def _insert(conn: Connection, versions: Sequence[Version]) -> None:
    if not versions:
        return
    rated = [version.rating for version in versions]
    await conn.execute(
        _INSERT,
        (
            versions[0].log[0],
            texts([r.practice_id for r in rated]),
            texts([r.rating_id for r in rated]),
            uuids([v.dyad_id for v in versions]),
            texts([r.client_id for r in rated]),
            texts([r.session_id for r in rated]),
            timestamps([r.session_at for r in rated]),
            texts([r.instrument for r in rated]),
            texts([r.status.value for r in rated]),
            byteas([_marks_of(r) for r in rated]),
            timestamps([r.next_session_at for r in rated]),
            timestamps([r.recorded_at for r in rated]),
            timestamps([v.accepted_at for v in versions]),
            texts([r.content_hash for r in rated]),
            booleans([v.current for v in versions]),
            ints([v.log[1] for v in versions]),
            bigints([v.log[2] for v in versions]),
        ),
    )


def _marks_of(rating: Rated) -> bytes | None:
    marks: Marks | None = rating.items if rating.items is not None else rating.scores
    return None if marks is None else encode(marks)


def who(rating: Rated) -> Dyad:
    """Whose alliance a rating is about."""
    return Dyad(rating.practice_id, rating.therapist_id, rating.client_id, rating.case_id)  # type: ignore[arg-type]
