"""Spoils a good record in every way that a foreign or broken producer might."""

import json
import secrets
from collections.abc import Iterator, Sequence
from math import inf, nan
from typing import Any, NamedTuple

import psycopg
from aiokafka import AIOKafkaProducer

TOO_LONG = secrets.token_hex(4_000)
"""Longer than a row of an index, and no compression helps."""
_NOT_JSON = {
    "nothing": b"",
    "no JSON": b"\x00\xff",
    "half a record": b'{"type":"alliance.',
    "not UTF-8": b'{"type":"\xff\xfe"}',
    "a list": b"[]",
    "null": b"null",
    "a number": b"1e999",
    "2 MB of anything": b"x" * 2_000_000,
    "nested": b"[" * 100_000,
}


class Poison(NamedTuple):
    """A record that cannot be processed."""

    name: str
    key: bytes | None
    value: bytes | None


def poisons(key: bytes, good: bytes, *, other_type: str) -> Iterator[Poison]:
    """Yield every kind of poison that can be made of a good record, which is left alone.

    `other_type` is the type of an event that is not allowed on the record's topic.
    """
    yield Poison("no key", None, good)
    yield Poison("a key of 300 kB", b"k" * 300_000, good)
    yield Poison("no value", key, None)
    for name, value in _NOT_JSON.items():
        yield Poison(name, key, value)
    event = json.loads(good)
    text = good.decode()
    yield Poison("an unknown type", key, _encode(event | {"type": "alliance.made-up.v9"}))
    yield Poison("an event of another topic", key, _encode(event | {"type": other_type}))
    deep = '{"unknown":' * 20_000 + "1" + "}" * 20_000
    yield Poison("nested 20,000 deep in an unknown field", key, f'{text[:-1]},"unknown":{deep}}}'.encode())
    for name, value in event["data"].items():
        for wrong in ([1], {"a": 1}, True, 10**400):
            fits = isinstance(value, list | dict) and isinstance(wrong, list | dict)
            if not fits and not (
                isinstance(value, int | float) and wrong is True
            ):  # JSON's true may count as 1
                yield Poison(f"{name} is a {type(wrong).__name__}", key, _with(event, name, wrong))
        for unreal in (nan, inf):
            if isinstance(value, float):
                yield Poison(f"{name} is {unreal}", key, _with(event, name, unreal))
            elif isinstance(value, list) and isinstance(value[0], float):
                yield Poison(f"{name} holds {unreal}", key, _with(event, name, [unreal, *value[1:]]))
        if isinstance(value, str):
            yield from _texts(key, event, name, value)


def _texts(key: bytes, event: dict[str, Any], name: str, value: str) -> Iterator[Poison]:
    yield Poison(f"U+0000 in {name}", key, _with(event, name, f"{value}\0"))
    yield Poison(f"half a character in {name}", key, _with(event, name, f"{value}\ud800"))
    yield Poison(f"{name} is too long", key, _with(event, name, TOO_LONG))
    if value[4:5] == "-" and value[10:11] == "T":
        yield Poison(f"{name} at the beginning", key, _with(event, name, "0001-01-01T00:00:00+14:00"))
        yield Poison(f"{name} at the end", key, _with(event, name, "9999-12-31T23:59:59-14:00"))


def _with(event: dict[str, Any], field: str, value: object) -> bytes:
    return _encode(event | {"data": event["data"] | {field: value}})


def _encode(event: dict[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


async def send_mixed(
    bootstrap: str, topic: str, bad: Sequence[Poison], good: Sequence[tuple[bytes | None, bytes | None]]
) -> None:
    """Write each poison and, behind it, one good record (key and value) into partition 0 of a topic."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=4_000_000)
    await producer.start()
    try:
        for poison, (key, value) in zip(bad, good, strict=True):
            await producer.send(topic, poison.value, key=poison.key, partition=0)
            await producer.send(topic, value, key=key, partition=0)
        await producer.flush()
    finally:
        await producer.stop()


def rejections(conn: psycopg.Connection[Any], schema: str) -> list[tuple[int, str, bytes | None]]:
    """Return offset, reason and value of every record that a service set aside, in the order of the log."""
    query = f'SELECT "offset", reason, value FROM {schema}.rejection ORDER BY "offset"'
    return conn.execute(query.encode()).fetchall()
