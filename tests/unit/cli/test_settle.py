"""The wait for everything to settle ends when every accepted rating has an outcome, and not before."""

from collections.abc import Iterator
from typing import Any

from services.cli.client.api_client import LineResult
from services.cli.client.send_ratings import Item, Tally
from services.cli.demo.target import Stack
from services.cli.demo.wait_settled import settle

NORTH = "north"
STACK = Stack("", "", "", (NORTH,), "")


class ScriptedDoors:
    """Doors that answer what a script says: each look at the balance is one step further."""

    def __init__(
        self, steps: list[dict[str, int]], slow: str = "", known_at: int = 0, sent_at: int = 0
    ) -> None:
        self._steps = steps
        self._sent_at = sent_at
        self._message_looks = 0
        self._slow = slow
        self._known_at = known_at
        self.looks = 0

    def results_balance(self, practice: str | None) -> dict[str, Any]:
        step = self._steps[min(self.looks, len(self._steps) - 1)]
        self.looks += 1
        episodes = {"opened": 0, "told": 0, "kept_back": {}}
        return {"deliveries": {"assessed": 0, "superseded": 0, "duplicate": 0, "rejected": {}} | step} | {
            "episodes": episodes
        }

    def message_balance(self, practice: str | None) -> dict[str, Any]:
        self._message_looks += 1
        if self._message_looks < 2 or not self._sent_at:
            return {"messages": {}, "kept_back": {}}
        state = "sent" if self._message_looks >= self._sent_at else "pending"
        return {"messages": {"email": {state: 1}}, "kept_back": {}}

    def rating_status(self, practice: str | None, rating_id: str) -> str:
        return "pending" if rating_id == self._slow and self.looks < self._known_at else "assessed"

    def episodes(self, practice: str | None) -> Iterator[dict[str, Any]]:
        return iter(())

    def notifications(self, practice: str | None) -> Iterator[dict[str, Any]]:
        return iter(())


def test_a_second_delivery_of_one_rating_does_not_stand_for_the_first_of_another() -> None:
    early, late = {"assessed": 2, "duplicate": 1}, {"assessed": 3, "duplicate": 1}
    steps = [early, early, late]
    doors = ScriptedDoors(steps, slow="c", known_at=2)

    found = settle(STACK, doors, 3, lambda _done: None, [(NORTH, name) for name in "abc"])  # type: ignore[arg-type]

    assert found.unfinished is None
    assert found.book.deliveries["assessed"] == 3


def test_a_message_that_is_queued_between_two_looks_is_waited_for() -> None:
    doors = ScriptedDoors([{"assessed": 1}], sent_at=5)

    found = settle(STACK, doors, 1, lambda _done: None)  # type: ignore[arg-type]

    assert found.unfinished is None
    assert found.book.messages == {("email", "sent"): 1}


def test_what_was_taken_is_in_doubt_only_when_something_was_sent_again() -> None:
    tally = Tally(taken=[])
    tally.count(Item(1, NORTH, b"{}"), LineResult("accepted", rating_id="a"))
    assert tally.doubtful == []

    tally.sent_again = 1
    assert tally.doubtful == [(NORTH, "a")]
