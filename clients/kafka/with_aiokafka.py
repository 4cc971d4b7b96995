"""Writes one rating a line from standard input into Kafka, with aiokafka.

Settings: KAFKA_BOOTSTRAP_SERVERS, RAPPORT_PRACTICE, RECORD_KEY_SECRET, and KAFKA_USERNAME with KAFKA_PASSWORD
where Kafka asks who writes.
"""

import asyncio
import json
import os
import sys
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer
from session_rated import HEADERS, TOPIC, record


async def write(lines: list[str]) -> None:
    """Return once every rating is acknowledged; raise if one is not: send it again with the same id."""
    practice, secret = os.environ["RAPPORT_PRACTICE"], os.environ["RECORD_KEY_SECRET"].encode()
    # Over a network: SASL_SSL and an ssl_context.
    signed_in = "KAFKA_USERNAME" in os.environ
    # Its default partitioner is murmur2.
    producer = AIOKafkaProducer(
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        acks="all",
        enable_idempotence=True,
        security_protocol="SASL_PLAINTEXT" if signed_in else "PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_plain_username=os.environ.get("KAFKA_USERNAME"),
        sasl_plain_password=os.environ.get("KAFKA_PASSWORD"),
    )
    async with asyncio.timeout(30), producer:
        sent = []
        for line in lines:
            key, value = record(json.loads(line), practice, secret, datetime.now(UTC))
            sent.append(await producer.send(TOPIC, value, key, headers=HEADERS))
        await asyncio.gather(*sent)


asyncio.run(write(sys.stdin.readlines()))
