"""Labels that a batch passes in order, at which a fault test ends the process or raises."""

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
"""The exit code after SIGKILL (128 + 9), so that a kill at a label looks like any other kill."""


def no_checkpoint(_label: str) -> None:
    """Pass every label."""


def kill_at(spec: str | None) -> Checkpoint:
    """Return a checkpoint that ends the process without clean-up, at `label` or at the nth `label:n`.

    Raises:
        ValueError: there is no such label, or the count is not a positive number.
    """
    if not spec:
        return no_checkpoint
    kill_label, _, count = spec.partition(":")
    if kill_label not in LABELS:
        raise ValueError(f"no checkpoint is called {kill_label!r}; the labels are {', '.join(LABELS)}")
    left = int(count or "1")
    if left < 1:
        raise ValueError(f"the count in {spec!r} must be 1 or more")

    def checkpoint(label: str) -> None:
        nonlocal left
        if label == kill_label:
            left -= 1
            if left == 0:
                os._exit(KILLED_EXIT_CODE)

    return checkpoint


def checkpoint_from(environment: Mapping[str, str]) -> Checkpoint:
    """Return the checkpoint that `RAPPORT_KILL_AT` asks for; without it, one that does nothing."""
    return kill_at(environment.get("RAPPORT_KILL_AT"))
