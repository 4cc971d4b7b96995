"""Sends the ratings of one practice to ingest until each has a final answer, and records every attempt."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import httpx
from pydantic import ValidationError

from schemas.ids import PracticeId
from schemas.rating import RatingBody, content_hash, rating_id
from tests.support.faults.history import Ending, HistoryFile, Sent

PAUSE_S = 0.2
GIVE_UP_S = 300.0
"""How long ingest may give no final answer; longer than any outage of a row."""
CHUNK = 20
SINGLE_EVERY = 4
"""Each fourth chunk is sent rating by rating: the doors for one rating and for many are not the same code."""
LEAVES_OPEN = "broker-silent"
"""The only reason to send again under which the rating may have been stored."""


class Prepared(NamedTuple):
    """A rating as it is sent, and what identifies it."""

    sent: Sent
    line: bytes


class HttpAnswer(NamedTuple):
    """How one attempt ended; only a final one is not repeated."""

    ending: Ending
    reason: str = ""
    is_final: bool = False
    wait_s: float = 0.0
    """How long ingest asks to wait before the rating is sent again."""


NEVER_SENT = HttpAnswer(Ending.FAIL, "not connected")
NO_ANSWER = HttpAnswer(Ending.UNKNOWN, "no answer")


def prepare(practice: str, body: Mapping[str, Any]) -> Prepared:
    """Return a rating as it is sent; one that is invalid has no content hash."""
    line = json.dumps(body).encode()
    try:
        rating = RatingBody.model_validate_json(line)
    except ValidationError:
        return Prepared(Sent(practice, str(body.get("id", "")), ""), line)
    hashed = content_hash(rating)
    return Prepared(Sent(practice, rating_id(PracticeId(practice), rating, hashed), hashed), line)


class Sender:
    """Sends ratings of one practice in order, again after as long a pause as ingest asks for."""

    def __init__(self, url: Callable[[], str], key: str, history: HistoryFile) -> None:
        self._url = url
        self._key = key
        self._history = history

    def send(
        self,
        practice: str,
        ratings: Sequence[Mapping[str, Any]],
        *,
        history: bool = False,
        before: Callable[[float, int], None],
        progress: Callable[[int], None],
    ) -> None:
        """Send ratings until each is accepted or refused; with `history` they are marked as history.

        `before` is called before each chunk with the share of the ratings that are sent and the size of the
        chunk, `progress` after it with its size.

        Raises:
            AssertionError: ingest gave no final answer for `GIVE_UP_S`.
        """
        headers = {"Authorization": f"Bearer {self._key}", "Rapport-Practice": practice}
        done = 0
        mark = {"history": "true"} if history else {}
        with httpx.Client(timeout=10, trust_env=False, headers=headers, params=mark) as client:
            for number, chunk in enumerate(_chunks(ratings, CHUNK)):
                before(done / len(ratings), len(chunk))
                remaining = [prepare(practice, body) for body in chunk]
                if number % SINGLE_EVERY == 0:
                    for one in remaining:
                        self._until_final(client, [one], self._single)
                else:
                    self._until_final(client, remaining, self._batch)
                done += len(chunk)
                progress(len(chunk))

    def _until_final(
        self,
        client: httpx.Client,
        ratings: Sequence[Prepared],
        attempt: Callable[[httpx.Client, Sequence[Prepared]], list[HttpAnswer]],
    ) -> None:
        remaining, give_up = list(ratings), time.monotonic() + GIVE_UP_S
        while remaining:
            numbers = [self._history.invoke(one.sent) for one in remaining]
            answers = attempt(client, remaining)
            for number, answer in zip(numbers, answers, strict=True):
                self._history.end(number, answer.ending, answer.reason)
            both = zip(remaining, answers, strict=True)
            remaining = [one for one, answer in both if not answer.is_final]
            if remaining:
                assert time.monotonic() < give_up, f"ingest gave no final answer: {answers[-1].reason}"
                time.sleep(max(PAUSE_S, *(answer.wait_s for answer in answers)))

    def _single(self, client: httpx.Client, ratings: Sequence[Prepared]) -> list[HttpAnswer]:
        (one,) = ratings
        try:
            answer = client.post(
                f"{self._url()}/v1/ratings", content=one.line, headers={"Content-Type": "application/json"}
            )
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return [NEVER_SENT]
        except httpx.TransportError:
            return [NO_ANSWER]
        if answer.status_code == httpx.codes.ACCEPTED:
            return [HttpAnswer(Ending.OK, is_final=True)]
        return [_of_problem(answer)]

    def _batch(self, client: httpx.Client, ratings: Sequence[Prepared]) -> list[HttpAnswer]:
        answers = [NO_ANSWER] * len(ratings)
        content = b"".join(one.line + b"\n" for one in ratings)
        headers = {"Content-Type": "application/x-ndjson"}
        try:
            with client.stream(
                "POST", f"{self._url()}/v1/ratings/batch", content=content, headers=headers
            ) as response:
                if response.status_code != httpx.codes.OK:
                    response.read()
                    return [_of_problem(response)] * len(ratings)
                for line in response.iter_lines():
                    result = json.loads(line)
                    if result["status"] == "stopped":
                        stopped = HttpAnswer(Ending.FAIL, result["reason"], wait_s=_wait_s(result))
                        answers[result["line"] - 1 :] = [stopped] * (len(ratings) - result["line"] + 1)
                    else:
                        answers[result["line"] - 1] = _of_line(result)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return [NEVER_SENT] * len(ratings)
        except (httpx.TransportError, json.JSONDecodeError):
            return answers
        return answers


def _of_line(result: Mapping[str, Any]) -> HttpAnswer:
    if result["status"] == "accepted":
        return HttpAnswer(Ending.OK, is_final=True)
    reason = str(result["reason"])
    if result["status"] == "refused":
        return HttpAnswer(Ending.FAIL, reason, is_final=True)
    ending = Ending.UNKNOWN if reason == LEAVES_OPEN else Ending.FAIL
    return HttpAnswer(ending, reason, wait_s=_wait_s(result))


def _wait_s(result: Mapping[str, Any]) -> float:
    return float(result.get("retry_after", 0))


def _of_problem(response: httpx.Response) -> HttpAnswer:
    try:
        reason = str(response.json()["type"]).rpartition(":")[2]
    except (ValueError, KeyError):
        return HttpAnswer(Ending.UNKNOWN, f"HTTP {response.status_code}")
    if response.status_code in {400, 401, 403, 404, 413, 415, 422}:
        return HttpAnswer(Ending.FAIL, reason, is_final=True)
    is_open = reason == LEAVES_OPEN or response.status_code == httpx.codes.INTERNAL_SERVER_ERROR
    wait_s = float(response.headers.get("Retry-After", 0))
    return HttpAnswer(Ending.UNKNOWN if is_open else Ending.FAIL, reason, wait_s=wait_s)


def _chunks(ratings: Sequence[Mapping[str, Any]], size: int) -> Iterator[list[Mapping[str, Any]]]:
    source = iter(ratings)
    while chunk := list(islice(source, size)):
        yield chunk
