"""Sends ratings to ingest as one batch request that stays open until it is ended."""

import http.client
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 30


class OpenBatch:
    """One batch request to ingest that is in flight until `end`."""

    def __init__(self, ingest_url: str, key: str) -> None:
        where = urlsplit(ingest_url)
        self._connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=TIMEOUT_S)
        self._connection.putrequest("POST", "/v1/ratings/batch")
        self._connection.putheader("Authorization", f"Bearer {key}")
        self._connection.putheader("Content-Type", "application/x-ndjson")
        self._connection.putheader("Transfer-Encoding", "chunked")
        self._connection.endheaders()

    def send(self, ratings: Sequence[dict[str, object]]) -> None:
        """Send more lines."""
        lines = b"".join(json.dumps(rating).encode() + b"\n" for rating in ratings)
        self._connection.send(f"{len(lines):x}\r\n".encode() + lines + b"\r\n")

    def end(self) -> list[dict[str, Any]]:
        """End the request and return the result of each line.

        Raises:
            AssertionError: the batch as a whole was refused.
            OSError, http.client.HTTPException: the request was not answered to its end.
        """
        self._connection.send(b"0\r\n\r\n")
        try:
            answer = self._connection.getresponse()
            said = answer.read()
            assert answer.status == http.client.OK, said
            return [json.loads(line) for line in said.splitlines()]
        finally:
            self._connection.close()
