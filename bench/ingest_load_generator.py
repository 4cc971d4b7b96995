"""Generates load for ingest, and prints counts and response times as one JSON line.

    python -m bench.ingest_load_generator single|batch URL KEY SECONDS CONNECTIONS

Requests are prepared before the clock starts and answers are only counted, so that the generator needs little
of the processor that it shares with ingest.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import uvloop

BATCH_LINES = 5_000
DYADS = 2_000


@dataclass(slots=True)
class LoadResult:
    """Answers by outcome, and response times."""

    accepted: int = 0
    other: int = 0
    seconds: list[float] = field(default_factory=list)


def rating(number: int) -> bytes:
    """Return the body of one rating, as large as a practice's system sends it."""
    dyad = number % DYADS
    return json.dumps(
        {
            "id": f"{number:08x}-6f53-4e13-9d5e-2f5c3c0e8c11",
            "client_id": f"c-{dyad:06d}",
            "therapist_id": f"t-{dyad % 50:03d}",
            "session_id": f"s-{number:08d}",
            "session_at": "2026-11-20T10:00:00+01:00",
            "instrument": "srs",
            "items": [9.2, 8.8, round(number % 100 / 10, 1), 9.1],
            "recorded_at": "2026-11-20T10:50:00+01:00",
        },
        separators=(",", ":"),
    ).encode()


def request(path: str, host: str, key: str, media_type: str, body: bytes) -> bytes:
    """Return one HTTP request as bytes."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    if b"chunked" in head:
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
        return head, body
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head, await reader.readexactly(length)


async def _connection(host: str, port: int, requests: list[bytes], until: float, result: LoadResult) -> None:
    reader, writer = await asyncio.open_connection(host, port, limit=2**20)
    turn = 0
    while time.monotonic() < until:
        sent_at = time.monotonic()
        writer.write(requests[turn % len(requests)])
        turn += 1
        head, body = await _answer(reader)
        result.seconds.append(time.monotonic() - sent_at)
        lines = body.splitlines() if b"ndjson" in head else [body]
        good = sum(b"accepted" in line for line in lines) if b" 20" in head[:13] else 0
        result.accepted += good
        result.other += len(lines) - good
    writer.close()


async def load(kind: str, url: str, key: str, seconds: float, connections: int) -> LoadResult:
    """Send requests for `seconds` over this number of connections."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    result = LoadResult()
    work = []
    for each in range(connections):
        if kind == "batch":
            body = b"\n".join(rating(each * BATCH_LINES + line) for line in range(BATCH_LINES))
            requests = [request(parts.path, host, key, "application/x-ndjson", body)]
        else:
            bodies = [rating(each * 1_000 + number) for number in range(200)]
            requests = [request(parts.path, host, key, "application/json", body) for body in bodies]
        work.append(requests)
    until = time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        for requests in work:
            group.create_task(_connection(host, port, requests, until, result))
    return result


def main() -> None:
    """Run once and print the result."""
    kind, url, key, seconds, connections = sys.argv[1:]
    started = time.monotonic()
    result = uvloop.run(load(kind, url, key, float(seconds), int(connections)))
    took = time.monotonic() - started
    ordered = sorted(result.seconds)
    print(
        json.dumps(
            {
                "accepted": result.accepted,
                "other": result.other,
                "per_second": round(result.accepted / took, 1),
                "p50_ms": round(1000 * ordered[len(ordered) // 2], 2),
                "p99_ms": round(1000 * ordered[int(len(ordered) * 0.99)], 2),
            }
        )
    )


if __name__ == "__main__":
    main()
