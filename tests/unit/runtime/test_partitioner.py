"""Keys are assigned to the same partitions as by Kafka's own clients."""

import pytest
from aiokafka.partitioner import DefaultPartitioner

from services.runtime.kafka.producer import partition_of


@pytest.mark.parametrize("partitions", [4, 24])
def test_a_key_is_assigned_to_the_partition_that_kafkas_own_clients_choose(partitions: int) -> None:
    kafka_partitioner = DefaultPartitioner()
    all_partitions = list(range(partitions))

    for number in range(200):
        key = f"key-{number}".encode()
        assert kafka_partitioner(key, all_partitions, all_partitions) == partition_of(key, partitions)


def test_the_partition_of_a_known_key_never_changes() -> None:
    # From Kafka's own tests of murmur2: the hash of this key is 582546592 after its sign bit is cleared.
    assert (
        partition_of(b"a-little-bit-long-string", 1_000_000_007) == (-985981536 & 0x7FFFFFFF) % 1_000_000_007
    )
