"""Writes one rating a line from standard input into Kafka, with confluent-kafka.

Settings: KAFKA_BOOTSTRAP_SERVERS, RAPPORT_PRACTICE, RECORD_KEY_SECRET, and KAFKA_USERNAME with KAFKA_PASSWORD
where Kafka asks who writes.
"""

import json
import os
import sys
from datetime import UTC, datetime

from confluent_kafka import KafkaError, Message, Producer
from session_rated import HEADERS, TOPIC, record

settings: dict[str, str | bool] = {
    "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
    "acks": "all",
    "enable.idempotence": True,
    # Its default is CRC32, which puts a client's ratings into another partition than everybody else does.
    "partitioner": "murmur2_random",
}
if "KAFKA_USERNAME" in os.environ:
    # Over a network: SASL_SSL and ssl.ca.location.
    settings |= {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": os.environ["KAFKA_USERNAME"],
        "sasl.password": os.environ["KAFKA_PASSWORD"],
    }
failed: list[str] = []


def delivered(error: KafkaError | None, _message: Message) -> None:
    """Note what was not acknowledged: send it again with the same id."""
    if error is not None:
        failed.append(error.str())


producer = Producer(settings)
practice, secret = os.environ["RAPPORT_PRACTICE"], os.environ["RECORD_KEY_SECRET"].encode()
for line in sys.stdin:
    key, value = record(json.loads(line), practice, secret, datetime.now(UTC))
    producer.produce(TOPIC, value, key, headers=HEADERS, on_delivery=delivered)
    producer.poll(0)
unsent = producer.flush(30)
if unsent or failed:
    sys.exit(f"{unsent + len(failed)} ratings are not acknowledged: {', '.join(set(failed)) or 'no answer'}")
