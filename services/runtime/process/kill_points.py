"""Checkpoints: labels on the way of a batch, at which a fault test ends the process or raises.

The labels, in the order in which a batch passes them:

after-read, after-decode, before-commit-transaction, after-commit-transaction, after-publish-one,
after-publish, before-commit-offset, after-commit-offset, after-delete-outbox
"""

import os
from collections.abc import Callable, Mapping

Checkpoint = Callable[[str], None]

LABELS = (
    "after-read",
    "after-decode",
    "before-commit-transaction",
    "after-commit-transaction",
    "after-publish-one",
    "after-publish",
    "before-commit-offset",
    "after-commit-offset",
    "after-delete-outbox",
)

KILLED_EXIT_CODE = 137
"""The exit code of a process that was killed (128 + SIGKILL), so that both deaths look alike."""


def no_checkpoint(_label: str) -> None:
    """Pass every label."""


def kill_at(spec: str | None) -> Checkpoint:
    """A checkpoint that ends the process at once, without clean-up, at `label` or the nth `label:n`.

    Raises:
        ValueError: no such label, or a count that is no positive number.
    """
    if not spec:
        return no_checkpoint
    wanted, _, count = spec.partition(":")
    if wanted not in LABELS:
        raise ValueError(f"no checkpoint is called {wanted!r}; the labels are {', '.join(LABELS)}")
    left = int(count or "1")
    if left < 1:
        raise ValueError(f"the count in {spec!r} must be 1 or more")

    def checkpoint(label: str) -> None:
        nonlocal left
        if label == wanted:
            left -= 1
            if left == 0:
                os._exit(KILLED_EXIT_CODE)

    return checkpoint


def checkpoint_from(environment: Mapping[str, str]) -> Checkpoint:
    """The checkpoint that the environment asks for (`RAPPORT_KILL_AT`): none in ordinary operation."""
    return kill_at(environment.get("RAPPORT_KILL_AT"))
