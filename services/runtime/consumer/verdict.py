"""Decides whether records whose transaction failed are tried again, halved or set aside."""

from collections.abc import Sequence

from services.runtime.kafka.record import Record
from services.runtime.process.consumer_metrics import RetryReason
from services.runtime.process.errors import Collision, Fault, Reject
from services.runtime.process.log import describe, get_logger
from services.runtime.process.retry_reason import is_collision, retry_reason


def verdict(error: Exception, records: Sequence[Record], *, last: bool) -> Reject | None:
    """Return why these records cannot be applied together; None to try them once more.

    At the `last` time they are not tried again.

    Raises:
        Exception: the error itself, which says nothing about the records.
    """
    if isinstance(error, Reject):
        return error
    reason = retry_reason(error)
    if reason is RetryReason.TOO_MUCH:
        # A record alone may have met a database that was slow for a moment.
        if len(records) == 1 and not last:
            return None
    elif is_collision(error):
        if not last:
            return None
        if not isinstance(error, Collision):
            raise error
    elif reason is not None or isinstance(error, Fault):
        raise error
    if len(records) == 1:
        get_logger().error("record-unprocessable", record=repr(records[0]), exc_info=error)
    # The message of a library's exception may quote the record; its type does not.
    return Reject("unprocessable", describe(error), counts_for_fuse=True)
