"""Stores assessments, each dyad's state for the next batch, and the episodes with every published change."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from services.detector.contracts import Changed, ChangedEvent, encode
from services.detector.domain.dyad_work import DyadWork, SessionWork
from services.detector.domain.episode_changes import episode_status
from services.detector.domain.episodes import NO_EPISODE_STEP
from services.detector.storage.practices import practice_keys
from services.detector.storage.published_before import settle
from services.detector.storage.stored_numbers import InColumns, stored_numbers
from services.detector.stream.batch import Batch, Tools
from services.runtime.postgres.arrays import (
    bigints,
    booleans,
    byteas,
    dates,
    floats,
    ints,
    texts,
    timestamps,
    uuids,
)
from services.runtime.postgres.connect import Connection

_ASSESSMENTS = """
INSERT INTO detector.assessment AS a (dyad_id, session_id, instrument, practice_id, rating_id, session_at,
    revision, model_version, risk, threshold, level, may_flag, flagged, step, episode_id, numbers)
SELECT * FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[], %b::timestamptz[],
    %b::int[], %b::text[], %b::float8[], %b::float8[], %b::float8[], %b::boolean[], %b::boolean[],
    %b::text[], %b::uuid[], %b::bytea[])
ON CONFLICT (practice_id, dyad_id, session_id, instrument) DO UPDATE SET
    rating_id = EXCLUDED.rating_id, session_at = EXCLUDED.session_at, revision = EXCLUDED.revision,
    model_version = EXCLUDED.model_version,
    risk = EXCLUDED.risk, threshold = EXCLUDED.threshold, level = EXCLUDED.level,
    may_flag = EXCLUDED.may_flag, flagged = EXCLUDED.flagged, step = EXCLUDED.step,
    episode_id = EXCLUDED.episode_id, numbers = EXCLUDED.numbers
"""
_DYADS = """
UPDATE detector.dyad d SET history_revision = new.history_revision, decision = new.decision,
    open_since = new.open_since
FROM unnest(%b::text[], %b::uuid[], %b::bigint[], %b::bytea[], %b::date[])
    AS new (practice_id, dyad_id, history_revision, decision, open_since)
WHERE d.practice_id = new.practice_id AND d.dyad_id = new.dyad_id
"""
_GROWN = """
UPDATE detector.dyad d SET history_revision = new.history_revision, decision = new.decision,
    open_since = new.open_since, snapshot = new.snapshot, snapshot_revision = new.history_revision,
    snapshot_model = new.snapshot_model
FROM unnest(%b::text[], %b::uuid[], %b::bigint[], %b::bytea[], %b::date[], %b::bytea[], %b::text[])
    AS new (practice_id, dyad_id, history_revision, decision, open_since, snapshot, snapshot_model)
WHERE d.practice_id = new.practice_id AND d.dyad_id = new.dyad_id
"""
_EPISODES = """
INSERT INTO detector.episode AS e (episode_id, dyad_id, practice_id, therapist_id, client_id, case_id,
    revision, state, opened_session, opened_at, closed_at, kept_back)
SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[], %b::int[],
    %b::text[], %b::text[], %b::timestamptz[], %b::timestamptz[], %b::text[])
ON CONFLICT (practice_id, episode_id) DO UPDATE SET revision = EXCLUDED.revision, state = EXCLUDED.state,
    opened_session = EXCLUDED.opened_session, opened_at = EXCLUDED.opened_at,
    closed_at = EXCLUDED.closed_at, kept_back = EXCLUDED.kept_back,
    xid = pg_current_xact_id(), seq = DEFAULT
"""
_CHANGES = """
INSERT INTO detector.episode_change (episode_id, revision, practice_id, change, kept_back, session_id,
    changed_at, data)
SELECT id, revision, practice_id, change, kept_back, session_id, %b, data::jsonb
FROM unnest(%b::uuid[], %b::int[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[])
    AS new (id, revision, practice_id, change, kept_back, session_id, data)
"""

_encode = msgspec.msgpack.Encoder().encode


class _Row(NamedTuple):
    dyad: DyadWork
    session: SessionWork
    episode_id: UUID | None


async def store(batch: Batch, _tools: Tools) -> None:
    """Write the assessments that were made and the state of every dyad that changed."""
    rows = []
    for dyad in batch.dyads.values():
        rows += [_row(dyad, session) for session in dyad.sessions if session.assessment is not None]
        rows += [_Row(dyad, session, None) for session in dyad.without_form]
    if rows:
        await _write_assessments(batch.tx.conn, rows)
    dyads = list(batch.dyads.values())
    grown = [dyad for dyad in dyads if dyad.touched or dyad.is_restored]
    await _write_grown(batch.tx.conn, grown)
    others = [dyad for dyad in dyads if not dyad.touched and not dyad.is_restored]
    await write_dyads(batch.tx.conn, [d for d in others if d.decision is not d.decision_before])


def _row(dyad: DyadWork, session: SessionWork) -> _Row:
    index = None if session.episode_step is None else session.episode_step.episode
    return _Row(dyad, session, None if index is None else dyad.episode_ids[index])


async def _write_assessments(conn: Connection, rows: Sequence[_Row]) -> None:
    scored = [row.session.session_risk for row in rows]
    seen = [row.session.episode_step or NO_EPISODE_STEP for row in rows]
    versions = [row.session.version for row in rows]
    await conn.execute(
        _ASSESSMENTS,
        (
            uuids([row.dyad.id for row in rows]),
            texts([v.rating.session_id for v in versions]),
            texts([v.rating.instrument for v in versions]),
            texts([v.rating.practice_id for v in versions]),
            texts([v.rating.rating_id for v in versions]),
            timestamps([v.order.session_at for v in versions]),
            ints([row.session.revision for row in rows]),
            texts([row.dyad.practice.model.version for row in rows]),
            floats([s and s.risk for s in scored]),
            floats([s and s.threshold for s in scored]),
            floats([s and s.level for s in scored]),
            booleans([s is not None and s.may_flag for s in scored]),
            booleans([s.flagged for s in seen]),
            texts([s.step for s in seen]),
            uuids([row.episode_id for row in rows]),
            byteas([_kept(row) for row in rows]),
        ),
    )


def _kept(row: _Row) -> bytes:
    session, model = row.session, row.dyad.practice.model.version
    if session.version.is_measure:
        return session.numbers
    rating, risk = session.version.rating, session.session_risk
    held = (risk.risk, risk.threshold) if risk else (None, None)
    return stored_numbers(
        session.numbers,
        InColumns(rating.rating_id, session.version.order.session_at, model, *held),
        session.unpacked_numbers,
    )


async def _write_grown(conn: Connection, dyads: Sequence[DyadWork]) -> None:
    if dyads:
        await conn.execute(
            _GROWN,
            (
                *practice_keys(dyads),
                bigints([d.history_revision for d in dyads]),
                byteas([_encode(d.decision) for d in dyads]),
                dates([_open_since(d) for d in dyads]),
                byteas([d.snapshot_after if d.sessions else d.snapshot for d in dyads]),
                texts([d.practice.model.version for d in dyads]),
            ),
        )


async def write_dyads(conn: Connection, dyads: Sequence[DyadWork]) -> None:
    """Write what was decided of dyads, and their histories' revisions, without new snapshots."""
    if dyads:
        await conn.execute(
            _DYADS,
            (
                *practice_keys(dyads),
                bigints([d.history_revision for d in dyads]),
                byteas([_encode(d.decision) for d in dyads]),
                dates([_open_since(d) for d in dyads]),
            ),
        )


def _open_since(dyad: DyadWork) -> date | None:
    # As emitted: a sweep that closed it for want of sessions need not look again.
    emitted, last = dyad.decision.emitted, dyad.decision.folded.last
    if last is None or not emitted or emitted[-1].withdrawn or emitted[-1].episode.end is not None:
        return None
    return last.session_at.date()


async def store_episodes(batch: Batch, _tools: Tools) -> None:
    """Write what changed about the episodes of this batch's dyads."""
    changed = [dyad for dyad in batch.dyads.values() if dyad.changed_episodes]
    if changed:
        await _write_episodes(batch.tx.conn, changed)
    events = [event for dyad in changed for event in dyad.episode_events]
    if events:
        await _write_changes(batch.tx.conn, events, batch.tx.now)
    restored = {id_: dyad for id_, dyad in batch.dyads.items() if dyad.is_restored}
    if restored:
        before = [
            one for dyad in restored.values() for one in dyad.published if isinstance(one, ChangedEvent)
        ]
        await settle(batch.tx.conn, restored.keys(), before)


async def _write_episodes(conn: Connection, dyads: Sequence[DyadWork]) -> None:
    rows = [(dyad, one) for dyad in dyads for one in dyad.changed_episodes]
    await conn.execute(
        _EPISODES,
        (
            [one.episode_id for _, one in rows],
            [dyad.id for dyad, _ in rows],
            [dyad.who.practice_id for dyad, _ in rows],
            [dyad.who.therapist_id for dyad, _ in rows],
            [dyad.who.client_id for dyad, _ in rows],
            [dyad.who.case_id for dyad, _ in rows],
            [one.revision for _, one in rows],
            [episode_status(one, dyad.decision.answers) for dyad, one in rows],
            [one.episode.opened.session_id for _, one in rows],
            [one.episode.opened.session_at for _, one in rows],
            [one.episode.closed.session_at if one.episode.closed else None for _, one in rows],
            [one.kept_back.value if one.kept_back and not one.notified else None for _, one in rows],
        ),
    )


async def _write_changes(conn: Connection, events: Sequence[Changed], changed_at: datetime) -> None:
    await conn.execute(
        _CHANGES,
        (
            changed_at,
            [event.episode_id for event in events],
            [event.revision for event in events],
            [event.practice_id for event in events],
            [event.change.value for event in events],
            [event.kept_back.value if event.kept_back else None for event in events],
            [event.session_id for event in events],
            [encode(event).decode() for event in events],
        ),
    )
