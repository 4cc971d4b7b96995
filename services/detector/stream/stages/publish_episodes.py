"""Changes of episodes in, `EpisodeChanged` out, self-contained; and the rows that lists of episodes show."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas import topics
from schemas.envelope import HEADERS
from schemas.events import Component
from schemas.ids import DyadId, EpisodeId, InstrumentId, SessionId, episode_event_id
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.scoring import from_units
from schemas.rating_order import SessionOrder
from services.detector.contracts import Changed, Finding, Point, encode, envelope, unpack_numbers
from services.detector.domain.episode_changes import EpisodeChange, episode_status
from services.detector.metrics import TOLD
from services.detector.storage.practices import Connection
from services.detector.stream.batch import Batch, DyadWork, Tools
from services.runtime.kafka.record import Outgoing

TYPE = topics.EPISODE_CHANGED.name
TRAJECTORY_POINTS = 30

_HISTORY = """
SELECT a.dyad_id, a.session_at, a.session_id, a.instrument, a.flagged, a.numbers, r.next_session_at,
    r.accepted_at
FROM detector.assessment a CROSS JOIN LATERAL (
    SELECT * FROM detector.rating v WHERE v.practice_id = a.practice_id AND v.rating_id = a.rating_id OFFSET 0
) r
WHERE a.dyad_id = ANY(%b::uuid[]) AND a.risk IS NOT NULL
"""
_EPISODES = """
INSERT INTO detector.episode AS e (episode_id, dyad_id, practice_id, therapist_id, client_id, case_id,
    revision, state, opened_session, opened_at, closed_at, kept_back)
SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[], %b::int[],
    %b::text[], %b::text[], %b::timestamptz[], %b::timestamptz[], %b::text[])
ON CONFLICT (episode_id) DO UPDATE SET revision = EXCLUDED.revision, state = EXCLUDED.state,
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


@dataclass(frozen=True, slots=True)
class _Told:
    """One session of a dyad, as it was published."""

    place: SessionOrder
    flagged: bool
    numbers: bytes
    next_session_at: datetime | None
    accepted_at: datetime


async def tell(batch: Batch, tools: Tools) -> None:
    """Publish and store what is new about the episodes of this batch's dyads."""
    changed = [dyad for dyad in batch.dyads.values() if dyad.changed_episodes]
    if not changed:
        return
    histories = await _histories(batch.tx.conn, [dyad.id for dyad in changed if dyad.told])
    await _write_episodes(batch.tx.conn, changed)
    events = []
    for dyad in changed:
        for told in dyad.told:
            event = _changed(dyad, told, histories.get(dyad.id, ()), batch, tools.catalogue)
            _publish(batch, dyad, event)
            events.append(event)
    if events:
        await _write_changes(batch, events)


async def _histories(conn: Connection, ids: Sequence[DyadId]) -> dict[DyadId, list[_Told]]:
    found: dict[DyadId, list[_Told]] = {}
    if ids:
        rows = await (await conn.execute(_HISTORY, (ids,), binary=True)).fetchall()
        for id_, at, session, instrument, flagged, numbers, next_at, accepted_at in rows:
            place = SessionOrder(at, SessionId(session), InstrumentId(instrument))
            found.setdefault(DyadId(id_), []).append(_Told(place, flagged, numbers, next_at, accepted_at))
    for history in found.values():
        history.sort(key=lambda one: one.place)
    return found


def _changed(
    dyad: DyadWork, told: EpisodeChange, history: Sequence[_Told], batch: Batch, catalogue: Catalogue
) -> Changed:
    shown = next((one for one in history if one.place == told.order), None)
    numbers = unpack_numbers(shown.numbers) if shown else None
    newest = history[-1] if history else None
    last = history[-TRAJECTORY_POINTS:]
    return Changed(
        episode_id=told.after.episode_id,
        revision=told.after.revision,
        change=told.change,
        practice_id=dyad.who.practice_id,
        therapist_id=dyad.who.therapist_id,
        client_id=dyad.who.client_id,
        session_id=told.order.session_id,
        session_at=told.order.session_at,
        opened_at=told.after.episode.opened.session_at,
        instrument=told.order.instrument,
        ratings=numbers.ratings if numbers else 0,
        model_version=numbers.model_version if numbers else dyad.practice.model.version,
        accepted_at=dyad.caused_at or (newest.accepted_at if newest else batch.tx.now),
        kept_back=told.kept_back,
        case_id=dyad.who.case_id,
        next_session_at=shown.next_session_at if shown else None,
        risk=numbers.risk if numbers else None,
        components={n: Finding(*values) for n, values in numbers.components.items()} if numbers else {},
        leading_component=numbers.leading if numbers else None,
        movement=numbers.movement if numbers else None,
        trajectory=tuple(_point(one, catalogue) for one in last),
    )


def _point(one: _Told, catalogue: Catalogue) -> Point:
    instrument = catalogue.get(one.place.instrument)
    scores: dict[Component, float] = {}
    usuals = []
    for name, (_, score, usual, _) in unpack_numbers(one.numbers).components.items():
        if score is not None:
            scores[name] = round(from_units(instrument, score), 6)
        if usual is not None:
            usuals.append(from_units(instrument, usual))
    return Point(
        session_at=one.place.session_at,
        bond=scores.get(Component.BOND),
        goal=scores.get(Component.GOAL),
        task=scores.get(Component.TASK),
        overall=scores.get(Component.OVERALL),
        usual=round(sum(usuals) / len(usuals), 6) if usuals else None,
        flagged=one.flagged,
    )


def _publish(batch: Batch, dyad: DyadWork, event: Changed) -> None:
    event_id = episode_event_id(EpisodeId(event.episode_id), event.revision)
    value = envelope(TYPE, event_id, batch.tx.now, dyad.key, encode(event))
    batch.tx.publish(Outgoing(topics.EPISODE_CHANGED.name, dyad.key, value, dyad.partition, HEADERS))
    batch.counts[TOLD if event.kept_back is None else event.kept_back.value] += 1
    batch.counts[event.change.value] += 1


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


async def _write_changes(batch: Batch, events: Sequence[Changed]) -> None:
    await batch.tx.conn.execute(
        _CHANGES,
        (
            batch.tx.now,
            [event.episode_id for event in events],
            [event.revision for event in events],
            [event.practice_id for event in events],
            [event.change.value for event in events],
            [event.kept_back.value if event.kept_back else None for event in events],
            [event.session_id for event in events],
            [encode(event).decode() for event in events],
        ),
    )
