"""Compares what was observed of a run with its history and with the oracle, and lists what is wrong.

One violation is one sentence about one rating, record, change or message. No violation means:

- a rating that ingest called accepted stands in the log as often as it was acknowledged, one that it called
  not accepted does not, and where its answer is unknown both may be;
- each record of the log has exactly one outcome, and the one that the oracle expects;
- the assessments and episodes are those of the oracle, to the last digit;
- each assessment and each change was published, under one id with one content;
- each change was decided upon once, and each mail and webhook call was sent under one id.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec

from schemas.topics import ASSESSED, EPISODE_CHANGED
from services.runtime.kafka.record import Record
from tests.support.faults.history import Ending, Operation, Sent
from tests.support.faults.observed import ChangeKey, Observed
from tests.support.faults.oracle import Expectation, RatingKey, rated_event
from tests.support.invariants import current_assessments, ids_with_two_contents

CHANNELS = ("email", "webhook")


@dataclass(slots=True)
class Report:
    """What is wrong with a run, and how large it was."""

    violations: list[str] = field(default_factory=list)
    operations: int = 0
    unknown: int = 0
    deliveries: int = 0
    """Ratings in the log, each as often as it was delivered."""
    assessments: int = 0
    changes: int = 0
    mails: int = 0
    webhooks: int = 0
    repeated_messages: int = 0
    """Messages that a receiver got a second time, under the same id."""


def check(seen: Observed, expected: Expectation) -> Report:
    """Return every violation of a run that has come to rest."""
    report = Report(
        operations=len(seen.operations),
        unknown=sum(one.ending is Ending.UNKNOWN for one in seen.operations),
        deliveries=len(seen.log),
        assessments=len(seen.assessments),
        changes=len(seen.changes),
        mails=len(set(seen.mails)),
        webhooks=len(set(seen.webhooks)),
        repeated_messages=len(seen.mails) + len(seen.webhooks) - len({*seen.mails, *seen.webhooks}),
    )
    for part in (_accepted, _outcomes, _assessments, _episodes, _published, _decided, _messages):
        report.violations += part(seen, expected)
    return report


def _accepted(seen: Observed, _expected: Expectation) -> Iterator[str]:
    """The log holds what was accepted, and nothing else."""
    in_log = Counter(_sent(record) for record in seen.log)
    by_rating: defaultdict[Sent, list[Operation]] = defaultdict(list)
    for operation in seen.operations:
        by_rating[operation.sent].append(operation)
    for sent, operations in by_rating.items():
        endings = Counter(one.ending for one in operations)
        least, most = endings[Ending.OK], endings[Ending.OK] + endings[Ending.UNKNOWN]
        times = in_log.pop(sent, 0)
        if sent.rating_id in seen.lost:
            least = 0
        if times < least:
            yield f"lost: {_name(sent)} was accepted {least} times and is {times} times in the log"
        elif times > most:
            yield f"took effect: {_name(sent)} may be {most} times in the log and is {times} times"
    in_log.pop(None, None)
    for sent_by_nobody, times in in_log.items():
        yield f"from nowhere: {sent_by_nobody} is {times} times in the log and was never sent"


def _sent(record: Record) -> Sent | None:
    event = rated_event(record)
    if event is None:
        return None
    return Sent(event.data.practice_id, event.data.rating_id, event.data.content_hash)


def _name(sent: Sent) -> str:
    return f"rating {sent.rating_id} of {sent.practice}"


def _outcomes(seen: Observed, expected: Expectation) -> Iterator[str]:
    """Each record of the log has one outcome."""
    for place, wanted in expected.outcomes.items():
        found = list(seen.outcomes.get(place, ()))
        if found != [wanted]:
            yield f"outcome: the record at {place} is to be {wanted} and is {found or 'unaccounted for'}"
    if not seen.lost:
        for place in seen.outcomes.keys() - expected.outcomes.keys():
            yield f"outcome: {list(seen.outcomes[place])} for {place}, where the log holds no record"


def _assessments(seen: Observed, expected: Expectation) -> Iterator[str]:
    for key in seen.assessments.keys() | expected.assessments.keys():
        found, wanted = seen.assessments.get(key), expected.assessments.get(key)
        if found is None:
            yield f"assessment: none of {_where(key)}"
        elif wanted is None:
            yield f"assessment: one of {_where(key)}, which nobody sent"
        elif found.assessment != wanted:
            yield f"assessment: that of {_where(key)} is {found.assessment}, the oracle's {wanted}"


def _where(key: RatingKey) -> str:
    return f"session {key.session_id} by {key.instrument} of {key.dyad.client_id} in {key.dyad.practice_id}"


def _episodes(seen: Observed, expected: Expectation) -> Iterator[str]:
    found = Counter(seen.episodes)
    allowed = Counter({*expected.episodes, *expected.episodes_by_silence})
    for episode, times in found.items():
        if times > 1 or episode not in allowed:
            yield f"episode: {episode} is stored {times} times and expected {min(allowed[episode], 1)} times"
    starts = {(one.dyad, one.opened_session) for one in seen.episodes}
    for episode in expected.episodes:
        if (episode.dyad, episode.opened_session) not in starts:
            yield f"episode: {episode} is missing"


def _published(seen: Observed, _expected: Expectation) -> Iterator[str]:
    """What was published is what is stored, under one id with one content."""
    for topic, event_id in ids_with_two_contents(seen.published):
        yield f"published: the id {event_id} has two contents in {topic}"
    held = current_assessments(seen.published)
    for key, stored in seen.assessments.items():
        event = held.get((*key.dyad, key.session_id, key.instrument))
        if event is None:
            yield f"published: no assessment of {_where(key)}"
        elif (event["revision"], event["rating_id"], event.get("risk")) != (
            stored.revision,
            stored.assessment.rating_id,
            stored.assessment.risk,
        ):
            yield f"published: the assessment of {_where(key)} is not the stored one"
    yield from _two_ids(seen.published)
    published = {
        ChangeKey(UUID(data["episode_id"]), data["revision"])
        for data in _data(seen.published, EPISODE_CHANGED.name)
    }
    stored_changes = set(seen.changes)
    for change in stored_changes ^ published:
        where = "not published" if change in stored_changes else "published and not stored"
        yield f"published: the change {change} is {where}"


def _two_ids(published: Sequence[Record]) -> Iterator[str]:
    ids: defaultdict[tuple[object, ...], set[str]] = defaultdict(set)
    for record in published:
        event = msgspec.json.decode(record.value or b"")
        data = event["data"]
        names = ("therapist_id", "client_id", "case_id", "session_id", "instrument")
        rating = tuple(data.get(name) for name in names) if record.topic == ASSESSED.name else ()
        whose = rating or (data["episode_id"],)
        ids[record.topic, data["practice_id"], *whose, data["revision"]].add(event["id"])
    for which, found in ids.items():
        if len(found) > 1:
            yield f"published: {which} has {len(found)} ids"


def _data(published: Sequence[Record], topic: str) -> Iterator[dict[str, Any]]:
    return (msgspec.json.decode(one.value or b"")["data"] for one in published if one.topic == topic)


def _decided(seen: Observed, _expected: Expectation) -> Iterator[str]:
    stored, decided = Counter(seen.changes), Counter(seen.decided)
    for change in stored.keys() | decided.keys():
        if (stored[change], decided[change]) != (1, 1):
            yield f"decided: {change} is stored {stored[change]} times, decided {decided[change]} times"
    if seen.items != seen.episodes_told:
        yield f"inbox: {seen.items} items for {seen.episodes_told} episodes that were told"


def _messages(seen: Observed, _expected: Expectation) -> Iterator[str]:
    """Each message that is recorded as sent has arrived, at least once and under its id; no other has."""
    received = {"email": Counter(seen.mails), "webhook": Counter(seen.webhooks)}
    for delivery in seen.deliveries:
        arrived = received[delivery.channel].pop(delivery.id, 0)
        if delivery.state in {"pending", "retrying"}:
            yield f"message: {delivery.channel} {delivery.id} is still {delivery.state}"
        elif delivery.state == "sent" and not arrived:
            yield f"message: {delivery.channel} {delivery.id} is called sent and did not arrive"
    for channel in CHANNELS:
        for message, times in received[channel].items():
            yield f"message: {channel} {message} arrived {times} times and is not recorded"
