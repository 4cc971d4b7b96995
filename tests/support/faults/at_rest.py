"""Says what is to be read and to be empty once everything that was sent has had its effects."""

from collections.abc import Sequence

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.topics import ASSESSED, EPISODE_CHANGED
from tests.support.faults.observed import RATINGS, Ends, patiently

READERS = {
    "rapport-detector": RATINGS,
    "rapport-notifier": (ASSESSED.name, EPISODE_CHANGED.name),
}
"""The consumer groups in the order of the flow, with the topics that lead to an outcome."""
UNFINISHED = {
    "rapport-detector": {
        "nothing waits for its turn": "SELECT count(*) FROM detector.blocked WHERE practice_id = ANY(%s)"
    },
    "rapport-notifier": {
        "every change decided upon": """
            SELECT count(*) FROM detector.episode_change c
            LEFT JOIN notifier.change n USING (episode_id, revision) WHERE
            n.episode_id IS NULL AND c.practice_id = ANY(%s)""",
        "messages sent": """
            SELECT count(*) FROM notifier.delivery
            WHERE state IN ('pending', 'retrying') AND practice_id = ANY(%s)""",
    },
}
"""For each group, what is to be 0 in the tables once it has read everything."""


def committed_offsets(bootstrap: str, group: str) -> Ends:
    """Return the offsets that a consumer group has committed."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})

    def ask() -> Sequence[TopicPartition]:
        (future,) = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]).values()
        found: Sequence[TopicPartition] = future.result(timeout=15).topic_partitions
        return found

    found = patiently(ask)
    return {(one.topic, one.partition): one.offset for one in found if one.offset >= 0}
