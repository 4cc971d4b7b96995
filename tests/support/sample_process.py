"""The sample service as a process of its own, to be killed: python -m tests.support.sample_process NAME."""

import asyncio
import os
import sys

from services.runtime.checkpoint import checkpoint_from
from tests.support.sample import Sample


async def main() -> None:
    """Consume until killed."""
    sample = Sample(os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["DATABASE_URL"], sys.argv[1])
    process = sample.consumer(checkpoint=checkpoint_from(os.environ), max_records=10)
    await process.consumer.run()


if __name__ == "__main__":
    asyncio.run(main())
