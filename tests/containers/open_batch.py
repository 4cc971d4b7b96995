"""Ratings in, sent as one batch whose end is held back; their results out once it is let go."""

import http.client
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 30


class OpenBatch:
    """One request to ingest's batch door: begun, and in flight until `end`."""

    def __init__(self, ingest_url: str, key: str) -> None:
        where = urlsplit(ingest_url)
        self._door = http.client.HTTPConnection(str(where.hostname), where.port, timeout=TIMEOUT_S)
        self._door.putrequest("POST", "/v1/ratings/batch")
        self._door.putheader("Authorization", f"Bearer {key}")
        self._door.putheader("Content-Type", "application/x-ndjson")
        self._door.putheader("Transfer-Encoding", "chunked")
        self._door.endheaders()

    def send(self, ratings: Sequence[dict[str, object]]) -> None:
        """Send some more lines."""
        lines = b"".join(json.dumps(rating).encode() + b"\n" for rating in ratings)
        self._door.send(f"{len(lines):x}\r\n".encode() + lines + b"\r\n")

    def end(self) -> list[dict[str, Any]]:
        """End the body; the result of each line.

        Raises:
            AssertionError: the batch as a whole was refused.
            OSError, http.client.HTTPException: the request was not answered to its end.
        """
        self._door.send(b"0\r\n\r\n")
        try:
            answer = self._door.getresponse()
            said = answer.read()
            assert answer.status == http.client.OK, said
            return [json.loads(line) for line in said.splitlines()]
        finally:
            self._door.close()
