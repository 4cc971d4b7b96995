"""Runs the sample service as a process that tests can kill.

python -m tests.support.runtime.sample_process NAME
"""

import asyncio
import os
import sys

from services.runtime.process.kill_points import checkpoint_from
from tests.support.runtime.sample_service import Sample


async def main() -> None:
    """Consume until killed."""
    environment = os.environ
    sample = Sample(
        environment["KAFKA_BOOTSTRAP_SERVERS"],
        environment["DATABASE_URL"],
        sys.argv[1],
        embedded=bool(environment.get("SAMPLE_EMBEDDED", "yes")),
    )
    kafka = sample.kafka.model_copy(update={"group_instance_id": environment.get("KAFKA_GROUP_INSTANCE_ID")})
    process = sample.consumer(checkpoint=checkpoint_from(environment), max_records=10, kafka=kafka)
    await process.consumer.run()


if __name__ == "__main__":
    asyncio.run(main())
