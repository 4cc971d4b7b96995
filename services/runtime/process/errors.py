"""Errors are instructions.

Fault
├── Retry     the surroundings failed (broker or database away): back off, then the same work again
├── Reject    this one record cannot be processed: store it with the reason, go on with the next
└── Halt      going on would do harm: stop, show why in readiness and log, a person must act
"""


class Fault(Exception):
    """What a stage raises to say what is to be done; the message tells its reader what to do next."""


class Retry(Fault):
    """The surroundings failed: the same work is worth trying again after a pause."""


class Reject(Fault):
    """One record cannot be processed.

    `reason` is a code from a closed list, `detail` a sentence without personal data. `counts_for_fuse` is
    true for records that cannot be decoded or processed, false for rejections the domain decides on.
    """

    def __init__(self, reason: str, detail: str, *, counts_for_fuse: bool = False) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.counts_for_fuse = counts_for_fuse


class Halt(Fault):
    """Going on would do harm; the message names the command or the change that repairs it."""
