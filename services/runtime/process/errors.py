"""Errors that say what the program does next.

Fault
├── Retry     Kafka or PostgreSQL is away: pause, then repeat the same work
│   ├── Collision   another transaction did the same at the same moment: repeat the same work at once
│   └── Hang        this process finishes not even what is known to be good: no record is at fault
├── TooMuch   the work takes longer than one transaction may: do it in smaller parts
├── Reject    this record cannot be processed: store it with the reason, continue with the next
└── Halt      continuing would do harm: stop, show the reason in readiness and log, wait for an operator
"""


class Fault(Exception):
    """An error whose type says what the program does next, and whose message says what its reader does."""


class Retry(Fault):
    """Kafka, PostgreSQL or the network failed: the same work may succeed after a pause."""


class Collision(Retry):
    """Another transaction claimed the same at the same moment: the same work finds its claim, a moment later.

    Whoever raises it names its cause. Work that collides again and again is at fault itself.
    """


class Hang(Retry):
    """This process does not finish work that is known to be good: only a new process may get on.

    The same work is tried again, and the process says that it is not alive.
    """


class TooMuch(Fault):
    """The work takes longer than one transaction may: only smaller parts of it can succeed."""


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
