"""The check of the order of revisions finds what is out of order, and nothing else."""

import json

from schemas.topics import ASSESSED, EPISODE_CHANGED
from services.runtime.kafka.record import Record
from tests.support.invariants import revisions_out_of_order

RATING = {"practice_id": "north", "client_id": "client-1", "session_id": "s1", "instrument": "wai-9"}


def change(episode: str, revision: int) -> Record:
    """Return a change of an episode."""
    return _record(EPISODE_CHANGED.name, {"episode_id": episode, "revision": revision})


def assessed(session: str, revision: int) -> Record:
    """Return an assessment."""
    return _record(ASSESSED.name, {**RATING, "session_id": session, "revision": revision})


def _record(topic: str, data: dict[str, object]) -> Record:
    return Record(topic, 0, 0, 0, b"key", json.dumps({"id": "x", "data": data}).encode())


def test_revisions_in_order_of_each_episode_and_session_are_in_order() -> None:
    records = [change("a", 1), assessed("s1", 2), change("b", 1), assessed("s2", 1), change("a", 2)]
    assert revisions_out_of_order(records) == []


def test_a_repetition_of_an_earlier_revision_is_no_disorder() -> None:
    assert revisions_out_of_order([change("a", 1), change("a", 2), change("a", 1), change("a", 2)]) == []


def test_a_revision_that_first_appears_after_a_higher_one_is_named() -> None:
    records = [change("a", 1), change("a", 3), change("a", 2), assessed("s1", 2), assessed("s1", 1)]
    assert [one[-1] for one in revisions_out_of_order(records)] == [2, 1]
