"""Builds the record of one rating, for producers that write straight into Kafka.

It needs the standard library only and can be copied; docs/kafka-producers.md states the contract.
"""

import hmac
import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import NAMESPACE_URL, uuid5

TOPIC = "alliance.session-rated.v1"
HISTORY_TOPIC = "alliance.session-history-rated.v1"
HEADERS = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
_TIMES = ("session_at", "next_session_at", "recorded_at")
_OPTIONAL = ("case_id", "items", "scores", "next_session_at", "recorded_at")


def record(rating: dict[str, Any], practice: str, secret: bytes, now: datetime) -> tuple[bytes, bytes]:
    """Return key and value of the record of a rating.

    Args:
        rating: A rating as ingest takes it over HTTP, valid, with an `id`.
        practice: The practice that it belongs to; the producer alone answers for this.
        secret: Makes the key unreadable. The producer's own, the same for good, of at least 32 bytes.
        now: The time of acceptance, aware.
    """
    content = {"status": "rated", **_content(rating)}
    who = (practice, content["therapist_id"], content["client_id"], content.get("case_id", ""))
    key = hmac.digest(secret, "\x1f".join(who).encode(), "sha256")[:16].hex()
    hashed = sha256(_encoded(content)).hexdigest()
    data = {
        "rating_id": rating["id"],
        "practice_id": practice,
        "case_id": "",
        **content,
        "accepted_at": _in_utc(now),
        "content_hash": hashed,
    }
    event = {
        "specversion": "1.0",
        "id": str(uuid5(NAMESPACE_URL, f"{practice}\x1f{rating['id']}\x1f{hashed}")),
        "source": "/your-bridge",
        "type": TOPIC,
        "time": _in_utc(now),
        "subject": key,
        "datacontenttype": "application/json",
        "data": data,
    }
    return key.encode(), _encoded(event)


def _content(rating: dict[str, Any]) -> dict[str, Any]:
    """Return a rating without its id and without what is absent, in the one form that is hashed."""
    content = {name: value for name, value in rating.items() if name != "id"}
    for name in _OPTIONAL:
        if content.get(name) in (None, ""):
            content.pop(name, None)
    for name in _TIMES:
        if name in content:
            content[name] = _in_utc(datetime.fromisoformat(content[name]))
    if "items" in content:
        content["items"] = [None if mark is None else float(mark) for mark in content["items"]]
    if "scores" in content:
        content["scores"] = {part: float(mark) for part, mark in content["scores"].items()}
    return content


def _in_utc(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _encoded(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
