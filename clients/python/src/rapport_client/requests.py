"""Builds requests and reads answers; it sends nothing, so both clients share it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from rapport_client.calls import Call, Service
from rapport_client.errors import RapportError, Refused
from rapport_client.models.ingest import LineResult, Problem, Rating

Answer = TypeVar("Answer", bound=BaseModel | None)

SEND_AGAIN = frozenset({408, 429, 502, 503, 504})
"""Answers after which the same request is sent again."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the services answer: the URLs that `rapport up` prints, or your network's own."""

    ingest: str
    results: str | None = None
    notifier: str | None = None

    def of(self, service: Service) -> str:
        """Return the URL of a service.

        Raises:
            RapportError: it was not given.
        """
        url: str | None = getattr(self, service.value)
        if url is None:
            raise RapportError(f"This call needs the address of {service.value}: pass it in Addresses")
        return url.rstrip("/")


def headers(key: str, practice: str | None) -> dict[str, str]:
    """Return the headers that say who asks, and for which practice."""
    return {"Authorization": f"Bearer {key}"} | ({"Rapport-Practice": practice} if practice else {})


def request_of(call: Call[Any], addresses: Addresses) -> dict[str, Any]:
    """Return a call as the arguments of httpx's `build_request`."""
    request: dict[str, Any] = {
        "method": call.method,
        "url": addresses.of(call.service) + call.url,
        "params": call.params,
    }
    if call.body is not None:
        request["content"] = encoded(call.body)
    return request


def encoded(body: BaseModel) -> bytes:
    """Return a body as JSON, with the fields that were set."""
    return body.model_dump_json(exclude_unset=True).encode()


def answer_of(call: Call[Answer], response: httpx.Response) -> Answer:
    """Return the answer to a call.

    Raises:
        Refused: the service says what is wrong.
        RapportError: it is not an answer of Rapport.
    """
    if not response.is_success:
        raise refusal(response)
    if not issubclass(call.answer, BaseModel):
        return None  # type: ignore[return-value]  # the only other answer
    try:
        return call.answer.model_validate_json(response.content)
    except ValidationError:
        raise no_answer_of_rapport(response) from None


def refusal(response: httpx.Response) -> RapportError:
    """Return the error of an answer that is read already."""
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        return no_answer_of_rapport(response)
    return Refused(response.status_code, problem.title, problem.detail or "", problem.errors or ())


def no_answer_of_rapport(response: httpx.Response) -> RapportError:
    """Return the error that something else answered."""
    url = response.request.url
    return RapportError(
        f"{url.scheme}://{url.netloc.decode()} answered {response.status_code} with something that this"
        " client cannot read: check the address, or use the client of the service's version"
    )


def asked_pause_s(response: httpx.Response) -> float | None:
    """Return the seconds in `Retry-After`; None where it holds none."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None


class Unanswered:
    """The ratings of one request that have no final answer yet."""

    def __init__(self, ratings: Sequence[Rating]) -> None:
        self._ratings = list(ratings)
        self._left: dict[int, Rating] = {}
        self.asked_s: float | None = None
        """The longest pause that a result of this attempt asked for."""

    def __bool__(self) -> bool:
        return bool(self._ratings)

    def next_attempt(self) -> bytes:
        """Return the body of a request with all that is left: one rating a line, the same bytes each time."""
        self._left = dict(enumerate(self._ratings, start=1))
        self.asked_s = None
        return b"".join(encoded(rating) + b"\n" for rating in self._ratings)

    def read(self, line: str) -> tuple[Rating, LineResult] | None:
        """Return a rating and its final result; None for one that must be sent again.

        Raises:
            ValidationError: the line is not a result.
        """
        result = LineResult.model_validate_json(line)
        if result.status not in {"accepted", "valid", "refused"} or result.line not in self._left:
            self.asked_s = max(self.asked_s or 0.0, float(result.retry_after or 0)) or None
            return None
        return self._left.pop(result.line), result

    def end_attempt(self) -> bool:
        """Keep what is left, and return whether anything was answered."""
        answered = len(self._left) < len(self._ratings)
        self._ratings = list(self._left.values())
        return answered
