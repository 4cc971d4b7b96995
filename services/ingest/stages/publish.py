"""Fourth stage: records in; each that Kafka acknowledged in time goes on, the others may be sent again."""

from services.ingest.context import Door
from services.ingest.refusal import Reason, Refusal
from services.ingest.request_batch import Parcel

NOT_STORED = Refusal(
    Reason.BROKER_SILENT,
    "The rating was not acknowledged as stored. Send it again with the same id: it counts once.",
    retry_after_s=2,
)


async def publish(door: Door, parcel: Parcel) -> None:
    """Publish what is still going, in order. A rating without an acknowledgement is never called accepted."""
    sent = [(draft, draft.record) for draft in parcel.going if draft.record is not None]
    if not sent:
        return
    acknowledged = await door.publisher.publish(parcel.practice, [record for _, record in sent])
    for (draft, _), stored in zip(sent, acknowledged, strict=True):
        if not stored:
            draft.refusal = NOT_STORED
