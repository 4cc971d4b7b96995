"""The embedded broker as a process of its own: prints `bootstrap cluster-id`, ends when its parent ends.

    python -m services.console.broker

It speaks Kafka's protocol, keeps everything in memory and starts empty: for trying out and for tests.
"""

import ctypes
import signal
import sys
import threading
from pathlib import Path
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
    servers = quick_cluster()
    kind = {"bootstrap.servers": servers} if servers else {"test.mock.num.brokers": 1}
    host = Producer({"bootstrap.servers": "localhost:1", "log_level": 0} | kind)
    metadata = host.list_topics(timeout=10)
    broker = next(iter(metadata.brokers.values()))
    print(f"{broker.host}:{broker.port} {metadata.cluster_id}", flush=True)
    when_parent_ends(ended.set)
    ended.wait()
    return 0


def quick_cluster() -> str | None:
    """Start librdkafka's mock cluster by hand; its address, or None where the library cannot be found.

    Made through the settings, it lets the first member of a group wait 3 s for others; this one does not.
    """
    import confluent_kafka

    package = Path(confluent_kafka.__file__).parent
    found = [*package.parent.glob("confluent_kafka.libs/librdkafka*"), *package.glob(".dylibs/librdkafka*")]
    try:
        library = ctypes.CDLL(str(found[0]))
        new_settings, new_client = library.rd_kafka_conf_new, library.rd_kafka_new
        new_cluster, addresses = library.rd_kafka_mock_cluster_new, library.rd_kafka_mock_cluster_bootstraps
        set_delay = library.rd_kafka_mock_group_initial_rebalance_delay_ms
    except (AttributeError, IndexError, OSError):
        return None
    new_settings.restype = new_client.restype = new_cluster.restype = ctypes.c_void_p
    addresses.restype = ctypes.c_char_p
    message = ctypes.create_string_buffer(256)
    settings = ctypes.c_void_p(new_settings())
    library.rd_kafka_conf_set(settings, b"log_level", b"0", message, ctypes.c_size_t(256))
    client = ctypes.c_void_p(new_client(0, settings, message, ctypes.c_size_t(256)))
    cluster = ctypes.c_void_p(None if client.value is None else new_cluster(client, 1))
    if cluster.value is None:
        return None
    set_delay(cluster, ctypes.c_int32(0))
    servers: bytes = addresses(cluster)
    return servers.decode()


if __name__ == "__main__":
    sys.exit(main())
