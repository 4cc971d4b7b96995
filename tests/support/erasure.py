"""Fills every table that can name a client, and searches all tables for the bytes of ids."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import TupleRow

from schemas import topics
from schemas.events import Answer
from schemas.ids import PracticeId, dyad_id
from schemas.rating import RatingBody
from schemas.rating_order import dyad
from services.notifier.inbox.client_numbers import number_all_clients
from services.runtime.kafka.record import Outgoing, Record
from services.runtime.outbox.erasures import Erasures
from services.runtime.outbox.outbox_table import Outbox
from services.runtime.process.settings import DatabaseSettings
from tests.support.detector.batch_driver import NOW, DetectorDriver, SentRating, answer_of, body, record_of
from tests.support.notifier.batch_driver import NotifierDriver

SECRET = b"the secret of all erasures in tests"
SCHEMAS = ("detector", "notifier", "notifier_jobs")
GOOD = (4.5, 4.5, 4.5)
LOW = (2.5, 2.5, 2.5)
_TABLES = """
SELECT table_schema || '.' || table_name FROM information_schema.tables
WHERE table_schema = ANY(%s) AND table_type = 'BASE TABLE' AND NOT (
    SELECT relispartition FROM pg_class WHERE oid = format('%%I.%%I', table_schema, table_name)::regclass)
ORDER BY 1
"""
_FILL = """
INSERT INTO notifier.share (share_id, practice_id, therapist_id, episode_id, with_reference, shared_at,
    expires_at) VALUES (%(share)s, %(practice)s, %(therapist)s, %(episode)s, true, now(), now());
INSERT INTO notifier.audit (at, practice_id, therapist_id, action, episode_id)
    VALUES (now(), %(practice)s, %(therapist)s, 'item-viewed', %(episode)s);
INSERT INTO detector.audit (practice_id, actor, action, dyad_id, detail)
    VALUES (%(practice)s, 'key 12345678', 'episode-read', %(dyad)s, 'episode ' || %(episode)s::text);
INSERT INTO notifier.sign_in_link (link_id, practice_id, therapist_id, episode_id, expires_at)
    VALUES (%(link)s, %(practice)s, %(therapist)s, %(episode)s, now());
INSERT INTO notifier.link_request (request_id, asked_at, address, episode_id)
    VALUES (%(link)s, now(), 'nobody@north.example', %(episode)s);
INSERT INTO notifier.answered_before (episode_id, answer_revision, answer, therapist_id, answered_at)
    VALUES (%(episode)s, 9, 'discussed', %(therapist)s, %(now)s);
INSERT INTO notifier.answer (practice_id, episode_id, answer_revision, answer, therapist_id, answered_at)
    VALUES (%(practice)s, %(episode)s, 1, 'discussed', %(therapist)s, %(now)s);
INSERT INTO notifier.next_session (practice_id, therapist_id, client_id, received_at)
    VALUES (%(practice)s, %(therapist)s, %(client)s, now());
INSERT INTO detector.published_before (cluster_id, topic, partition, "offset", dyad_id, revision, value)
    VALUES ('cluster-1', 'alliance.assessed.v1', 0, %(offset)s, %(dyad)s, 1, '');
INSERT INTO detector.client_name VALUES (%(practice)s, %(client)s, %(client)s, %(client)s, now()),
    (%(practice)s, %(former)s, %(client)s, %(client)s, now());
INSERT INTO notifier.client_name VALUES (%(practice)s, %(client)s, %(client)s, %(client)s, now()),
    (%(practice)s, %(former)s, %(client)s, %(client)s, now());
INSERT INTO notifier.rejection (cluster_id, topic, partition, "offset", value, reason, detail, recorded_at)
    VALUES ('cluster', 'alliance.assessed.v1', 0, 10000 + %(offset)s, %(torn)s, 'undecodable', '', now())
"""


class SeededClient:
    """One client of a practice, of whom every table holds something."""

    def __init__(self, name: str, therapist: str = "t-1", practice: str = "north") -> None:
        self.practice = practice
        self.client_id, self.therapist_id = f"client-{name}", therapist
        self.records: list[Record] = []
        self.published: list[Record] = []
        self.former_id = f"former-{name}-"
        self.ids = {self.client_id, self.former_id, f"rating-{name}-"}
        self.ids |= {f"session-{name}{n}-" for n in range(5)}
        """What only this client's data contains; ids of dyads and episodes are added when they are known."""

    def sent(self, week: int, marks: Sequence[float], suffix: str = "", **fields: object) -> SentRating:
        """Return a rating of one of the five sessions, numbered by the weeks from -4 on."""
        name = self.client_id.removeprefix("client-")
        return body(
            week, marks, client_id=self.client_id, therapist_id=self.therapist_id,
            session_id=f"session-{name}{week + 4}-", id=f"rating-{name}-{week + 4}{suffix}", **fields,
        )  # fmt: skip

    async def fill(self, detector: DetectorDriver, notifier: NotifierDriver) -> None:
        """Send and do everything that leaves something in a table."""
        detector.tools = replace(detector.tools, erasures=Erasures("detector", SECRET))
        notifier.components.pipeline.erasures = Erasures("notifier", SECRET)
        ratings = [
            *[self.sent(week, GOOD) for week in (-4, -3, -2)],
            self.sent(-1, LOW),
            self.sent(-4, GOOD, "-corrected", recorded_at=NOW),
            self.sent(0, GOOD, "-strange", instrument="no-such-form"),
            self.sent(-1, GOOD, "-elsewhere") | {"therapist_id": f"{self.therapist_id}-other"},
            self.sent(-3, GOOD),
            self.sent(-2, GOOD, "-outcome", instrument="ors", scores=None, total=20.0),
        ]
        for one in ratings:
            self.records.append(record_of(one, detector.offset, practice=self.practice))
            detector.offset += 1
        named = (self.practice.encode(), self.client_id.encode())
        torn = b'{"practice_id": "%s", "client_id": "%s", "rating_id": "torn' % named
        key = self.records[0].key
        self.records.append(Record(topics.SESSION_RATED.name, 0, detector.offset, 0, key, torn))
        detector.offset += 1
        outgoing = await detector.feed(self.records)
        ((episode,),) = await detector.rows(
            "SELECT episode_id FROM detector.episode WHERE client_id = %s AND practice_id = %s",
            (self.client_id, self.practice),
        )
        answer = answer_of(ratings[0], str(episode), Answer.DISCUSSED, 1, practice=self.practice)
        answer = Record(answer.topic, answer.partition, detector.offset, 0, answer.key, answer.value)
        self.records.append(answer)
        outgoing += await detector.feed([answer])
        self.published = [
            Record(one.topic, one.partition or 0, number, 0, one.key, one.value)
            for number, one in enumerate(outgoing)
            if one.topic in {topics.ASSESSED.name, topics.EPISODE_CHANGED.name}
        ]
        self.published.append(Record(topics.ASSESSED.name, 0, 10_000 + detector.offset, 0, key, torn))
        await notifier.handle_records(self.published)
        rated = RatingBody.model_validate(ratings[0])
        own = {dyad_id(dyad(PracticeId(self.practice), rated)), UUID(str(episode))}
        self.ids |= {text for id_ in own for text in (str(id_), id_.hex)}
        await self._fill_by_hand(detector, outgoing, episode, min(own - {episode}))

    async def _fill_by_hand(
        self, detector: DetectorDriver, outgoing: Sequence[Outgoing], episode: UUID, dyad: UUID
    ) -> None:
        values = {
            "practice": self.practice, "therapist": self.therapist_id, "client": self.client_id, "now": NOW,
            "former": self.former_id,
            "episode": episode, "dyad": dyad, "share": uuid4(), "link": uuid4(), "offset": detector.offset,
            "torn": self.published[-1].value,
        }  # fmt: skip
        for statement in _FILL.split(";"):
            await detector.conn.execute(statement.encode(), values)
        for schema in ("detector", "notifier"):
            await Outbox(schema).write(detector.conn, outgoing)
        await number_all_clients(detector.conn, self.practice, self.therapist_id)
        await detector.conn.commit()


def database(url: str) -> DatabaseSettings:
    """Return the settings with which a command reaches the database at `url`."""
    return DatabaseSettings.model_validate({"url": url})


async def tables(conn: psycopg.AsyncConnection[TupleRow]) -> list[str]:
    """Return all tables of the services, with their schemas."""
    rows = await (await conn.execute(_TABLES, (list(SCHEMAS),))).fetchall()
    await conn.commit()
    return [name for (name,) in rows]


async def tables_with(conn: psycopg.AsyncConnection[TupleRow], ids: set[str]) -> set[str]:
    """Return the tables in which one of these ids stands in any column, as a text or as bytes."""
    patterns = [f"%{part}%" for id_ in ids for part in (id_, id_.encode().hex())]
    found = set()
    for table in await tables(conn):
        query = f"SELECT EXISTS (SELECT FROM {table} t WHERE t::text ILIKE ANY(%s))"
        ((has_any,),) = await (await conn.execute(query.encode(), (patterns,))).fetchall()
        found |= {table} if has_any else set()
    await conn.commit()
    return found


async def deliveries(conn: psycopg.AsyncConnection[TupleRow]) -> dict[str, int]:
    """Return the deliveries of `north` by outcome, as the balance counts them."""
    from services.detector.results import balance

    rows = await (await conn.execute(balance._DELIVERIES.encode(), {"practice": "north"})).fetchall()
    await conn.commit()
    counts: Counter[str] = Counter()
    for outcome, reason, number in rows:
        counts[outcome if reason is None else f"{outcome}: {reason}"] += number
    return dict(counts)


LATER = timedelta(days=3650)
"""So much later than now that every clock agrees."""
