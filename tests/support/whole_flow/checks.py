"""Checks after every step, and at rest, what the two services hold against a naive oracle.

After every step, whatever happened:

1. Each rating that was read has exactly one outcome, at its own place in the log, and it names that rating.
2. One version of a session is current, the greatest by `recorded_at`, `accepted_at` and id, in one dyad only.
3. No event id has two contents; nothing is published twice unless something broke; no revision goes back.
4. Each change of an episode states facts that follow from the marks that were sent, and is told only while
   its session is at most 21 days old.
5. Whatever is to be told has its item and its delivery, once; a mail goes out only about an item that is open
   and unanswered, to that item's therapist, and not in their quiet hours if it is planned.
6. A log that lost what was applied is not read on until it was repaired.

At rest, with everything repaired: all that was accepted was read; versions, risks, thresholds, steps and
episodes are those of an oracle that folds each history anew (`naive_outcome.py`); what waits has a reason
that still holds; items show what the detector decided; nothing that is due waits; no mail went out twice;
the newest delivery has a receipt.
"""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import msgspec

from schemas import topics
from services.detector.domain.detector import Detector
from tests.support import invariants
from tests.support.whole_flow.kafka_log import LoggedRecord
from tests.support.whole_flow.naive_outcome import (
    DyadKey,
    NaiveScorer,
    Outcome,
    RatingKey,
    SessionKey,
    Version,
    episodes_of,
    history_of,
    level_of,
    listed,
    outcome_of,
)
from tests.support.whole_flow.told_checks import (
    check_changes,
    check_facts,
    check_items,
    check_mail_times,
    check_mails,
    check_new_mails,
    check_receipts,
)
from tests.support.whole_flow.world import HistoryWorld

_INVARIANTS = " UNION ALL ".join(
    f"SELECT $name${name}$name$ WHERE EXISTS ({sql})"
    for name, sql in {
        **invariants.DETECTOR,
        "every record that was read has an outcome": "SELECT FROM detector.unaccounted",
        "every record that the notifier read has an outcome": "SELECT FROM notifier.unaccounted",
        "the notifier rejects nothing": "SELECT FROM notifier.rejection",
        "a change is told over a channel once": """
            SELECT episode_id, revision, channel FROM notifier.delivery WHERE purpose = 'episode'
            GROUP BY 1, 2, 3 HAVING count(*) > 1""",
        "whatever was told on the page has its item": """
            SELECT FROM notifier.decision d LEFT JOIN notifier.item i USING (episode_id)
            WHERE d.channel = 'inbox' AND d.outcome = 'told' AND i.episode_id IS NULL""",
        "whatever is to be mailed has its delivery": """
            SELECT FROM notifier.decision LEFT JOIN notifier.delivery USING (episode_id, revision, channel)
            WHERE channel = 'email' AND outcome = 'told' AND delivery_id IS NULL""",
        "an opening that is not kept back is told on the page": """
            SELECT FROM notifier.change c LEFT JOIN notifier.item i USING (episode_id)
            WHERE c.change = 'opened' AND NOT c.content ? 'kept_back' AND i.episode_id IS NULL""",
    }.items()
)
_PLACES = """
SELECT cluster_id, partition, "offset", count(*), min(what) FROM (
    SELECT (SELECT c.cluster_id FROM detector.log_cluster c WHERE c.number = cluster) AS cluster_id,
        partition, "offset", rating_id AS what FROM detector.rating
    UNION ALL SELECT cluster_id, partition, "offset", rating_id FROM detector.duplicate
    UNION ALL SELECT cluster_id, partition, "offset", coalesce(subject_id, '') FROM detector.rejection
        WHERE topic = 'alliance.session-rated.v1'
    UNION ALL SELECT cluster_id, partition, "offset", rating_id FROM detector.blocked
        WHERE topic = 'alliance.session-rated.v1') AS place
GROUP BY 1, 2, 3
"""
_REVISIONS = """
SELECT 'assessment ' || dyad_id || session_id || instrument, revision FROM detector.assessment
UNION ALL SELECT 'episode ' || episode_id, revision FROM detector.episode
UNION ALL SELECT 'item ' || episode_id, revision FROM notifier.item
"""
_VERSIONS = """
SELECT r.practice_id, r.rating_id, d.therapist_id, d.client_id, r.current, a.rating_id IS NOT NULL,
    a.model_version, a.risk, a.threshold, a.level, a.flagged, a.step, a.revision,
    (SELECT count(*) FROM detector.duplicate u
        WHERE u.practice_id = r.practice_id AND u.rating_id = r.rating_id)
FROM detector.rating r JOIN detector.dyad d USING (dyad_id)
LEFT JOIN detector.assessment a ON r.current AND a.dyad_id = r.dyad_id AND a.session_id = r.session_id
    AND a.instrument = r.instrument
"""
_EPISODES = """
SELECT practice_id, therapist_id, client_id, opened_session, opened_at, closed_at,
    CASE state WHEN 'acknowledged' THEN 'open' ELSE state END
FROM detector.episode WHERE state <> 'withdrawn' ORDER BY opened_at
"""


@dataclass
class HistoryChecks:
    """The checks of one example; `begin` starts the next one."""

    world: HistoryWorld
    scorer: NaiveScorer
    revisions: dict[str, int] = field(default_factory=dict)
    contents: dict[tuple[str, str], bytes] = field(default_factory=dict)
    published: Counter[tuple[str, str]] = field(default_factory=Counter)
    highest: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    seen: int = 0
    mails: int = 0
    snapshot: str = ""
    """PostgreSQL's snapshot at the last look: the tables are as they were while it is the same."""

    def begin(self) -> None:
        """Forget the example before."""
        for known in (self.revisions, self.contents, self.published, self.highest):
            known.clear()
        self.seen = self.mails = 0
        self.snapshot = ""

    async def after_step(self) -> None:
        """Check what holds at any time."""
        check_facts(self.world, self.seen)
        self._check_published()
        if self.world.away is not None:
            return
        ((snapshot,),) = await self._rows("SELECT pg_current_snapshot()::text")
        if snapshot == self.snapshot:
            return
        self.snapshot = snapshot
        await self.world.note_read()
        broken = await (await self.world.conn.execute(_INVARIANTS.encode())).fetchall()
        assert broken == [], broken
        await self._check_places()
        for what, revision in await self._rows(_REVISIONS):
            assert revision >= self.revisions.get(what, 0), f"{what} went back to revision {revision}"
            self.revisions[what] = revision
        self.mails = await check_new_mails(self.world, self.mails)

    def _check_published(self) -> None:
        for record in self.world.log.written[self.seen :]:
            if record.topic == topics.SESSION_RATED.name:
                continue
            event = json.loads(record.value or b"")
            key = (record.topic, event["id"])
            assert self.contents.setdefault(key, record.value or b"") == record.value, (
                f"{key} has two contents"
            )
            self.published[key] += 1
            if self.published[key] == 1 and record.topic == topics.ASSESSED.name:
                self._note_assessed(event["data"])
        self.seen = len(self.world.log.written)
        if self.world.is_calm:
            twice = [key for key, count in self.published.items() if count > 1]
            assert twice == [], "published twice without a reason"

    def _note_assessed(self, data: dict[str, Any]) -> None:
        names = ("practice_id", "therapist_id", "client_id", "session_id", "instrument")
        key = tuple(data[name] for name in names)
        before = self.highest.get(key, {"revision": 0})["revision"]
        assert data["revision"] > before, f"revision {data['revision']} of {key} after {before}"
        self.highest[key] = data

    async def _check_places(self) -> None:
        """Each record that was read has exactly one outcome, which names the rating that it carries."""
        world = self.world
        read = world.is_read["detector"]
        found = {(c, p, o): (count, what) for c, p, o, count, what in await self._rows(_PLACES)}
        assert all(count == 1 for count, _ in found.values()), found
        ratings = [one for one in world.log.written if one.topic == topics.SESSION_RATED.name]
        assert sum(count for count, _ in found.values()) == sum(one.timestamp in read for one in ratings)
        torn = {partition for service, partition in world.torn if service == "detector"}
        for (topic, number), records in world.log.records.items():
            if topic != topics.SESSION_RATED.name or (topic, number) in torn:
                continue
            for record in records:
                if record.timestamp in read:
                    _, what = found[world.log.cluster_id, number, record.offset]
                    assert what == rating_of(record), record

    async def at_rest(self) -> None:
        """Check what holds once nothing is left to do, and no partition is halted."""
        world = self.world
        await self.after_step()
        assert {*world.torn} <= await world.halted(), "a log lost its end, and nothing halted"
        if await world.halted():
            return
        read = world.is_read["detector"]
        ratings = [one for one in world.log.written if one.topic == topics.SESSION_RATED.name]
        unread = [
            one
            for number in world.log.records
            if number[0] == topics.SESSION_RATED.name
            for one in world.log.of(number)
            if one.timestamp not in read
        ]
        assert unread == []
        waiting = await self._rows("SELECT practice_id, rating_id, reason FROM detector.blocked")
        blocked = {(practice, rating) for practice, rating, _ in waiting if rating is not None}
        outcome = outcome_of([r for r in ratings if r.timestamp in read], blocked, world.made.catalogue)
        await self._check_versions(outcome, blocked)
        self._check_blocked(outcome, waiting)
        published = {key for key in self.published if key[0] == topics.EPISODE_CHANGED.name}
        await check_changes(world, len(published))
        await check_mails(world)
        await check_items(world, outcome)
        await check_mail_times(world)
        await check_receipts(world, 1)

    async def _check_versions(self, outcome: Outcome, blocked: set[RatingKey]) -> None:
        rows = await self._rows(_VERSIONS)
        assert {row[:2] for row in rows} == outcome.versions.keys() - blocked
        stored: dict[DyadKey, dict[SessionKey, tuple[Any, ...]]] = defaultdict(dict)
        for practice, rating, therapist, client, current, assessed, *numbers, duplicates in rows:
            version = outcome.versions[practice, rating]
            assert version.dyad == (practice, therapist, client)
            assert duplicates == outcome.deliveries[practice, rating] - 1, rating
            expected = outcome.current[version.dyad][version.session]
            assert current == (expected.rating.rating_id == rating), (version, expected)
            assert current == assessed
            if current:
                stored[version.dyad][version.session] = tuple(numbers)
        episodes: dict[DyadKey, list[tuple[Any, ...]]] = defaultdict(list)
        for practice, therapist, client, *episode in await self._rows(_EPISODES):
            episodes[practice, therapist, client].append(tuple(episode))
        self.scorer.fold(
            (history_of(sessions), (stored[dyad][one.session][0] for one in history_of(sessions)))
            for dyad, sessions in outcome.current.items()
        )
        for dyad, sessions in outcome.current.items():
            self._check_dyad(dyad, sessions, stored[dyad], episodes.pop(dyad, []))
        assert not episodes

    def _check_dyad(
        self,
        dyad: DyadKey,
        sessions: dict[SessionKey, Version],
        stored: dict[SessionKey, tuple[Any, ...]],
        episodes: list[tuple[Any, ...]],
    ) -> None:
        for session, version in sessions.items():
            _, risk, *_, revision = stored[session]
            assert (risk is None) == (not version.is_form)
            published = self.highest[*dyad, *session]
            assert (published["rating_id"], published["revision"]) == (version.rating.rating_id, revision)
            assert published.get("risk") == risk
        history = history_of(sessions)
        risks = self.scorer.risks(history, {one.session: stored[one.session][0] for one in history})
        state, steps = episodes_of(risks)
        for version, found, step in zip(history, risks, steps, strict=True):
            _, risk, threshold, level, flagged, kind, _ = stored[version.session]
            assert (risk, threshold, level) == (found.risk, found.threshold, level_of(found)), version
            assert (flagged, kind) == (step.flagged, step.step), version
        assert episodes in (listed(state, None), listed(state, self.world.swept_on)), dyad

    def _check_blocked(self, outcome: Outcome, waiting: list[tuple[Any, ...]]) -> None:
        """What waits has a reason: its practice's model is not loaded, or another dyad holds its session."""
        for practice, rating, reason in waiting:
            if reason == "model-not-loaded" or rating is None:
                continue
            version = outcome.versions[practice, rating]
            assert version.rating.status != "withdrawn"
            holders = outcome.holders(practice, version.rating.client_id, version.session)
            assert len(holders) == 1, (rating, holders)
            assert holders != [version.dyad], rating
            own = outcome.current.get(version.dyad, {}).get(version.session)
            assert own is None or own.rank < version.rank, rating

    async def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return await (await self.world.conn.execute(query.encode())).fetchall()


def rating_of(record: LoggedRecord) -> str:
    """Return the id of the rating in a record; empty when it cannot be read."""
    try:
        return str(msgspec.json.decode(record.value or b"")["data"]["rating_id"])
    except msgspec.MsgspecError:
        return ""


def checks_of(world: HistoryWorld, models: tuple[Detector, ...]) -> HistoryChecks:
    """Return the checks of a world whose processes have loaded these models."""
    return HistoryChecks(world, NaiveScorer(models, world.made.catalogue))
