"""The embedded broker as a process of its own: prints `bootstrap cluster-id`, ends when its parent ends.

    python -m services.console.broker

It speaks Kafka's protocol, keeps everything in memory and starts empty: for trying out and for tests.
"""

import signal
import sys
import threading
from types import FrameType

from services.console.parent import when_parent_ends


def main() -> int:
    """Serve until the parent process ends, or until SIGTERM or SIGINT."""
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        from confluent_kafka import Producer
    except ImportError:
        sys.stderr.write(
            "The embedded broker needs the extra parts: pip install 'rapport[embedded]', "
            "or set KAFKA_BOOTSTRAP_SERVERS to a Kafka of your own.\n"
        )
        return 1
    # log_level 0: librdkafka announces its mock cluster as an emergency on stderr, and it is none.
    host = Producer({"bootstrap.servers": "localhost:1", "test.mock.num.brokers": 1, "log_level": 0})
    metadata = host.list_topics(timeout=10)
    broker = next(iter(metadata.brokers.values()))
    print(f"{broker.host}:{broker.port} {metadata.cluster_id}", flush=True)
    when_parent_ends(ended.set)
    ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
