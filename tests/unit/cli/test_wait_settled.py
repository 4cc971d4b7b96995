"""The wait for a quiet system ends when every accepted rating has an outcome, and not before."""

from collections.abc import Iterator
from typing import Any

import pytest

from services.cli.client.api_client import RatingResult
from services.cli.client.send_ratings import DeliveryReport, RatingToSend
from services.cli.client.stack_access import StackAccess
from services.cli.demo import wait_settled
from services.cli.demo.wait_settled import wait_until_settled

NORTH = "north"
STACK = StackAccess("", "", "", (NORTH,), "")


class ScriptedClient:
    """ApiClient that answers what a script says: each look at the balance is one step further."""

    def __init__(
        self, steps: list[dict[str, int]], slow: str = "", known_at: int = 0, sent_at: int = 0
    ) -> None:
        self._steps = steps
        self._sent_at = sent_at
        self._message_looks = 0
        self._slow = slow
        self._known_at = known_at
        self.looks = 0
        self.revisions = (0, 0)
        """The newest revision of an episode, and the one that was decided upon last; 0 for none."""

    def results_balance(self, practice: str | None) -> dict[str, Any]:
        step = self._steps[min(self.looks, len(self._steps) - 1)]
        self.looks += 1
        episodes = {"opened": 0, "told": 0, "kept_back": {}}
        none = {
            "assessed": 0,
            "superseded": 0,
            "duplicate": 0,
            "stored": 0,
            "blocked": 0,
            "erased": 0,
            "rejected": {},
        }
        return {"deliveries": none | step, "episodes": episodes}

    def message_balance(self, practice: str | None) -> dict[str, Any]:
        self._message_looks += 1
        if self._message_looks < 2 or not self._sent_at:
            return {"messages": {}, "kept_back": {}}
        state = "sent" if self._message_looks >= self._sent_at else "pending"
        return {"messages": {"email": {state: 1}}, "kept_back": {}}

    def rating_status(self, practice: str | None, rating_id: str) -> str | None:
        return None if rating_id == self._slow and self.looks < self._known_at else "assessed"

    def episodes(self, practice: str | None) -> Iterator[dict[str, Any]]:
        yield from ({"episode_id": "e", "revision": one} for one in self.revisions[:1] if one)

    def notifications(self, practice: str | None) -> Iterator[dict[str, Any]]:
        yield from ({"episode_id": "e", "revision": one} for one in self.revisions[1:] if one)


def test_a_second_delivery_of_one_rating_does_not_stand_for_the_first_of_another() -> None:
    early, late = {"assessed": 2, "duplicate": 1}, {"assessed": 3, "duplicate": 1}
    steps = [early, early, late]
    client = ScriptedClient(steps, slow="c", known_at=2)

    found = wait_until_settled(STACK, client, 3, lambda _done: None, [(NORTH, name) for name in "abc"])  # type: ignore[arg-type]

    assert found.unfinished is None
    assert found.balance.deliveries["assessed"] == 3


def test_a_message_that_is_queued_between_two_looks_is_waited_for() -> None:
    client = ScriptedClient([{"assessed": 1}], sent_at=5)

    found = wait_until_settled(STACK, client, 1, lambda _done: None)  # type: ignore[arg-type]

    assert found.unfinished is None
    assert found.balance.messages == {("email", "sent"): 1}


@pytest.mark.parametrize(("decided", "unfinished"), [(29_000_000, None), (28_999_999, "1 episodes")])
def test_the_newest_change_of_an_episode_is_waited_for_and_no_revision_that_never_was(
    decided: int, unfinished: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait_settled, "NO_PROGRESS_DEADLINE_S", 0.1)
    client = ScriptedClient([{"assessed": 1}])
    client.revisions = (29_000_000, decided)

    found = wait_until_settled(STACK, client, 1, lambda _done: None)  # type: ignore[arg-type]

    assert (found.unfinished and found.unfinished[: len("1 episodes")]) == unfinished


def test_what_was_taken_is_in_doubt_only_when_something_was_sent_again() -> None:
    report = DeliveryReport(accepted_ids=[])
    report.count(RatingToSend(1, NORTH, b"{}"), RatingResult("accepted", rating_id="a"))
    assert report.unverified == []

    report.sent_again = 1
    assert report.unverified == [(NORTH, "a")]
