"""Calls the published HTTP interfaces of ingest, results and notifier with one key."""

import ipaddress
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

TIMEOUT_S = 30.0
PAGE_SIZE = 200


class ApiError(RuntimeError):
    """A service answered with an error; the message quotes the answer and never contains the key."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.is_about_key = status in {401, 403, 404}
        """Whether another key is needed: this one is unknown, or may not do this."""


@dataclass(frozen=True, slots=True)
class RatingResult:
    """Ingest's answer to one line of a batch; `status` is None when no answer arrived: send it again."""

    status: str | None
    reason: str = ""
    rating_id: str | None = None
    retry_after_s: float = 1.0


NO_ANSWER = RatingResult(None)


def http_client(url: str) -> httpx.Client:
    """Return a client for one base URL; it uses the environment's proxy, except for this machine."""
    return httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=not is_loopback(url))


def is_loopback(url: str) -> bool:
    """Return whether the URL's host is this machine.

    >>> is_loopback("http://127.0.0.1:8080"), is_loopback("http://ingest:8080")
    (True, False)
    """
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class ApiClient:
    """A client of ingest, results and notifier; each call names the practice it acts for."""

    def __init__(self, ingest: httpx.Client, results: httpx.Client, notifier: httpx.Client, key: str) -> None:
        self._ingest = ingest
        self._results = results
        self._notifier = notifier
        self._key = key

    @classmethod
    @contextmanager
    def open(cls, ingest_url: str, results_url: str, notifier_url: str, key: str) -> Iterator[Self]:
        """Yield a client whose connections are closed at the end of the block."""
        with (
            http_client(ingest_url) as ingest,
            http_client(results_url) as results,
            http_client(notifier_url) as notifier,
        ):
            yield cls(ingest, results, notifier, key)

    def instruments(self) -> dict[str, int]:
        """Return the number of items of each instrument, by the instrument's id."""
        answer = self._ingest.get("/v1/instruments", headers=self._headers(None))
        if answer.status_code == httpx.codes.NOT_FOUND:  # ingest has it for every key
            raise _no_service(answer)
        listed = _json(answer)
        return {entry["id"]: entry["items"] for entry in listed["instruments"]}

    def send_batch(
        self, practice: str | None, lines: Sequence[bytes], *, history: bool = False, dry_run: bool = False
    ) -> list[RatingResult]:
        """Send ratings, each as one JSON object, and return one result per line in the same order.

        `history` marks them as such: they are assessed when no others wait. With `dry_run` they are checked
        and not stored.

        Raises:
            ApiError: ingest refuses the whole batch (wrong key, unknown practice).
        """
        results = [NO_ANSWER] * len(lines)
        headers = {**self._headers(practice), "Content-Type": "application/x-ndjson"}
        content = b"\n".join(lines) + b"\n"
        try:
            params = {name: "true" for name, on in (("history", history), ("dry_run", dry_run)) if on}
            with self._ingest.stream(
                "POST", "/v1/ratings/batch", params=params, content=content, headers=headers
            ) as answer:
                if answer.status_code in {429, 503}:
                    return [RatingResult("retry", retry_after_s=_retry_after_s(answer))] * len(lines)
                if answer.status_code != httpx.codes.OK:
                    answer.read()
                    raise _error(answer)
                for line in answer.iter_lines():
                    try:
                        result = json.loads(line)
                    except ValueError:
                        raise _no_service(answer) from None
                    # A batch that ends early reports it in a line without a number.
                    if "line" in result:
                        results[result["line"] - 1] = _rating_result(result)
        except httpx.TransportError:
            return results
        return results

    def rating_status(self, practice: str | None, rating_id: str) -> str | None:
        """Return the outcome of one rating, `pending` until it has one, None when no such rating is held."""
        path = f"/v1/ratings/{quote(rating_id, safe='')}"
        answer = self._results.get(path, headers=self._headers(practice))
        return None if answer.status_code == httpx.codes.NOT_FOUND else str(_json(answer)["status"])

    def results_balance(self, practice: str | None) -> dict[str, Any]:
        """Return the counts of a practice's deliveries by outcome, and of its episodes."""
        return _json(self._results.get("/v1/balance", headers=self._headers(practice)))

    def message_balance(self, practice: str | None) -> dict[str, Any]:
        """Return the counts of a practice's messages by channel and state, and of what was kept back."""
        return _json(self._notifier.get("/v1/balance", headers=self._headers(practice)))

    def episodes(self, practice: str | None) -> Iterator[dict[str, Any]]:
        """Yield every episode of a practice."""
        yield from self._pages(self._results, "/v1/episodes", "episodes", practice)

    def episode(self, practice: str | None, episode_id: str) -> dict[str, Any]:
        """Return one episode with its changes and trajectory."""
        return _json(self._results.get(f"/v1/episodes/{episode_id}", headers=self._headers(practice)))

    def notifications(self, practice: str | None) -> Iterator[dict[str, Any]]:
        """Yield every decision of the notifier to send or keep back, for a practice."""
        yield from self._pages(self._notifier, "/v1/notifications", "notifications", practice)

    def put_therapist(self, practice: str | None, therapist: str, entry: Mapping[str, object]) -> None:
        """Store one entry of the therapist directory."""
        path = f"/v1/therapists/{therapist}"
        answer = self._notifier.put(path, json=dict(entry), headers=self._headers(practice))
        if answer.is_error:
            raise _error(answer)

    def _pages(
        self, client: httpx.Client, path: str, field: str, practice: str | None
    ) -> Iterator[dict[str, Any]]:
        after: str | None = None
        while True:
            params: dict[str, str | int] = {"limit": PAGE_SIZE} | ({"after": after} if after else {})
            page = _json(client.get(path, params=params, headers=self._headers(practice)))
            yield from page[field]
            # Only an empty page is the end: a short one may mean that transactions are still open.
            if not page[field] or page["next"] == after:
                return
            after = page["next"]

    def _headers(self, practice: str | None) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self._key}"}
        return headers | ({"Rapport-Practice": practice} if practice else {})


def _rating_result(result: Mapping[str, Any]) -> RatingResult:
    reason = str(result.get("reason", ""))
    errors = result.get("errors") or []
    if errors:
        reason = f"{reason}: {errors[0].get('field', '')} {errors[0].get('message', '')}".strip()
    retry_after = float(result.get("retry_after", 1))
    return RatingResult(str(result["status"]), reason, result.get("id"), retry_after)


def _retry_after_s(answer: httpx.Response) -> float:
    try:
        return float(answer.headers.get("Retry-After", "1"))
    except ValueError:
        return 1.0


def _json(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_error:
        raise _error(answer)
    try:
        body = answer.json()
    except ValueError:
        raise _no_service(answer) from None
    if not isinstance(body, dict):
        raise _no_service(answer)
    return body


def _no_service(answer: httpx.Response) -> ApiError:
    url = answer.request.url
    return ApiError(
        f"{answer.request.method} {url.path} was answered by something else than Rapport: check the address"
        f" {url.scheme}://{url.netloc.decode()}"
    )


def _error(answer: httpx.Response) -> ApiError:
    request = answer.request
    try:
        problem = answer.json()
        text = f"{problem.get('title', '')}. {problem.get('detail') or ''}".strip()
    except (json.JSONDecodeError, AttributeError):
        problem, text = {}, answer.reason_phrase
    status = answer.status_code
    if status == httpx.codes.NOT_FOUND and "title" not in problem:
        return _no_service(answer)
    return ApiError(f"{request.method} {request.url.path} answered {status}: {text}", status)
