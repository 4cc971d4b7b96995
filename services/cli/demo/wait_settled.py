"""Waits until the system has processed everything it accepted, or says what is still unfinished."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.cli.client.api_client import ApiClient
from services.cli.client.stack_access import StackAccess
from services.cli.demo.balance import NetworkBalance, read_balance

NO_PROGRESS_DEADLINE_S = 60.0
"""How long nothing may change before the wait is given up."""
POLL_S = 0.2
NO_OUTCOME = ("pending", None)
UNSENT_STATES = frozenset({"pending", "retrying"})


@dataclass(frozen=True, slots=True)
class SettledState:
    """The balances, episodes and decisions once no work is pending."""

    balance: NetworkBalance
    episodes: list[dict[str, Any]] = field(default_factory=list)
    """As the results API gives them, with `practice` added."""
    decisions: list[dict[str, Any]] = field(default_factory=list)
    """As the notifier's API gives them, with `practice` added."""
    unfinished: str | None = None
    """What was still unfinished when the wait was given up; None when everything is finished."""


def wait_until_settled(
    stack: StackAccess,
    client: ApiClient,
    expected: int,
    progress: Callable[[int], None],
    unverified: Sequence[tuple[str | None, str]] = (),
) -> SettledState:
    """Wait until every delivery has an outcome, every change is decided upon, and every message is sent.

    Args:
        stack: which practices to look at.
        client: a client of that stack.
        expected: number of deliveries that must have an outcome.
        progress: is called with the number of deliveries that have one.
        unverified: (practice, rating id) pairs to ask for one by one: where ratings may have been delivered
            twice, counts alone cannot show that each of them has an outcome.
    """
    last_state, since = None, time.monotonic()
    pending = list(unverified)
    while True:
        balance = read_balance(client, stack.practices)
        progress(min(balance.delivered, expected))
        unfinished = _unfinished(balance, expected)
        if unfinished is None and pending:
            pending = [rating for rating in pending if client.rating_status(*rating) in NO_OUTCOME]
            unfinished = f"{len(pending)} accepted ratings have no outcome yet" if pending else None
            # The balance must be read after the statuses to include their outcomes.
            balance = read_balance(client, stack.practices)
        if unfinished is None:
            settled = _read_state(stack, client)
            if settled.unfinished is None:
                return settled
            unfinished = settled.unfinished
        state = (balance, unfinished)
        if state != last_state:
            last_state, since = state, time.monotonic()
        elif time.monotonic() - since > NO_PROGRESS_DEADLINE_S:
            return SettledState(balance, unfinished=unfinished)
        time.sleep(POLL_S)


def _unfinished(balance: NetworkBalance, expected: int) -> str | None:
    if balance.delivered < expected:
        return f"{expected - balance.delivered} accepted ratings have no outcome yet"
    unsent = sum(count for (_, state), count in balance.messages.items() if state in UNSENT_STATES)
    return f"{unsent} messages are not sent yet" if unsent else None


def _read_state(stack: StackAccess, client: ApiClient) -> SettledState:
    # An episode that changed between two pages appears on both; the later one is newer.
    episodes = {
        str(episode["episode_id"]): {**episode, "practice": practice}
        for practice in stack.practices
        for episode in client.episodes(practice)
    }
    decisions = [
        {**decision, "practice": practice}
        for practice in stack.practices
        for decision in client.notifications(practice)
    ]
    decided = {(str(decision["episode_id"]), decision["revision"]) for decision in decisions}
    # An episode's changes are decided in order; over a restored database their revisions have gaps.
    last_changes = {(episode_id, episode["revision"]) for episode_id, episode in episodes.items()}
    undecided = len(last_changes - decided)
    # Read last: a decision may have queued a message since the first balance.
    balance = read_balance(client, stack.practices)
    unfinished = (
        f"{undecided} episodes have changed, and the notifier has not decided upon that yet"
        if undecided
        else _unfinished(balance, 0)
    )
    return SettledState(balance, list(episodes.values()), decisions, unfinished)
