"""Second stage: how much, how fast. A single rating too many is refused at once; a batch is slowed down."""

from services.ingest.context import Door
from services.ingest.quota import KEPT_FOR_SINGLES
from services.ingest.refusal import Reason, Refusal
from services.ingest.request_batch import Parcel

OVERLOADED = Refusal(
    Reason.OVERLOADED,
    "Too many ratings wait for their acknowledgement. Send again with the same id.",
    retry_after_s=1,
)


async def refuse_excess(door: Door, parcel: Parcel) -> None:
    """For single ratings: what is too fast or finds no room is refused at once, and may be sent again."""
    wait_s = door.shares.of(parcel.practice).bucket.take(len(parcel.drafts))
    if wait_s:
        parcel.refuse(
            Refusal(
                Reason.TOO_FAST,
                "This practice sends more ratings than it may. Wait, send again with the same id, or send a "
                "batch, which is paced.",
                retry_after_s=wait_s,
            )
        )
    elif not door.shares.has_room(parcel.practice):
        parcel.refuse(OVERLOADED)


async def pace(door: Door, parcel: Parcel) -> None:
    """For batches: waiting is the answer to "too fast", for reading no further slows the sender down by
    itself. Where there is no room for as long as an acknowledgement may take, the lines may be sent again."""
    share = door.shares.of(parcel.practice)
    async with share.queue:
        while wait_s := share.bucket.take(len(parcel.drafts), keep=KEPT_FOR_SINGLES):
            await door.clock.sleep(wait_s)
        if not await door.shares.room(parcel.practice, door.settings.ack_deadline_s):
            parcel.refuse(OVERLOADED)
