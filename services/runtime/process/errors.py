"""Errors that say what the program does next.

Fault
├── Retry     Kafka or PostgreSQL is away: pause, then repeat the same work
├── Reject    this record cannot be processed: store it with the reason, continue with the next
└── Halt      continuing would do harm: stop, show the reason in readiness and log, wait for an operator
"""


class Fault(Exception):
    """An error whose type says what the program does next, and whose message says what its reader does."""


class Retry(Fault):
    """Kafka, PostgreSQL or the network failed: the same work may succeed after a pause."""


class Reject(Fault):
    """One record cannot be processed.

    `reason` is a code from a closed list, `detail` a sentence without personal data. `counts_for_fuse` is
    true for records that cannot be decoded or processed, false for rejections by the domain's rules.
    """

    def __init__(self, reason: str, detail: str, *, counts_for_fuse: bool = False) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.counts_for_fuse = counts_for_fuse


class Halt(Fault):
    """Continuing would do harm; the message names the command or the change that repairs it."""
