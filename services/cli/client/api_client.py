"""The published HTTP doors in, plain values out: what any practice's system could do with the same key."""

import ipaddress
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

TIMEOUT_S = 30.0
PAGE = 200


class ApiError(RuntimeError):
    """A door answered with an error; the message holds its own words and never the key."""


@dataclass(frozen=True, slots=True)
class RatingResult:
    """What became of one line of a batch; `status` None where no answer came: send it again."""

    status: str | None
    reason: str = ""
    rating_id: str | None = None
    retry_after_s: float = 1.0


NO_ANSWER = RatingResult(None)


def client(url: str) -> httpx.Client:
    """A client for one base URL; a proxy of the environment is not asked for the way to loopback."""
    return httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=not is_loopback(url))


def is_loopback(url: str) -> bool:
    """Whether the URL names this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class ApiClient:
    """Ingest, results and notifier behind one key; each call names the practice it acts for."""

    def __init__(self, ingest: httpx.Client, results: httpx.Client, notifier: httpx.Client, key: str) -> None:
        self._ingest = ingest
        self._results = results
        self._notifier = notifier
        self._key = key

    @classmethod
    @contextmanager
    def open(cls, ingest_url: str, results_url: str, notifier_url: str, key: str) -> Iterator[Self]:
        """The doors while the block runs."""
        with client(ingest_url) as ingest, client(results_url) as results, client(notifier_url) as notifier:
            yield cls(ingest, results, notifier, key)

    def instruments(self) -> dict[str, int]:
        """How many items each instrument has, by id."""
        listed = _json(self._ingest.get("/v1/instruments", headers=self._head(None)))
        return {entry["id"]: entry["items"] for entry in listed["instruments"]}

    def send_batch(self, practice: str | None, lines: Sequence[bytes]) -> list[RatingResult]:
        """Send ratings, one JSON object each; one result per line, in their order.

        Raises:
            ApiError: the batch as a whole is refused for good (wrong key, no such practice).
        """
        results = [NO_ANSWER] * len(lines)
        head = {**self._head(practice), "Content-Type": "application/x-ndjson"}
        content = b"\n".join(lines) + b"\n"
        try:
            with self._ingest.stream("POST", "/v1/ratings/batch", content=content, headers=head) as answer:
                if answer.status_code in {429, 503}:
                    return [RatingResult("retry", retry_after_s=_retry_after(answer))] * len(lines)
                if answer.status_code != httpx.codes.OK:
                    answer.read()
                    raise _shut(answer)
                for line in answer.iter_lines():
                    result = json.loads(line)
                    # A batch that ends early says so in a line without a number.
                    if "line" in result:
                        results[result["line"] - 1] = _line_result(result)
        except httpx.TransportError:
            return results
        return results

    def rating_status(self, practice: str | None, rating_id: str) -> str:
        """What became of one rating: `pending` until it has an outcome."""
        answer = self._results.get(f"/v1/ratings/{quote(rating_id, safe='')}", headers=self._head(practice))
        return str(_json(answer)["status"])

    def results_balance(self, practice: str | None) -> dict[str, Any]:
        """Deliveries by outcome and episodes, of one practice."""
        return _json(self._results.get("/v1/balance", headers=self._head(practice)))

    def message_balance(self, practice: str | None) -> dict[str, Any]:
        """Messages by channel and state, and what was kept back, of one practice."""
        return _json(self._notifier.get("/v1/balance", headers=self._head(practice)))

    def episodes(self, practice: str | None) -> Iterator[dict[str, Any]]:
        """Every episode of one practice."""
        yield from self._pages(self._results, "/v1/episodes", "episodes", practice)

    def episode(self, practice: str | None, episode_id: str) -> dict[str, Any]:
        """One episode with its changes and trajectory."""
        return _json(self._results.get(f"/v1/episodes/{episode_id}", headers=self._head(practice)))

    def notifications(self, practice: str | None) -> Iterator[dict[str, Any]]:
        """Every decision to tell or not to tell, of one practice."""
        yield from self._pages(self._notifier, "/v1/notifications", "notifications", practice)

    def rejections(self, practice: str | None) -> Iterator[dict[str, Any]]:
        """Every rejected record of one practice."""
        yield from self._pages(self._results, "/v1/rejections", "rejections", practice)

    def put_therapist(self, practice: str | None, therapist: str, entry: Mapping[str, object]) -> None:
        """Write one entry of the therapist directory."""
        answer = self._notifier.put(
            f"/v1/therapists/{therapist}", json=dict(entry), headers=self._head(practice)
        )
        if answer.is_error:
            raise _shut(answer)

    def _pages(
        self, door: httpx.Client, path: str, field: str, practice: str | None
    ) -> Iterator[dict[str, Any]]:
        after: str | None = None
        while True:
            asked: dict[str, str | int] = {"limit": PAGE} | ({"after": after} if after else {})
            page = _json(door.get(path, params=asked, headers=self._head(practice)))
            yield from page[field]
            # The end is an empty page: a short one may only mean that transactions were in flight.
            if not page[field] or page["next"] == after:
                return
            after = page["next"]

    def _head(self, practice: str | None) -> dict[str, str]:
        head = {"Authorization": f"Bearer {self._key}"}
        return head | ({"Rapport-Practice": practice} if practice else {})


def _line_result(result: Mapping[str, Any]) -> RatingResult:
    reason = str(result.get("reason", ""))
    errors = result.get("errors") or []
    if errors:
        reason = f"{reason}: {errors[0].get('field', '')} {errors[0].get('message', '')}".strip()
    retry_after = float(result.get("retry_after", 1))
    return RatingResult(str(result["status"]), reason, result.get("id"), retry_after)


def _retry_after(answer: httpx.Response) -> float:
    try:
        return float(answer.headers.get("Retry-After", "1"))
    except ValueError:
        return 1.0


def _json(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_error:
        raise _shut(answer)
    found: dict[str, Any] = answer.json()
    return found


def _shut(answer: httpx.Response) -> ApiError:
    request = answer.request
    try:
        problem = answer.json()
        words = f"{problem.get('title', '')}. {problem.get('detail') or ''}".strip()
    except (json.JSONDecodeError, AttributeError):
        words = answer.reason_phrase
    return ApiError(f"{request.method} {request.url.path} answered {answer.status_code}: {words}")
