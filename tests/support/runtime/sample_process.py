"""Runs the sample service as a process that tests can kill.

python -m tests.support.runtime.sample_process NAME

`SAMPLE_FREEZE_AT=VALUE` stops it (SIGSTOP) inside the transaction of the record with this value.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from services.runtime.kafka.record import Record
from services.runtime.outbox.transaction import Transaction
from services.runtime.process.kill_points import checkpoint_from
from tests.support.runtime.sample_service import Sample


class FreezingSample(Sample):
    """The sample service, which freezes in the middle of a pipeline."""

    freeze_at = ""

    async def handle(self, tx: Transaction, records: Sequence[Record]) -> None:
        """Handle records; at the given one, write its effect and freeze before anything is answered."""
        if self.freeze_at not in {(record.value or b"").decode() for record in records}:
            await super().handle(tx, records)
            return
        async with tx.conn.pipeline():
            await super().handle(tx, records)
            os.kill(os.getpid(), signal.SIGSTOP)


async def main() -> None:
    """Consume until killed."""
    environment = os.environ
    sample = FreezingSample(
        environment["KAFKA_BOOTSTRAP_SERVERS"],
        environment["DATABASE_URL"],
        sys.argv[1],
        embedded=bool(environment.get("SAMPLE_EMBEDDED", "yes")),
    )
    sample.freeze_at = environment.get("SAMPLE_FREEZE_AT", "-")
    kafka = sample.kafka.model_copy(update={"group_instance_id": environment.get("KAFKA_GROUP_INSTANCE_ID")})
    process = sample.consumer(checkpoint=checkpoint_from(environment), max_records=10, kafka=kafka)
    await process.consumer.run()


if __name__ == "__main__":
    asyncio.run(main())
