"""Reads and writes stored versions of ratings."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import msgspec
from psycopg.errors import UniqueViolation

from schemas.events import Status
from schemas.ids import DyadId
from schemas.rating_order import session_order
from services.detector.contracts import encode
from services.detector.domain.dyad_work import Arrival, DyadWork, LogPosition, RatingVersion
from services.detector.domain.rating_versions import RatingChanges
from services.detector.received import DecodedScores, Rated
from services.detector.storage.practices import practice_keys
from services.runtime.postgres.arrays import (
    bigints,
    booleans,
    byteas,
    ints,
    texts,
    timestamps,
    uuids,
)
from services.runtime.postgres.connect import Connection
from services.runtime.process.errors import Collision

COLUMNS = """r.practice_id, r.rating_id, d.therapist_id, r.client_id, d.case_id, r.dyad_id, r.session_id,
r.session_at, r.instrument, r.status, r.marks, r.next_session_at, r.recorded_at, r.accepted_at,
r.content_hash, r.measure, r.current,
(SELECT cluster_id FROM detector.log_cluster c WHERE c.number = r.cluster), r.lane, r.partition,
r."offset" """
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
) r JOIN detector.dyad d ON d.practice_id = r.practice_id AND d.dyad_id = r.dyad_id
"""
_SENT = """unnest(%b::int[], %b::int[], %b::text[], %b::text[], %b::uuid[], %b::text[], %b::text[],
    %b::timestamptz[], %b::text[], %b::text[], %b::bytea[], %b::timestamptz[], %b::timestamptz[],
    %b::timestamptz[], %b::bytea[], %b::boolean[], %b::boolean[], %b::int[], %b::bigint[])
AS new (cluster, lane, practice_id, rating_id, dyad_id, client_id, session_id, session_at, instrument,
    status, marks, next_session_at, recorded_at, accepted_at, content_hash, measure, current, partition,
    "offset")
"""
_INSERT = f"""
INSERT INTO detector.rating (practice_id, rating_id, dyad_id, client_id, session_id, session_at, instrument,
    status, marks, next_session_at, recorded_at, accepted_at, content_hash, measure, current, cluster,
    lane, partition, "offset")
SELECT practice_id, rating_id, dyad_id, client_id, session_id, session_at, instrument, status, marks,
    next_session_at, recorded_at, accepted_at, content_hash, measure, current, cluster, lane, partition,
    "offset"
FROM {_SENT}
"""
_CORRECT = f"""
UPDATE detector.rating r SET session_at = new.session_at, status = new.status, marks = new.marks,
    next_session_at = new.next_session_at, recorded_at = new.recorded_at, accepted_at = new.accepted_at,
    content_hash = new.content_hash, measure = new.measure, current = new.current,
    cluster = new.cluster, lane = new.lane, partition = new.partition, "offset" = new."offset"
FROM {_SENT} WHERE r.practice_id = new.practice_id AND r.rating_id = new.rating_id
"""
_UPDATE = """
UPDATE detector.rating r SET current = new.current, accepted_at = new.accepted_at
FROM unnest(%b::text[], %b::text[], %b::boolean[], %b::timestamptz[])
    AS new (practice_id, rating_id, current, accepted_at)
WHERE r.practice_id = new.practice_id AND r.rating_id = new.rating_id
"""
_DUPLICATE = """
INSERT INTO detector.duplicate (cluster_id, lane, partition, "offset", practice_id, rating_id, accepted_at,
    superseded)
SELECT * FROM unnest(%b::text[], %b::int[], %b::int[], %b::bigint[], %b::text[], %b::text[],
    %b::timestamptz[], %b::boolean[])
ON CONFLICT DO NOTHING
"""
_CLUSTERS = "SELECT id, detector.cluster_number(id) FROM unnest(%s::text[]) AS id"
_COUNT = """
SELECT d.dyad_id, (
    SELECT count(DISTINCT (v.session_id, v.instrument)) FROM detector.rating v
    WHERE v.practice_id = d.practice_id AND v.client_id = d.client_id AND v.dyad_id = d.dyad_id)
FROM unnest(%b::text[], %b::uuid[], %b::text[]) AS d (practice_id, dyad_id, client_id)
"""
_OF_PRACTICE = f"""
SELECT {COLUMNS} FROM detector.rating r JOIN detector.dyad d USING (practice_id, dyad_id)
WHERE r.practice_id = %b ORDER BY r.accepted_at, r.rating_id
"""

_CLAIMS = frozenset({"rating_pkey", "rating_version"})
"""The constraints on ratings: the claim on an id, and that on a session."""

_decode_items = msgspec.json.Decoder(tuple[float | None, ...]).decode
_decode_scores = msgspec.json.Decoder(DecodedScores).decode
_MARKS: dict[bytes, tuple[str, Callable[[bytes], object]]] = {
    b"[": ("items", _decode_items),
    b"{": ("scores", _decode_scores),
}
"""How stored marks are read, by their first byte."""
_TOTAL: tuple[str, Callable[[bytes], object]] = ("total", msgspec.json.Decoder(float).decode)


def version_of(row: Sequence[object]) -> RatingVersion:
    """Return a row of `COLUMNS` as a version, its form not made yet."""
    fields = dict(zip(_NAMES, row[:-6], strict=False))
    marks = fields.pop("marks")
    dyad = DyadId(fields.pop("dyad_id"))  # type: ignore[arg-type]
    if isinstance(marks, bytes):
        name, decode = _MARKS.get(marks[:1], _TOTAL)
        fields[name] = decode(marks)
    rating = Rated(**(fields | {"status": Status(fields["status"])}))  # type: ignore[arg-type]
    fields["content_hash"] = fields["content_hash"].hex()  # type: ignore[attr-defined]
    measure, current, *place = row[-6:]
    log = LogPosition(*place)  # type: ignore[arg-type]
    return RatingVersion(
        rating,
        session_order(rating),
        dyad,
        rating.accepted_at,
        log,
        current=bool(current),
        is_measure=bool(measure),
    )


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


async def read_versions(conn: Connection, arrivals: Sequence[Arrival]) -> list[RatingVersion]:
    """Read the stored ratings with the arrivals' ids, and the versions of their ratings in any dyad."""
    rated = [arrival.rating for arrival in arrivals]
    rows = await conn.execute(
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
    return [version_of(row) for row in await rows.fetchall()]


async def count_sessions(conn: Connection, dyads: Sequence[DyadWork]) -> dict[DyadId, int]:
    """Return how many sessions of each of these dyads are stored, those by two instruments counted twice."""
    values = (
        *practice_keys(dyads),
        texts([dyad.who.client_id for dyad in dyads]),
    )
    rows = await conn.execute(_COUNT, values, binary=True)
    return dict(await rows.fetchall())


async def read_of_practice(conn: Connection, practice: str) -> list[Rated]:
    """Read every version of every rating that a practice sent, in the order of acceptance."""
    rows = await conn.execute(_OF_PRACTICE, (practice,), binary=True)
    return [version_of(row).rating for row in await rows.fetchall()]


@asynccontextmanager
async def one_claim_each() -> AsyncIterator[None]:
    """Around whatever writes ratings: two dyads' owners may claim one id or session at the same moment.

    Raises:
        Collision: another process was first; the same work finds its claim the next time.
        UniqueViolation: another row exists already; the same work would fail again.
    """
    try:
        yield
    except UniqueViolation as error:
        if error.diag.constraint_name not in _CLAIMS:
            raise
        raise Collision("an id or a session was claimed by another process at the same moment") from None


async def write(conn: Connection, changes: RatingChanges) -> None:
    """Store what is new, what became current and what was superseded; see `one_claim_each`."""
    # What is superseded comes first, so that at no moment two versions of a session are current.
    await _update(conn, changes.superseded)
    await _store(conn, _CORRECT, changes.corrected)
    await _store(conn, _INSERT, changes.new)
    await _update(conn, changes.current)
    await _insert_duplicates(conn, changes.duplicates, changes.outdated)


async def _insert_duplicates(
    conn: Connection,
    duplicates: Sequence[tuple[LogPosition, Rated]],
    outdated: Sequence[tuple[LogPosition, Rated]],
) -> None:
    if not duplicates and not outdated:
        return
    logs, ratings = zip(*duplicates, *outdated, strict=True)
    clusters, lanes, partitions, offsets = zip(*logs, strict=True)
    await conn.execute(
        _DUPLICATE,
        (
            texts(clusters),
            ints(lanes),
            ints(partitions),
            bigints(offsets),
            texts([rating.practice_id for rating in ratings]),
            texts([rating.rating_id for rating in ratings]),
            timestamps([rating.accepted_at for rating in ratings]),
            booleans([False] * len(duplicates) + [True] * len(outdated)),
        ),
    )


async def _cluster_numbers(conn: Connection, ids: Iterable[str]) -> dict[str, int]:
    return dict(await (await conn.execute(_CLUSTERS, (sorted(ids),))).fetchall())


def _encode_marks(given: Sequence[float | None] | DecodedScores | float) -> bytes:
    """Encode marks, whole ones without decimals: half the bytes of most forms."""
    if isinstance(given, DecodedScores | float):
        return encode(given)
    return encode([int(mark) if mark is not None and mark == int(mark) else mark for mark in given])


def _claim_order(version: RatingVersion) -> tuple[str, ...]:
    rating = version.rating
    return (rating.practice_id, rating.client_id, rating.session_id, rating.instrument, rating.rating_id)


async def _update(conn: Connection, rows: Sequence[RatingVersion]) -> None:
    rows = sorted(rows, key=_claim_order)
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


async def _store(conn: Connection, statement: str, versions: Sequence[RatingVersion]) -> None:
    if not versions:
        return
    # In the order of their sessions: transactions that claim the same ones wait for each other in one order.
    versions = sorted(versions, key=_claim_order)
    rated = [version.rating for version in versions]
    sent = [r.total if r.items is None and r.scores is None else r.scores or r.items for r in rated]
    marks = [None if given is None else _encode_marks(given) for given in sent]
    clusters = await _cluster_numbers(conn, {v.log.cluster_id for v in versions})
    await conn.execute(
        statement,
        (
            ints([clusters[v.log.cluster_id] for v in versions]),
            ints([v.log.lane for v in versions]),
            texts([r.practice_id for r in rated]),
            texts([r.rating_id for r in rated]),
            uuids([v.dyad_id for v in versions]),
            texts([r.client_id for r in rated]),
            texts([r.session_id for r in rated]),
            timestamps([r.session_at for r in rated]),
            texts([r.instrument for r in rated]),
            texts([r.status.value for r in rated]),
            byteas(marks),
            timestamps([r.next_session_at for r in rated]),
            timestamps([r.recorded_at for r in rated]),
            timestamps([v.accepted_at for v in versions]),
            byteas([bytes.fromhex(r.content_hash) for r in rated]),
            booleans([v.is_measure for v in versions]),
            booleans([v.current for v in versions]),
            ints([v.log.partition for v in versions]),
            bigints([v.log.offset for v in versions]),
        ),
    )
