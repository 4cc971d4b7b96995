"""One detector and one notifier over one log and one database, and everything that can happen to them."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from schemas import topics
from schemas.events import Answer
from schemas.ids import PracticeId, record_key
from schemas.rating import RatingBody
from schemas.rating_order import dyad
from schemas.session_rated import session_rated_value
from services.cli.admin import repair_halts
from services.cli.endpoints import Endpoints
from services.detector.app import INPUT_TOPICS
from services.detector.storage.model_activations import activate
from services.notifier.inbox.record_response import record_response
from services.notifier.sign_in import SignInSession
from services.runtime.kafka.record import Outgoing, TopicPartition
from tests.support.runtime.outages import database_away
from tests.support.whole_flow.consumer_process import ConsumerProcess, ProcessCrash
from tests.support.whole_flow.deployment import KAFKA, START, Deployment
from tests.support.whole_flow.kafka_log import KafkaLog, LoggedRecord
from tests.support.whole_flow.tables import (
    attempt_due,
    begin_again,
    create_emptying_function,
    open_for_checks,
)

KEY_SECRET = b"a secret of thirty-two characters"
INPUTS = {
    "detector": INPUT_TOPICS,
    "notifier": (topics.ASSESSED.name, topics.EPISODE_CHANGED.name),
}
_MOST_ROUNDS = 1_000


@dataclass
class SentRating:
    """One delivery that ingest accepted, and the record that it became; None while it is on its way."""

    practice: str
    body: dict[str, Any]
    out: Outgoing
    record: LoggedRecord | None = None


@dataclass
class HistoryWorld:
    """What an example acts on."""

    made: Deployment
    conn: AsyncConnection[TupleRow]
    processes: dict[str, ConsumerProcess] = field(default_factory=dict)
    sweep: Any = None
    sent: list[SentRating] = field(default_factory=list)
    is_read: dict[str, set[int]] = field(default_factory=dict)
    """By service, the numbers (`timestamp`) of the records that it has applied."""
    torn: dict[tuple[str, TopicPartition], int | None] = field(default_factory=dict)
    """Partitions that lost what a service had applied, with the next offset as it was; until the repair."""
    away: Any = None
    """The outage of the database, while there is one."""
    lost_events: set[str] = field(default_factory=set)
    """Ids of changes that the log lost before the notifier read them, until a repair publishes them again."""
    is_calm: bool = True
    """Whether nothing happened yet after which a record may be published again."""
    mail_crashes: int = 0
    """How often a notifier died between a mail's acceptance and the row that says so."""
    swept_on: Any = None

    @classmethod
    async def of(cls, made: Deployment) -> "HistoryWorld":
        """Return a world over this deployment."""
        conn = await open_for_checks(made.database)
        await create_emptying_function(conn)
        return cls(made, conn)

    @property
    def log(self) -> KafkaLog:
        """The log."""
        return self.made.log

    @property
    def now(self) -> datetime:
        """The time."""
        return self.made.clock.at

    async def begin(self, most_records: int) -> None:
        """Empty everything, and start both services; a batch has at most this number of records."""
        made = self.made
        made.most_records = most_records
        made.log, made.clock.at = KafkaLog("cluster"), START
        made.log.before_send = lambda: made.crash.reach("send")
        made.mail.mails, made.mail.away = [], False
        made.crash.disarm()
        self.sent, self.torn, self.mail_crashes, self.swept_on = [], {}, 0, None
        self.lost_events, self.is_calm = set(), True
        self.is_read = {service: set() for service in INPUTS}
        await begin_again(self.conn, made.log.cluster_id)
        for service in INPUTS:
            self.start(service)

    def start(self, service: str) -> None:
        """Start a process of a service."""
        if service == "detector":
            consumer, self.sweep = self.made.detector_consumer()
        else:
            consumer = self.made.notifier_consumer()
        self.processes[service] = ConsumerProcess(consumer, self.log)

    async def end(self) -> None:
        """End both processes."""
        await self.database_up()
        for process in self.processes.values():
            await process.kill()

    # What practices send.

    def accept(self, practice: str, body: dict[str, Any], *, delayed: bool = False) -> SentRating:
        """Accept a rating as ingest does; a delayed one reaches the log when `arrive` is called."""
        rating = RatingBody.model_validate(body)
        key = record_key(KEY_SECRET, dyad(PracticeId(practice), rating))
        self.made.clock.at += timedelta(seconds=1)
        value = session_rated_value(PracticeId(practice), rating, accepted_at=self.now, key=key)
        sent = SentRating(practice, body, Outgoing(topics.SESSION_RATED.name, key, value))
        self.sent.append(sent)
        if not delayed:
            self.arrive(sent)
        return sent

    def arrive(self, sent: SentRating) -> None:
        """Write an accepted rating to the log."""
        sent.record = self.log.append(sent.out)

    # What the services do.

    async def work(self, service: str, job: Callable[[], Awaitable[object]]) -> bool:
        """Have a process do something; when it crashes there, start another. Return whether it survived."""
        try:
            await job()
        except ProcessCrash as crash:
            self.is_calm = False
            self.mail_crashes += str(crash) == "mail-after"
            await self.processes[service].kill()
            self.start(service)
            return False
        return True

    async def read(self, service: str, polls: int = 1) -> None:
        """Have a service poll."""
        for _ in range(polls):
            await self.work(service, self.processes[service].step)

    async def restart(self, service: str) -> None:
        """Stop a service as after SIGTERM, and start it again."""
        await self.processes[service].stop()
        self.start(service)

    async def run_sweep(self) -> None:
        """Run the detector's sweep, which looks at each new day and at what waits."""
        day = self.now.date()
        if await self.work("detector", lambda: self.sweep.sweep(day)) and self._owns_all():
            self.swept_on = day

    def _owns_all(self) -> bool:
        assignment = self.processes["detector"].context.assignment
        return bool(assignment.assigned) and not assignment.unprepared and not assignment.halted

    async def deliver(self) -> None:
        """Attempt every delivery that is due once, as the notifier's workers do."""
        await self.work("notifier", lambda: attempt_due(self.made.notifier, self.conn, self.now))

    async def settle(self) -> None:
        """Let both services work until nothing is left to do, with everything they need."""
        await self.database_up()
        self.log.sends_left = None
        self.made.crash.disarm()
        self.made.mail.away = False
        await self._read_all()
        await self.run_sweep()
        await self._read_all()
        await self.deliver()

    async def _read_all(self) -> None:
        for _ in range(_MOST_ROUNDS):
            busy = [await process.step() for process in self.processes.values()]
            if any(busy):
                continue
            if self.is_calm:
                return  # each publishes what it has committed, so nothing is left behind
            written = len(self.log.written)
            for process in self.processes.values():
                relay = process.consumer._relay
                relay._abandoned_after_s = -60.0  # there is no other process that could still publish them
                await relay.run_once()
            if len(self.log.written) == written:
                return
        raise AssertionError("the services do not come to rest")

    async def items(self) -> list[tuple[UUID, str, str]]:
        """Return the items: episode, practice and therapist."""
        found = await self.conn.execute(
            "SELECT episode_id, practice_id, therapist_id FROM notifier.item ORDER BY told_at, episode_id"
        )
        return [(episode, practice, therapist) for episode, practice, therapist in await found.fetchall()]

    async def waiting_mails(self, practice: str, client: str) -> set[UUID]:
        """Return the mails about a client's items that have not gone out."""
        found = await self.conn.execute(
            "SELECT delivery_id FROM notifier.delivery d JOIN notifier.item i USING (episode_id)"
            " WHERE i.practice_id = %s AND i.client_id = %s AND d.channel = 'email'"
            " AND d.state IN ('pending', 'retrying')",
            (practice, client),
        )
        return {delivery for (delivery,) in await found.fetchall()}

    async def answer(self, episode: UUID, practice: str, therapist: str, answer: Answer) -> None:
        """Have a therapist answer an item."""
        who = SignInSession(practice, therapist, UUID(int=0), b"", "")
        transact = self.processes["notifier"].consumer.transact
        await self.work("notifier", lambda: record_response(transact, who, episode, answer))

    async def swap_model(self, practice: str, version: str | None) -> None:
        """Map a practice to another model."""
        self.made.clock.at += timedelta(seconds=1)
        await activate(self.conn, [practice], version, self.now)

    # What breaks, and is repaired.

    def database_down(self) -> None:
        """Take the database away."""
        if self.away is None:
            self.is_calm = False
            self.away = database_away(self.made.database.url.get_secret_value())
            self.away.__enter__()

    async def database_up(self) -> None:
        """Bring the database back."""
        if self.away is not None:
            self.away.__exit__(None, None, None)
            self.away = None
            await self.made.kept.close()
            await self.conn.close()
            self.conn = await open_for_checks(self.made.database)

    def lose_end(self, partition: TopicPartition, number: int) -> None:
        """Have a partition lose its last records."""
        records = self.log.lose_end(partition, number)
        self.is_calm = False
        lost = {record.timestamp for record in records}
        if partition[0] == topics.EPISODE_CHANGED.name:
            unread = [one for one in records if one.timestamp not in self.is_read["notifier"]]
            self.lost_events |= {json.loads(one.value or b"")["id"] for one in unread}
        for service, inputs in INPUTS.items():
            if partition[0] in inputs and lost & self.is_read[service]:
                self.torn.setdefault((service, partition), None)

    async def repair(self) -> None:
        """Run `rapport halts repair`."""
        endpoints = SimpleNamespace(database=self.made.database, kafka=KAFKA)
        halted = await self.halted()
        await repair_halts.repair_all(cast("Endpoints", endpoints))
        for one in halted:
            self.torn.pop(one, None)
        if halted:
            self.lost_events.clear()

    async def halted(self) -> set[tuple[str, TopicPartition]]:
        """Return the halted partitions, each with its service."""
        found = set()
        for service in INPUTS:
            rows = await self.conn.execute(f"SELECT topic, partition FROM {service}.halt".encode())
            found |= {(service, (topic, number)) for topic, number in await rows.fetchall()}
        return found

    async def note_read(self) -> None:
        """Note which records each service has applied."""
        for service in INPUTS:
            rows = await self.conn.execute(
                f"SELECT topic, partition, next_offset FROM {service}.applied".encode()
            )
            for topic, number, offset in await rows.fetchall():
                key = (service, (topic, number))
                if key in self.torn:
                    before = self.torn[key]
                    assert before in {None, offset}, f"{key}: read on over a lost end, {before} to {offset}"
                    self.torn[key] = offset
                else:
                    records = self.log.of((topic, number))
                    assert offset <= len(records), f"{key}: applied what the log does not hold"
                    self.is_read[service] |= {record.timestamp for record in records[:offset]}
