"""The sample service as a process of its own, to be harmed.

python -m tests.support.runtime.sample_process NAME
"""

import asyncio
import os
import sys

from services.runtime.process.kill_points import checkpoint_from
from tests.support.runtime.sample_service import Sample


async def main() -> None:
    """Consume until killed."""
    given = os.environ
    sample = Sample(
        given["KAFKA_BOOTSTRAP_SERVERS"],
        given["DATABASE_URL"],
        sys.argv[1],
        embedded=bool(given.get("SAMPLE_EMBEDDED", "yes")),
    )
    kafka = sample.kafka.model_copy(update={"group_instance_id": given.get("KAFKA_GROUP_INSTANCE_ID")})
    process = sample.consumer(checkpoint=checkpoint_from(given), max_records=10, kafka=kafka)
    await process.consumer.run()


if __name__ == "__main__":
    asyncio.run(main())
