"""What passes through the stages: one transaction's work, and the tools that the stages share."""

import asyncio
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial

from msgspec.structs import replace

from schemas.ids import ClientId, DyadId, TherapistId, dyad_id
from schemas.instruments.catalogue import Catalogue
from services.detector.domain.detector import HeartbeatHistory
from services.detector.domain.dyad_work import Arrival, BlockedRecord, DyadWork
from services.detector.domain.outcomes import BatchCounts, BlockReason
from services.detector.domain.practice import Models, PracticeRows
from services.detector.received import BeatEvent, Responded
from services.runtime.kafka.record import Record
from services.runtime.outbox.erasures import Erasures
from services.runtime.outbox.transaction import Transaction
from services.runtime.postgres.former_names import Names

SESSIONS_ON_THE_LOOP = 500
"""With this many sessions a stage takes some 10 ms; a thread costs a tenth of one."""


MOST_FOLDS = 50
"""Sessions of one dyad that are assessed in the transaction of what was read: 0.2 s, one after another.

Those of different dyads are assessed together, so this bounds what one client's sessions cost all the others.
"""


@dataclass(slots=True)
class Batch:
    """One transaction's work."""

    tx: Transaction
    records: int = 0
    """How many records were read for it: with more than one it may be halved."""
    arrivals: list[Arrival] = field(default_factory=list)
    answers: list[tuple[str, Record, Responded, DyadId]] = field(default_factory=list)
    """Therapists' answers, each with its Kafka cluster and record."""
    heartbeats: list[tuple[Record, BeatEvent]] = field(default_factory=list)
    dyads: dict[DyadId, DyadWork] = field(default_factory=dict)
    names: Names = field(default_factory=Names)
    """Who was renamed of the batch's practices and clients."""
    day: date | None = None
    """The day of a sweep; None for records that were read."""
    taken_up: list[tuple[str, Record]] = field(default_factory=list)
    """Records that waited and are tried again, each with its Kafka cluster."""
    takes_all_before: bool = False
    """Whether all that waits before a client's newest session is taken up when one of these sessions is."""
    blocked: list[BlockedRecord] = field(default_factory=list)
    """Records that have to wait."""
    stage_s: dict[str, float] = field(default_factory=dict)
    """The seconds that each stage took."""
    counts: BatchCounts = field(default_factory=BatchCounts)
    """What happened; added to the metrics once the transaction is committed."""

    def block(self, dyads: AbstractSet[DyadId], reason: BlockReason) -> None:
        """Take everything about these dyads out of the batch; what was read about them has to wait."""
        for arrival in self.arrivals:
            if arrival.dyad.id in dyads:
                self.blocked.append(
                    BlockedRecord(arrival.log.cluster_id, arrival.record, arrival.rating, reason)
                )
        for cluster_id, record, answer, dyad in self.answers:
            if dyad in dyads:
                self.blocked.append(BlockedRecord(cluster_id, record, answer, reason))
        self.arrivals = [arrival for arrival in self.arrivals if arrival.dyad.id not in dyads]
        self.dyads = {id_: dyad for id_, dyad in self.dyads.items() if id_ not in dyads}

    def take_names(self) -> None:
        """Take renamed therapists and clients for who they are: a dyad keeps its id, whatever names it."""
        if not self.names.any:
            return
        for id_, dyad in list(self.dyads.items()):
            practice, therapist, client, _ = dyad.who
            of = self.names.therapist(practice, therapist), self.names.client(practice, client)
            first, dyad.who = (
                dyad.who._replace(therapist_id=TherapistId(one), client_id=ClientId(other))
                for one, other in ((of[0].first, of[1].first), (of[0].current, of[1].current))
            )
            if (known := dyad_id(first)) != id_:
                del self.dyads[id_]
                dyad.id = known
                self._join(dyad, id_)
        self._name_clients()

    def _name_clients(self) -> None:
        """Store and compare what arrived under the clients' current references."""
        if not self.names.clients:
            return
        for arrival in self.arrivals:
            if arrival.rating.client_id != arrival.dyad.who.client_id:
                arrival.rating = replace(arrival.rating, client_id=arrival.dyad.who.client_id)
        self.answers = [
            (cluster, record, replace(answer, client_id=self.dyads[of].who.client_id), of)
            for cluster, record, answer, of in self.answers
        ]

    def _join(self, dyad: DyadWork, id_before: DyadId) -> None:
        """Add a dyad under the id that it has now, to what the batch has of it."""
        known = self.dyads.setdefault(dyad.id, dyad)
        self.answers = [
            (*answer[:3], dyad.id if answer[3] == id_before else answer[3]) for answer in self.answers
        ]
        if known is not dyad:
            known.responses += dyad.responses
            for arrival in self.arrivals:
                if arrival.dyad is dyad:
                    arrival.dyad = known

    def drop(self, until: Mapping[DyadId, datetime]) -> list[Arrival]:
        """Take out of the batch what was accepted about these dyads until then; return the ratings of it."""
        erased = [one for one in self.arrivals if _is_until(one.rating.accepted_at, until.get(one.dyad.id))]
        places = {one.log for one in erased}
        self.arrivals = [one for one in self.arrivals if one.log not in places]
        self.answers = [one for one in self.answers if not _is_until(one[2].responded_at, until.get(one[3]))]
        left = {one.dyad.id for one in self.arrivals} | {dyad for *_, dyad in self.answers}
        for id_ in until:
            dyad = self.dyads[id_]
            dyad.responses = [answer for *_, answer, of in self.answers if of == id_]
            if id_ not in left:
                del self.dyads[id_]
        return erased

    async def compute(self, work: Callable[["Batch"], None]) -> None:
        """Do work on every session: in a thread where it takes long, so that the event loop goes on."""
        if sum(len(dyad.sessions) for dyad in self.dyads.values()) > SESSIONS_ON_THE_LOOP:
            await asyncio.to_thread(work, self)
        else:
            work(self)


def _is_until(at: datetime, until: datetime | None) -> bool:
    return until is not None and at <= until


@dataclass(frozen=True, slots=True)
class Tools:
    """What the stages work with."""

    models: Models
    rows: PracticeRows
    catalogue: Catalogue
    heartbeat: HeartbeatHistory
    model_sha256: str = "unknown"
    """The hash of the shipped model's file."""
    erasures: Erasures = field(default_factory=partial(Erasures, "detector"))
