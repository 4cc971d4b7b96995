"""A stack that is still at work in, everything settled out: or the sentence that says what is not."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.cli.client.api_client import ApiClient
from services.cli.client.stack_access import StackAccess
from services.cli.demo.balance import NetworkBalance, read_balance

QUIET_DEADLINE_S = 60.0
"""How long nothing may move before the wait is given up."""
POLL_S = 0.2
PENDING = "pending"
WAITING = frozenset({"pending", "retrying"})


@dataclass(frozen=True, slots=True)
class SettledState:
    """The balances, episodes and decisions once no work is pending."""

    balance: NetworkBalance
    episodes: list[dict[str, Any]] = field(default_factory=list)
    """Each with `practice` beside what the door gives."""
    decisions: list[dict[str, Any]] = field(default_factory=list)
    unfinished: str | None = None
    """What was still under way when the wait was given up; None: nothing."""


def wait_until_settled(
    stack: StackAccess,
    client: ApiClient,
    expected: int,
    moved: Callable[[int], None],
    unverified: Sequence[tuple[str | None, str]] = (),
) -> SettledState:
    """Wait until `expected` deliveries have an outcome, every change of an episode is decided upon, and
    every message is sent; `moved` hears how many deliveries have one.

    `unverified`: practice and id of ratings that are asked for one by one, because deliveries of others may
    have come twice and then hide in the count that these are still under way.
    """
    last, since = None, time.monotonic()
    pending = list(unverified)
    while True:
        balance = read_balance(client, stack.practices)
        moved(min(balance.delivered, expected))
        unfinished = _behind(balance, expected)
        if unfinished is None and pending:
            pending = [one for one in pending if client.rating_status(*one) == PENDING]
            unfinished = f"{len(pending)} accepted ratings have no outcome yet" if pending else None
            # What became of them stands in a balance that is read after them.
            balance = read_balance(client, stack.practices)
        if unfinished is None:
            settled = _gather(stack, client)
            if settled.unfinished is None:
                return settled
            unfinished = settled.unfinished
        state = (balance, unfinished)
        if state != last:
            last, since = state, time.monotonic()
        elif time.monotonic() - since > QUIET_DEADLINE_S:
            return SettledState(balance, unfinished=unfinished)
        time.sleep(POLL_S)


def _behind(balance: NetworkBalance, expected: int) -> str | None:
    if balance.delivered < expected:
        return f"{expected - balance.delivered} accepted ratings have no outcome yet"
    waiting = sum(count for (_, state), count in balance.messages.items() if state in WAITING)
    return f"{waiting} messages are not sent yet" if waiting else None


def _gather(stack: StackAccess, client: ApiClient) -> SettledState:
    # An episode that changed while the pages were read stands in two of them: the last is the newest.
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
    decided = {(str(one["episode_id"]), one["revision"]) for one in decisions}
    wanted = {
        (str(one["episode_id"]), revision)
        for one in episodes.values()
        for revision in range(1, one["revision"] + 1)
    }
    missing = len(wanted - decided)
    # Read again: a decision may have queued a message after the first look.
    balance = read_balance(client, stack.practices)
    return SettledState(
        balance,
        list(episodes.values()),
        decisions,
        f"{missing} changes of episodes are not decided upon by the notifier yet"
        if missing
        else _behind(balance, 0),
    )
