"""Events that other versions have written stand between those of today and are processed like them."""

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import schemas.golden
from schemas.topics import ASSESSED, EPISODE_CHANGED, SESSION_RATED, THERAPIST_RESPONDED
from tests.support.faults.fault_run import FaultRun
from tests.support.faults.other_producers import VERSIONS, Event, as_older, write_events, write_ratings
from tests.support.faults.rows import Size, row

GOLDEN = Path(schemas.golden.__file__).parent
STORED_IN = {
    SESSION_RATED.name: "detector.rating",
    THERAPIST_RESPONDED.name: "detector.response",
    ASSESSED.name: "notifier.assessed_session",
    EPISODE_CHANGED.name: "notifier.change",
}
"""The table that holds a row for each event of a topic."""
REJECTED = """
SELECT (SELECT count(*) FROM detector.rejection WHERE reason = 'undecodable'),
    (SELECT count(*) FROM notifier.rejection WHERE reason = 'undecodable')
"""
PARTS = 6


def golden_events(topic: str, prefix: str) -> Iterator[Event]:
    """Yield every golden event of a topic in every version, each with a practice and ids of its own.

    The first release writes those only that it could write.
    """
    for file in sorted((GOLDEN / topic.removeprefix("alliance.")).glob("*.json")):
        has_total = json.loads(file.read_bytes())["data"].get("total") is not None
        for number, version in enumerate(VERSIONS):
            if has_total and version is as_older:
                continue  # the first release had no forms of outcome
            event = version(json.loads(file.read_bytes()))
            event["id"] = str(uuid4())
            event["data"]["practice_id"] = f"{prefix}-{file.stem}-{number}"
            if "episode_id" in event["data"]:
                event["data"]["episode_id"] = str(uuid4())
            yield event


@row(scaled=240, full=4_000)
def test_versions_side_by_side(fault_run: FaultRun, size: Size) -> str:
    """Producers of the first release, of today and of a later version write side by side."""
    rejected = fault_run.fleet.query(REJECTED)
    events = [(topic, event) for topic in STORED_IN for event in golden_events(topic, fault_run.name)]
    size_of_part = -(-len(fault_run.ratings) // PARTS)
    written = 0
    for number in range(PARTS):
        # One after the other, as a practice system sends them: a correction follows what it corrects.
        part = fault_run.ratings[number * size_of_part : (number + 1) * size_of_part]
        if number % 2:
            write_events(fault_run, events[number // 2 :: PARTS // 2])
            written += write_ratings(fault_run, part)
        else:
            with fault_run.sending(part):
                pass
    fault_run.wait_until_at_rest()
    for topic, table in STORED_IN.items():
        sent = {event["data"]["practice_id"] for of, event in events if of == topic}
        found = fault_run.fleet.query(
            f"SELECT DISTINCT practice_id FROM {table} WHERE practice_id = ANY(%s)", list(sent)
        )
        assert {practice for (practice,) in found} == sent, f"{topic}: not all are in {table}"
    assert fault_run.fleet.query(REJECTED) == rejected
    return f"{written} ratings and {len(events)} other events past ingest"
