"""Runs the embedded Kafka broker: prints its bootstrap address, and ends when its parent process ends.

    python -m services.cli.local.mock_kafka

It implements Kafka's protocol, keeps all records in memory and starts empty: for trials and tests.
"""

import ctypes
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from services.cli.local.parent_watch import when_parent_ends

_PRODUCER = 0
_ERROR_BYTES = 512
_ANY, _TEXT, _INT = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "rd_kafka_conf_new": (_ANY, []),
    "rd_kafka_conf_set": (_INT, [_ANY, _TEXT, _TEXT, _TEXT, ctypes.c_size_t]),
    "rd_kafka_new": (_ANY, [_INT, _ANY, _TEXT, ctypes.c_size_t]),
    "rd_kafka_mock_cluster_new": (_ANY, [_ANY, _INT]),
    "rd_kafka_mock_cluster_bootstraps": (_TEXT, [_ANY]),
    "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, [_ANY, ctypes.c_int32]),
}
"""Result and argument types of the librdkafka functions used here, from rdkafka.h and rdkafka_mock.h."""


def start() -> tuple[str, object]:
    """Start the broker; return its address, and an object that must stay referenced while it runs.

    Raises:
        ImportError: confluent-kafka is not installed.
    """
    from confluent_kafka import Producer

    quick = _start_without_delay()
    if quick is not None:
        return quick
    # log_level 0: librdkafka would log its mock cluster as an emergency.
    host = Producer({"bootstrap.servers": "localhost:1", "test.mock.num.brokers": 1, "log_level": 0})
    broker = next(iter(host.list_topics(timeout=10).brokers.values()))
    return f"{broker.host}:{broker.port}", host


def _start_without_delay() -> tuple[str, object] | None:
    """Start the broker through librdkafka itself, without the delay of 3 s before a new group starts.

    The Python package does not offer this setting. Returns None when the library is not found.
    """
    import confluent_kafka

    package = Path(confluent_kafka.__file__).parent
    found = [*package.parent.glob("confluent_kafka.libs/librdkafka*"), *package.glob(".dylibs/librdkafka*")]
    if not found:
        return None
    library = ctypes.CDLL(str(found[0]))
    if not all(hasattr(library, name) for name in _SIGNATURES):
        return None
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    error = ctypes.create_string_buffer(_ERROR_BYTES)
    config = library.rd_kafka_conf_new()
    library.rd_kafka_conf_set(config, b"log_level", b"0", error, _ERROR_BYTES)
    client = library.rd_kafka_new(_PRODUCER, config, error, _ERROR_BYTES)
    cluster = library.rd_kafka_mock_cluster_new(client, 1) if client else None
    if not cluster:
        return None
    library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0)
    bootstrap: bytes = library.rd_kafka_mock_cluster_bootstraps(cluster)
    return bootstrap.decode(), library


def main() -> int:
    """Serve until the parent process ends, or until SIGTERM or SIGINT."""
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        address, broker = start()
    except ImportError:
        sys.stderr.write(
            "The embedded broker needs more packages: pip install 'rapport[embedded]', "
            "or set KAFKA_BOOTSTRAP_SERVERS to a Kafka of your own.\n"
        )
        return 1
    print(address, flush=True)
    when_parent_ends(ended.set)
    ended.wait()
    del broker
    return 0


if __name__ == "__main__":
    sys.exit(main())
