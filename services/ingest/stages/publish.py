"""Fourth stage: publishes the records; those not acknowledged in time are refused and may be sent again."""

from services.ingest.refusal import Refusal, RefusalReason
from services.ingest.request_batch import IngestContext, RequestBatch

NOT_STORED = Refusal(
    RefusalReason.BROKER_SILENT,
    "The rating may not be stored. Send it again with the same id: it counts once.",
    retry_after_s=2,
)


async def publish(context: IngestContext, batch: RequestBatch) -> None:
    """Publish the pending records in order, and refuse those that Kafka does not acknowledge in time."""
    sent = [(attempt, attempt.record) for attempt in batch.pending if attempt.record is not None]
    if not sent:
        return
    acknowledged = await context.publisher.publish(batch.practice, [record for _, record in sent])
    for (attempt, _), stored in zip(sent, acknowledged, strict=True):
        if not stored:
            attempt.refusal = NOT_STORED
